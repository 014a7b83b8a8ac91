"""What the vault holds of customers besides who they are: direct identifiers, and since when.

Belongs here: the table ``vault.identifiers`` and the right values in ``vault.corrections``: keeping
them, since when each is held, letting them go. Does not belong here: ids, keys
and salts, and opening the vault (``identity``); for how long it holds them (``rights.custody``).
"""

from collections.abc import Sequence
from datetime import date

import duckdb

from governance.consent_relations import listed
from governance.policy.words import PERMISSION_ATTRIBUTES
from warehouse import catalogue
from warehouse.sql import identifier, quoted

IDENTIFIERS, CORRECTIONS = "vault.identifiers", "vault.corrections"
RECORDED_ON = "recorded_on"
_KEPT = ("subject_key", RECORDED_ON)  # columns that identify nobody


def prepare(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Make the table, one column for each direct identifier."""
    connection.execute(f"create table if not exists {IDENTIFIERS} (subject_key uuid primary key)")
    for name, kind in ((RECORDED_ON, "date"), *((name, "varchar") for name in names)):
        connection.execute(
            f"alter table {IDENTIFIERS} add column if not exists {identifier(name)} {kind}"
        )


def date_undated(connection: duckdb.DuckDBPyConnection, day: str) -> None:
    """Date what an earlier version kept without a day: as the customer's row in landing.

    Parameters
    ----------
    connection
        With the vault attached, and the warehouse as its current database.
    day
        SQL of the day that counts where landing has no row.
    """
    connection.execute(
        f"update {IDENTIFIERS} as i set {RECORDED_ON} = coalesce((select c.recorded_on"
        f" from landing.customers as c where c.subject_key = i.subject_key), {day})"
        f" where {RECORDED_ON} is null"
    )


def keep(
    connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str], *, day: str, again: bool
) -> None:
    """Put direct identifiers into the vault; a newer row replaces an older one.

    Parameters
    ----------
    connection
        With the vault attached.
    rows
        A ``select`` of ``subject_key`` and the named columns, one row per subject.
    names
        The direct identifiers in ``rows``.
    day
        SQL of the day on which they are recorded.
    again
        Whether the feed is read again from the beginning: that makes nothing younger.
    """
    columns = ", ".join(identifier(name) for name in names)
    recorded = f"coalesce(held.{RECORDED_ON}, {day})" if again else day
    connection.execute(
        f"insert or replace into {IDENTIFIERS} (subject_key, {RECORDED_ON}, {columns})"
        f" select said.subject_key, {recorded}, {', '.join(f'said.{identifier(n)}' for n in names)}"
        f" from ({rows}) as said left join {IDENTIFIERS} as held using (subject_key)"
    )


def replaces(connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str]) -> bool:
    """Tell whether :func:`keep` is about to replace a value by another, or by none.

    Parameters are as of :func:`keep`.
    """
    other = " or ".join(
        f"(held.{identifier(n)} is not null and held.{identifier(n)} is distinct from"
        f" said.{identifier(n)}::varchar)" for n in names
    )  # fmt: skip
    return bool(
        connection.execute(
            f"select 1 from ({rows}) as said join {IDENTIFIERS} as held using (subject_key)"
            f" where {other or 'false'} limit 1"
        ).fetchall()
    )


def renew(connection: duckdb.DuckDBPyConnection, subject: str, day: date) -> None:
    """Note that what is held of a subject was recorded on a day, as a row of a feed would."""
    connection.execute(
        f"update {IDENTIFIERS} set {RECORDED_ON} = ? where subject_key = ?::uuid", [day, subject]
    )


def names_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the direct identifiers that the vault has a column for."""
    return [name for name in _columns(connection, IDENTIFIERS) if name not in _KEPT]


def dated(connection: duckdb.DuckDBPyConnection, customers: str) -> str:
    """Return the ``select`` of what is held of subjects, with the day of it.

    Left out is what is needed to decide permission. Columns: ``held`` (the table), ``subject_key``,
    ``column_name`` (of a correction), ``recorded_on``. A correction is as old as what it corrects.

    Parameters
    ----------
    connection
        With the vault attached.
    customers
        What stands behind ``from`` to yield the ``subject_key`` and ``recorded_on`` of the rows of
        customers in landing.
    """
    names = names_of(connection)
    undated = RECORDED_ON not in _columns(connection, IDENTIFIERS)
    own = "null::date" if undated else f"i.{RECORDED_ON}"
    joined = f"left join {customers} as c using (subject_key)"
    of_vault = listed(["customer_id", *names])
    said = " or ".join(f"i.{identifier(name)} is not null" for name in names) or "false"
    found = [
        f"select {quoted(IDENTIFIERS)} as held, subject_key, null::varchar as column_name,"
        f" coalesce({own}, c.recorded_on) as recorded_on"
        f" from {IDENTIFIERS} as i {joined} where {said}"
    ]
    if _columns(connection, CORRECTIONS):  # not in the vault of an earlier version
        found.append(
            f"select {quoted(CORRECTIONS)}, subject_key, k.column_name,"
            f" case when k.column_name in {of_vault} then coalesce({own}, c.recorded_on)"
            f" else coalesce(c.recorded_on, {own}) end"
            f" from {CORRECTIONS} as k left join {IDENTIFIERS} as i using (subject_key) {joined}"
            f" where k.value is not null and k.column_name not in {listed(PERMISSION_ATTRIBUTES)}"
        )
    return " union all ".join(found)


def let_go(connection: duckdb.DuckDBPyConnection, which: str) -> None:
    """Empty what is held; the keyed hashes of what was wrong stay, so that it doesn't come back.

    Parameters
    ----------
    connection
        With the vault attached, to be written.
    which
        What stands behind ``from`` to yield what goes, as :func:`dated` tells it.
    """
    nulled = ", ".join(f"{identifier(name)} = null" for name in names_of(connection))
    connection.execute("begin")
    connection.execute(
        f"update {IDENTIFIERS} set {nulled} where subject_key in"
        f" (select subject_key::uuid from {which} where held = {quoted(IDENTIFIERS)})"
    )
    if _columns(connection, CORRECTIONS):
        connection.execute(
            f"update {CORRECTIONS} set value = null where (subject_key, column_name) in"
            f" (select (subject_key::uuid, column_name) from {which}"
            f" where held = {quoted(CORRECTIONS)})"
        )
    connection.execute("commit")


def oldest(
    connection: duckdb.DuckDBPyConnection, customers: str, but: Sequence[object]
) -> dict[str, date]:
    """Return by table the day of the oldest that is held, but of some subjects.

    Parameters
    ----------
    connection, customers
        As of :func:`dated`.
    but
        Keys of the subjects that are left out.
    """
    rows = connection.execute(
        f"select held, min(recorded_on) from ({dated(connection, customers)})"
        " where not list_contains($but::uuid[], subject_key) and recorded_on is not null"
        " group by held order by held",
        {"but": list(but)},
    ).fetchall()
    return dict(rows)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    database, _, name = table.partition(".")
    return catalogue.columns(connection, "main", name, database)
