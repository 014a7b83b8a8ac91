"""Leaving: rows and subjects go from every file of the state.

Belongs here: taking subjects out of the published files, the warehouse, and at last the vault and
the salts, by which all the others are found; noting what leaves landing. Done again after a kill,
each step finds what is left to do. Does not belong here: who leaves and why (``erasure``,
``custody``), what is put aside of them (``proofs``), where a subject is held (``discovery``),
writing files anew without what was deleted (``warehouse.rewrite``).
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from governance import identity
from governance.policy.words import FEEDS, REMOVALS
from governance.rights.discovery import (
    LEAVING,
    SPECIAL_VALUES,
    SUBJECT,
    Holder,
    holders,
    mark,
)
from governance.rights.published import leave_published
from warehouse import catalogue
from warehouse.clock import TICK
from warehouse.connect import connected, warehouse_store
from warehouse.sql import quoted

TRANSACTIONS = "transactions"
VALUED = ("category", "product_group")  # attributes of them that may hold special values
# Of ``REMOVALS``.
ERASURE, RETENTION, NO_PURPOSE = "erasure", "retention", "no_purpose"
RECTIFICATION = "rectification"
CORRECTION = "correction"  # by a feed
REWRITTEN = "governance.rewritten"  # holds when the files were last written anew (``purge``)
# Of a load: that it read nothing, and notes what has left.
NOTE = f"(rows_read = 0 and source in ({', '.join(map(quoted, REMOVALS))}))"


def leave(subjects: Sequence[str], at: datetime, why: str) -> None:
    """Take subjects out of published files, the warehouse, the vault and the salts.

    Parameters
    ----------
    subjects
        Their keys.
    at
        When, UTC without a zone.
    why
        One of ``REMOVALS``.
    """
    leave_published(subjects)
    with connected(warehouse_store(), *identity.stores()) as connection:
        tables = holders(connection, "warehouse")
        mark(connection, subjects, tables)
        delete_marked(connection, tables, at, why)
        identity.forget(connection, subjects)


def delete_marked(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Holder], at: datetime, why: str
) -> None:
    """Delete the rows of those in the temporary table of keys from tables of the warehouse.

    Of some there is no row of a feed, as they are in quarantine alone, or have returned and nothing
    of theirs has landed: what the vault loses of them lies in files, too.
    """
    connection.execute("begin")
    connection.execute(
        "update warehouse.landing.quarantine set resolved_at = coalesce(resolved_at, ?),"
        " resolution = coalesce(resolution, 'erased'), subject_key = null, note = null"
        f" where subject_key in (select subject_key from {LEAVING})",
        [at],
    )
    for table in tables:
        delete(connection, table, table.of_leaving, at=at, why=why)
    note_lying(connection, at, why)
    connection.execute("commit")


def delete(
    connection: duckdb.DuckDBPyConnection, table: Holder, which: str, *, at: datetime, why: str
) -> int:
    """Delete rows of a table of the warehouse; return how many.

    Of a feed's rows it is noted how many leave, and values that only these had are forgotten. They
    are looked for once: among many millions that takes most of the time.

    Parameters
    ----------
    connection
        With the warehouse attached; in a transaction.
    which
        SQL that is true for the rows that leave.
    at
        When, UTC without a zone.
    why
        One of ``REMOVALS``.
    """
    of_feed = table.schema == "landing" and table.table in FEEDS
    asked = VALUED if table.table == TRANSACTIONS else ()
    if of_feed:
        connection.execute(
            f"create or replace temp table going as select rowid as position,"
            f" {', '.join(('load_id', SUBJECT, *asked))} from {table.name} where {which}"
        )
        note_removal(connection, "going", at=at, why=why)
        which = "rowid in (select position from going)"
    gone = connection.execute(f"delete from {table.name} where {which}").fetchall()[0][0]
    if of_feed and asked:
        _forget_values(connection)
    return int(gone)


def _forget_values(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the special values that only the rows of transactions had that have just left."""
    schema, table = SPECIAL_VALUES.split(".")
    if not connection.execute(
        "select 1 from duckdb_tables() where database_name = 'warehouse'"
        " and schema_name = ? and table_name = ?", [schema, table],
    ).fetchall():  # fmt: skip
        return
    noted = f"warehouse.{SPECIAL_VALUES}"
    for attribute in VALUED:
        of_it = f"select special_value from {noted} where attribute = {quoted(attribute)}"
        values = connection.execute(
            f"select distinct {attribute} from going where {attribute} in ({of_it})"
        ).fetchall()
        if values:  # mostly there are none, and nobody reads the other rows
            connection.execute(
                f"delete from {noted} where attribute = $attribute"
                " and list_contains($values, special_value) and special_value not in"
                f" (select {attribute} from warehouse.landing.{TRANSACTIONS}"
                f" where list_contains($values, {attribute}))",
                {"attribute": attribute, "values": [value for (value,) in values]},
            )


