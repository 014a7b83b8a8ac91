"""Where a subject is held: every table with one of its keys, told from the files themselves.

Belongs here: finding, by the columns of a database, which tables hold rows of subjects and by which
key, and the keys of some subjects. Nothing is listed but what holds nobody: a table that nobody
told this module of is found by its key, and one without any key is refused. Does not belong here:
deleting (``erasure``), reading the rows (``holding``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from governance import identity
from warehouse import catalogue
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted

Keyed = dict[tuple[str, str], dict[str, str]]  # tables with the columns that may be keys, typed

SUBJECT = "subject_key"
PURPOSE_KEYS = ("landing", "purpose_keys")
LEAVING = "leaving"  # temporary table of keys: subject_key, purpose, purpose_key (``mark``)

# Of categories and product groups that reveal something, each once: it goes with its last row.
SPECIAL_VALUES = "consented.int_transactions_special_values"
KEY = "UUID"  # the type of a key
OWNERLESS = "no subject's key in some row, or empty"  # what is told of a table with such rows
OF_A_FILE = "main."  # what a file of one kind says of itself; the warehouse has nothing there
# What holds no row of a subject: notes of the feeds, clocks, verdicts, aggregates, facts of a file.
HOLDS_NOBODY = frozenset(
    {
        "landing.changed_days", "landing.clocks", "landing.loads", "governance.rule_verdicts",
        "governance.rewritten", "governance.consent_statistics", "governance.consent_months",
        "governance.unrecorded_releases",
        SPECIAL_VALUES, "segmentation.segments",
        "segmentation.aggregates", "segmentation.aggregate_texts",
        "main.segments", "main.about", "main.unread", "main.kept", "main.decisions",
        "main.published", "main.sealing",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Holder:
    """A table that holds rows of subjects, and the column that says whose.

    ``name`` is the table as SQL, with its database.
    """

    database: str
    schema: str
    table: str
    key: str

    @property
    def name(self) -> str:
        """The table as SQL."""
        return ".".join(map(identifier, (self.database, self.schema, self.table)))

    @property
    def purpose(self) -> str | None:
        """The purpose whose key it is; None where it is the subject's own."""
        return None if self.key == SUBJECT else self.key.removesuffix("_key")

    @property
    def of_leaving(self) -> str:
        """SQL that is true for the rows of those in the temporary table of keys."""
        if self.purpose is None:
            return f"{self.key} in (select subject_key from {LEAVING})"
        return (
            f"{identifier(self.key)} in"
            f" (select purpose_key from {LEAVING} where purpose = {quoted(self.purpose)})"
        )


def holders(connection: duckdb.DuckDBPyConnection, *databases: str) -> list[Holder]:
    """Return the tables of attached databases that hold rows of subjects.

    Raises
    ------
    UsageError
        If a table has no key and isn't known to hold nobody, or a key that no purpose has.
    """
    found = []
    for database, keyed in _keyed(connection, databases).items():
        require_known(_unknown(keyed, _purposes(connection, database, keyed), database))
        found += _holders(keyed, database)
    return found


def require_known(found: Mapping[tuple[str, str], str]) -> None:
    """Refuse tables of which nobody knows whose rows they hold (:func:`unknown`)."""
    for table, why in found.items():
        raise UsageError(
            f"nobody knows whose rows {'.'.join(table)} holds: {why}",
            "leave such rows out (an inner join, say), and give each row its own subject's key"
            if why.endswith(OWNERLESS)
            else "key it by subject_key or by its purpose's key, in a model; if it holds nobody's"
            " rows, say so in governance/rights/discovery.py",
            rule="rights.discovery",
        )


def unknown(connection: duckdb.DuckDBPyConnection, database: str) -> dict[tuple[str, str], str]:
    """Return the tables, by schema and name, of which nobody knows whose rows they hold, and why.

    They have no key, or one that no purpose has.
    """
    keyed = _keyed(connection, [database])[database]
    return _unknown(keyed, _purposes(connection, database, keyed), database)


def ownerless(
    connection: duckdb.DuckDBPyConnection, schemas: Collection[str]
) -> dict[tuple[str, str], str]:
    """Return the tables of the warehouse, in some schemas, with a row that is nobody's, and why.

    Its key is null, or no subject has it there, be it that it is of another purpose: whosever the
    row is, nothing would take it out with them.
    """
    keyed = _keyed(connection, ["warehouse"])["warehouse"]
    if PURPOSE_KEYS not in keyed:
        return {}
    unknown = _unknown(keyed, _purposes(connection, "warehouse", keyed), "warehouse")
    told = {place: keys for place, keys in keyed.items() if place not in unknown}
    found = {}
    for holder in _holders(told, "warehouse"):
        if holder.schema in schemas and _has_ownerless(connection, holder):
            found[holder.schema, holder.table] = (
                f"{holder.key} is {'' if holder.purpose is None else f'for {holder.purpose} '}"
                f"{OWNERLESS}"
            )
    return found


