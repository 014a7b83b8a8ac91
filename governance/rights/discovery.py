"""Where a subject is held: every table with one of its keys, told from the files themselves.

Belongs here: finding, by the columns of a database, which tables hold rows of subjects and by which
key, and the keys of some subjects. Nothing is listed but what holds nobody: a table that nobody
told this module of is found by its key, and one without any key is refused. Does not belong here:
deleting (``erasure``), reading the rows (``holding``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from governance import identity
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted

SUBJECT = "subject_key"
LEAVING = "leaving"  # temporary table of keys: subject_key, purpose, purpose_key (``mark``)

# Of categories and product groups that reveal something, each once: it goes with its last row.
SPECIAL_VALUES = "consented.int_transactions_special_values"
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


def holders(connection: duckdb.DuckDBPyConnection, database: str) -> list[Holder]:
    """Return the tables of an attached database that hold rows of subjects.

    Raises
    ------
    UsageError
        If a table has no key and isn't known to hold nobody, or a key that no purpose has.
    """
    rows = connection.execute(
        "select c.schema_name, c.table_name,"
        " list(c.column_name order by c.column_index) filter (c.data_type = 'UUID')"
        " from duckdb_columns() as c join duckdb_tables() as t using (database_name, table_oid)"
        " where c.database_name = ? and not t.temporary group by all order by all",
        [database],
    ).fetchall()
    return [
        Holder(database, schema, table, _key(f"{schema}.{table}", keys or []))
        for schema, table, keys in rows
        if keys or f"{schema}.{table}" not in HOLDS_NOBODY
    ]


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


def _key(table: str, keys: list[str]) -> str:
    strange = [name for name in keys if not name.endswith("_key")]
    if not keys or strange or keys == ["purpose_key"]:
        what = f"the column {strange[0]} may be a key" if strange else "it has no key of a subject"
        raise UsageError(
            f"nobody knows whose rows {table} holds: {what}",
            "key it by subject_key or by its purpose's key; if it holds nobody's rows, say so in"
            " governance/rights/discovery.py",
            rule="rights.discovery",
        )
    return SUBJECT if SUBJECT in keys else keys[0]