def note_removal(
    connection: duckdb.DuckDBPyConnection, rows: str, *, at: datetime, why: str,
    emptied: bool = False,
) -> None:  # fmt: skip
    """Note how many rows of each feed leave a landing table, so that what was read still adds up.

    It is noted of how many subjects, too: numbers of a few are shown to nobody.

    Parameters
    ----------
    connection
        With the warehouse attached; in the transaction in which the rows leave, before they do.
    rows
        The rows that leave, as SQL, with their ``load_id`` and ``subject_key``.
    at
        When, UTC without a zone.
    why
        One of ``REMOVALS``.
    emptied
        Whether the rows stay and only lose values.
    """
    at = _after_purge(connection, at)
    gone, lost = ("0", "count(*)") if emptied else ("count(*)", "0")
    # What a process of the fifth schema version left when it was killed is finished before the
    # state is brought up, which adds this.
    connection.execute(
        "alter table warehouse.landing.loads add column if not exists subjects bigint"
    )
    connection.execute(
        "insert into warehouse.landing.loads by name select"
        " (select max(load_id) from warehouse.landing.loads) + row_number() over (order by feed)"
        " as load_id, feed, ? as loaded_at, ? as source, '{}' as fingerprint,"
        " 0 as rows_read, 0 as rows_accepted, 0 as rows_quarantined, 0 as rows_duplicate,"
        f" {gone} as rows_corrected, 0 as rows_suppressed, {lost} as rows_emptied,"
        " count(distinct subject_key) as subjects"
        f" from {rows} join (select load_id, feed from warehouse.landing.loads) using (load_id)"
        " group by feed",
        [at, why],
    )


def note_lying(connection: duckdb.DuckDBPyConnection, at: datetime, why: str) -> None:
    """Note that what is no row of a feed, and has left, may lie in files: the days to purge begin.

    Such as what a rectification replaced, or a feed. Of one moment it is noted once, if not with
    the rows of feeds that left then; where nothing has landed there is nothing to purge.

    Parameters
    ----------
    connection
        With the warehouse attached.
    at
        When, UTC without a zone.
    why
        One of ``REMOVALS``.
    """
    at = _after_purge(connection, at)
    connection.execute(
        "insert into warehouse.landing.loads by name select"
        " max(load_id) + 1 as load_id, max_by(feed, load_id) as feed,"
        " $at as loaded_at, $why as source, '{}' as fingerprint,"
        " 0 as rows_read, 0 as rows_accepted, 0 as rows_quarantined, 0 as rows_duplicate,"
        " 0 as rows_corrected, 0 as rows_suppressed, 0 as rows_emptied"
        " from warehouse.landing.loads"
        " having count(*) > 0 and count(*) filter (source = $why and loaded_at = $at) = 0",
        {"at": at, "why": why},
    )


def rewritten_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return when the warehouse was last written anew, UTC without a zone; None if it never was."""
    schema, table = REWRITTEN.split(".")
    if not catalogue.columns(connection, schema, table, "warehouse"):
        return None
    found: datetime = connection.execute(f'select "at" from warehouse.{REWRITTEN}').fetchall()[0][0]
    return found


def noted_at(at: datetime) -> datetime:
    """Return when a removal from another file than the warehouse, which isn't open, is noted."""
    store = warehouse_store(read_only=True)
    if not store.path.exists():
        return at
    with connected(store) as connection:
        return _after_purge(connection, at)


def _after_purge(connection: duckdb.DuckDBPyConnection, at: datetime) -> datetime:
    """Return when a removal is noted: after the last purge, as it is, whatever the clock says.

    A clock may stand still or be set back; a removal that seems to come before the purge would
    never be purged.
    """
    purged = rewritten_at(connection)
    return at if purged is None else max(at, purged + TICK)
