"""Counting what has landed: of a feed's rows who, how many baskets, which value, from when to when.

Belongs here: which loads are counted, when, and what is noted of them. Figures tell what was read
and accepted, and nothing takes that back (``docs/decisions/0029``): of figures of what is held, the
difference between two days would be what somebody had bought who was erased in between. For the
same reason nothing is noted of a few: loads wait until there are rows of enough subjects in them,
and whoever is erased meanwhile is never counted. Does not belong here: the figures of a feed, which
are the sums over its loads (``feeds``).
"""

import duckdb

from governance.policy.model import Policy
from governance.rights.leaving import NOTE
from ingest.contract import CONTRACTS, TRANSACTIONS, Contract
from ingest.days import local_day
from ingest.landing import scalar, table_of
from warehouse.sql import quoted

_WAITS, _COUNTED = f"counted_in is null and not {NOTE}", "counted_in is not null"
_FRESH = "perhaps_new"  # temporary table: what the rows that are being counted name


def count_landed(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Count, of every feed, the loads that wait for it, if their rows are of enough subjects.

    The figures of all of them are noted on the newest.

    Parameters
    ----------
    connection
        With the warehouse as its current database; in a transaction in which all has landed.
    policy
        For how many subjects are enough (``release_difference``), and the time zone of days.
    """
    newest = connection.execute(
        f"select feed, max(load_id) from landing.loads where {_WAITS} group by feed order by feed"
    ).fetchall()
    for feed, load_id in newest:
        contract = CONTRACTS[table_of(feed)]
        subjects, *sums = connection.execute(
            f"select count(distinct subject_key), {_sums(contract, policy.time_zone)}"
            f" {_rows(feed, _WAITS)}"
        ).fetchall()[0]
        if subjects < policy.thresholds.release_difference:
            continue
        first = not _counted_before(connection, feed)
        new = subjects if first else _new(connection, feed, "subject_key")
        orders = _orders(connection, feed) if contract is TRANSACTIONS else None
        connection.execute(
            "update landing.loads set counted_in = ?, subjects = ?, orders = ?, value_total = ?,"
            f" first_day = ?, last_day = ? where load_id = {load_id}",
            [load_id, new, orders, *sums],
        )
        connection.execute(
            f"update landing.loads set counted_in = ? where feed = ? and {_WAITS}", [load_id, feed]
        )
        connection.execute("delete from landing.corrected where feed = ?", [feed])
    connection.execute(f"drop table if exists {_FRESH}")


def note_corrected(connection: duckdb.DuckDBPyConnection, feed: str, which: str) -> None:
    """Note which counted rows of a feed others take the place of, before they do.

    What a row corrects that is counted is nothing new, be it counted now or after others.

    Parameters
    ----------
    which
        SQL that is true for the rows of the landing table that go.
    """
    connection.execute(
        "insert into landing.corrected"
        f" select distinct {quoted(feed)}, subject_key, row_key {_rows(feed, _COUNTED)} and {which}"
    )


def _sums(contract: Contract, zone: str) -> str:
    """Return the SQL of value, first and last day, as text; moments would be one person's."""
    value = "sum(value)" if contract is TRANSACTIONS else "null"
    days = [
        local_day(f"{which}({contract.time})", zone, None, None) if contract.time else "null"
        for which in ("min", "max")
    ]
    return ", ".join(f"{sql}::varchar" for sql in (value, *days))


def _orders(connection: duckdb.DuckDBPyConnection, feed: str) -> int:
    """Return how many baskets are new; lines without one are one for each subject and moment."""
    return _new(connection, feed, "basket_id", "basket_id is not null") + _new(
        connection, feed, "subject_key, occurred_at", "basket_id is null"
    )


def _counted_before(connection: duckdb.DuckDBPyConnection, feed: str) -> bool:
    counted = f"landing.loads where feed = {quoted(feed)} and {_COUNTED}"
    return bool(scalar(connection, f"select count(*) from {counted}"))


def _new(
    connection: duckdb.DuckDBPyConnection, feed: str, columns: str, which: str = "true"
) -> int:
    """Return how many values of columns the rows that wait have, and none that was counted has."""
    fresh = f"select distinct {columns} {_rows(feed, _WAITS)} and {which}"
    if not _counted_before(connection, feed):
        return int(scalar(connection, f"select count(*) from ({fresh})"))
    # As a table they are known to be few: DuckDB hashes them, not all that was ever landed.
    connection.execute(f"create or replace temp table {_FRESH} as {fresh}")
    corrected = f"row_key in (select row_key from landing.corrected where feed = {quoted(feed)})"
    known = (
        f"select {columns} {_rows(feed, _COUNTED)} and {which}"
        f" union all select {columns} {_rows(feed, _WAITS)} and {which} and {corrected}"
    )
    return int(
        scalar(connection, f"select count(*) from {_FRESH} anti join ({known}) using ({columns})")
    )


def _rows(feed: str, which: str) -> str:
    """Return the ``from`` and ``where`` of the rows that some loads of a feed have landed."""
    loads = f"select load_id from landing.loads where feed = {quoted(feed)} and {which}"
    return f"from landing.{table_of(feed)} where load_id in ({loads})"