def alias_of(purpose: str) -> str:
    """Return what a purpose's published file is attached as, beside the warehouse."""
    return f"published_{purpose}"


def mark(
    connection: duckdb.DuckDBPyConnection, subjects: Sequence[str], tables: Sequence[Holder]
) -> None:
    """Fill the temporary table of keys (``LEAVING``) for some tables, from vault and salts.

    From each subject's own salt: nobody else's key is computed.
    """
    purposes = sorted({table.purpose for table in tables if table.purpose})
    connection.execute(
        f"create or replace temp table {LEAVING} as"
        " with who as materialized (select * from vault.subjects"
        " where subject_key in (select unnest($subjects::uuid[])))"
        " select subject_key, null::varchar as purpose, null::uuid as purpose_key from who"
        f" union all {identity.purpose_keys(purposes, 'who')}",
        {"subjects": list(subjects)},
    )


def _keyed(connection: duckdb.DuckDBPyConnection, databases: Sequence[str]) -> dict[str, Keyed]:
    """Return by database its tables, by schema and name, with the columns that may be keys."""
    return {
        database: {
            place: {name.lower(): kind for name, kind in found.columns.items() if KEY in kind}
            for place, found in relations.items() if found.kind == "table"
        }
        for database, relations in catalogue.relations_of(connection, databases).items()
    }  # fmt: skip


def _holders(keyed: Keyed, database: str) -> list[Holder]:
    return [
        Holder(database, schema, table, _key_of(keys))
        for (schema, table), keys in keyed.items() if keys
    ]  # fmt: skip


def _key_of(keys: Collection[str]) -> str:
    """Return by which of a table's keys its rows are found: the subject's, or its purpose's."""
    return SUBJECT if SUBJECT in keys else min(keys, key=lambda name: name == "purpose_key")


def _has_ownerless(connection: duckdb.DuckDBPyConnection, holder: Holder) -> bool:
    of, key = (
        ("true", SUBJECT) if holder.purpose is None
        else (f"purpose = {quoted(holder.purpose)}", "purpose_key")
    )  # fmt: skip
    found = connection.execute(
        f"select 1 from {holder.name} as t anti join"
        f" (select {key} as owner from landing.purpose_keys where {of}) as k"
        f" on t.{identifier(holder.key)} = k.owner limit 1"
    ).fetchone()
    return found is not None


def _unknown(keyed: Keyed, purposes: Collection[str], database: str) -> dict[tuple[str, str], str]:
    faults = {table: _fault(keys, purposes) for table, keys in keyed.items()}
    known = {
        name for name in HOLDS_NOBODY
        if database != "warehouse" or not name.startswith(OF_A_FILE)
    }  # fmt: skip
    return {table: why for table, why in faults.items() if why and ".".join(table) not in known}


def _purposes(connection: duckdb.DuckDBPyConnection, database: str, keyed: Keyed) -> set[str]:
    """Return the purposes that subjects have keys for; none where nobody has any."""
    if PURPOSE_KEYS not in keyed:
        return set()
    keys = f"{identifier(database)}.{'.'.join(PURPOSE_KEYS)}"
    rows = connection.execute(f"select distinct purpose from {keys}").fetchall()
    return {purpose for (purpose,) in rows}


def _fault(keys: Mapping[str, str], purposes: Collection[str]) -> str:
    """Return why it can't be told by which of its keys a table's rows are found; empty if it can.

    Beside the subject's key there may be that of the row's purpose; any other might be somebody
    else's, and those within a list or a structure are found by nothing.
    """
    if within := [name for name, kind in keys.items() if kind != KEY]:
        return f"the column {within[0]} may hold keys within {keys[within[0]]}"
    others = [name for name in keys if name not in (SUBJECT, "purpose_key")]
    strange = others if SUBJECT in keys else [n for n in others if not _of(n, purposes)]
    strange += others[1:]
    if strange:
        return f"the column {strange[0]} may be a key"
    return "" if SUBJECT in keys or others else "it has no key of a subject, of type uuid"


def _of(name: str, purposes: Collection[str]) -> bool:
    """Tell whether a column is called as a purpose's key is."""
    return name.endswith("_key") and (not purposes or name.removesuffix("_key") in purposes)
