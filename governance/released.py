"""What was released before a restore, which the state that takes the present one's place must know.

Belongs here: taking the record of releases over from the present warehouse, or noting that nobody
can tell any more. Without it, aggregates would be made, and months counted, a second time without
who has left since, and the two figures subtracted. Does not belong here: what follows from the
record (``aggregates``, ``consent_statistics``), bringing files back (``backup``).

A release is known by its day, model and sizes. What the restored state lacks is added to its own.
"""

from datetime import datetime

import duckdb

from governance import aggregates, consent_statistics, unrecorded
from governance.aggregates import CELLS, KEY, MEMBERS, TEXTS
from governance.consent_statistics import COUNTED
from governance.consent_statistics import TABLE as COUNTS
from governance.policy.words import SEGMENT_PURPOSE
from governance.unrecorded import Unrecorded
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import Store, connected, warehouse_store
from warehouse.errors import HELD, AssentError
from warehouse.home import Home
from warehouse.sql import identifier, quoted

PRESENT = "present"
# Releases of the present state that the restored one lacks, with their numbers there and here; and
# such months.
_NEW, _MONTHS = "temp.new_releases", "temp.new_months"


def take_over(present: Home, state_of: datetime) -> bool:
    """Take the record of releases over; tell whether it has all that was released since.

    A present warehouse that is lost, damaged or of another state hinders no restore: the time since
    the backup is noted as unrecorded.

    Parameters
    ----------
    present
        The present state; the restored one is being prepared, rid of who has left since.
    state_of
        When the restored state was as it is, UTC without a zone.

    Raises
    ------
    UsageError
        If another process holds the present warehouse.
    """
    there = Store(PRESENT, present.warehouse, "warehouse", read_only=True)
    try:
        with connected(warehouse_store(), there) as connection:
            complete = _add(connection)
    except duckdb.OutOfMemoryException:  # with more, it can be read
        raise
    except (AssentError, duckdb.Error) as error:
        if isinstance(error, AssentError) and error.rule == HELD:
            raise
        complete = False
    if not complete:
        with connected(warehouse_store()) as connection:
            unrecorded.note(connection, Unrecorded(state_of, utc_naive(now())))
    return complete


def _add(connection: duckdb.DuckDBPyConnection) -> bool:
    """Add what the present record has and ours lacks; tell whether it goes on from ours."""
    aggregates.make(connection)
    consent_statistics.make(connection)
    unrecorded.make(connection)
    complete = _goes_on(connection)
    _find_new(connection)
    connection.execute("begin")
    for table in (CELLS, TEXTS, MEMBERS):
        _add_releases(connection, table)
    for table in (COUNTS, COUNTED):
        connection.execute(
            f"insert into {table} by name from {_theirs(connection, table)}"
            f" where month in (from {_MONTHS})"
        )
    connection.execute(
        f"insert into {unrecorded.TABLE} by name from {_theirs(connection, unrecorded.TABLE)}"
        f" except from {unrecorded.TABLE}"
    )
    connection.execute("commit")
    return complete


def _goes_on(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the present record has the newest of ours: else it is of some other state."""
    missing = connection.execute(
        f"select 1 from ({_known_by(CELLS)}) where said not in"
        f" (select said from ({_known_by(_theirs(connection, CELLS))}))"
        f" and release = (select max(release) from {CELLS}) union all"
        f" select 1 from {COUNTED} where month not in"
        f" (select month from {_theirs(connection, COUNTED)})"
    ).fetchall()
    return not missing


def _find_new(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"create temp table {_NEW} as select release,"
        f" (select coalesce(max(release), 0) from {CELLS}) + row_number() over (order by release)"
        f" as number from ({_known_by(_theirs(connection, CELLS))})"
        f" where said not in (select said from ({_known_by(CELLS)}))"
    )
    connection.execute(
        f"create temp table {_MONTHS} as select month from {_theirs(connection, COUNTED)}"
        f" where month not in (select month from {COUNTED})"
    )


def _known_by(cells: str) -> str:
    """Return the SQL of the releases with what each is known by."""
    return (
        "select release, string_agg(concat_ws(' ', as_of, model, segment_id, subjects), ';'"
        f" order by segment_id) as said from {cells} group by release"
    )


def _add_releases(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Add the rows of new releases; of who is in them, only whom the restored state knows.

    The others were erased, or landed since the backup and get other keys: rows by the old ones
    would be found by no erasure. They count as those do who have left.
    """
    known = "true"
    if table == MEMBERS:
        known = "false"
        if catalogue.columns(connection, "landing", "purpose_keys"):
            known = (
                f"{KEY} in (select purpose_key from landing.purpose_keys"
                f" where purpose = {quoted(SEGMENT_PURPOSE)})"
            )
    connection.execute(
        f"insert into {table} by name select theirs.* replace (number as release)"
        f" from {_theirs(connection, table)} as theirs join {_NEW} using (release) where {known}"
    )


def _theirs(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return the SQL of a table of the present record; another version may have shaped it."""
    schema, name = table.split(".")
    there = catalogue.columns(connection, schema, name, PRESENT)
    both = [column for column in catalogue.columns(connection, schema, name) if column in there]
    if not both:
        return f"(from {table} limit 0)"
    return f"(select {', '.join(map(identifier, both))} from {PRESENT}.{table})"
