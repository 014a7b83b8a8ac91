"""What is known about the feeds: figures, and how far they reach in time.

Belongs here: figures over all loads, and what has left since. Does not belong here: landing
(``load``), counting what has landed (``counted``), judging whether figures add up
(``expectations``).
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from governance.policy.words import INBOX
from governance.rights.leaving import NOTE
from ingest.contract import CONTRACTS, TRANSACTIONS
from ingest.landing import scalar, table_of
from ingest.model import Sources
from warehouse.errors import UsageError
from warehouse.sql import quoted

ONE_DAY = timedelta(days=1)
REMOVAL = ("feed", "why", "day", "rows", "emptied")


@dataclass(frozen=True)
class FeedFigures:
    """One feed in figures, over all its loads: what was read and accepted, whatever left since.

    The last five are of the loads that are counted (``counted``); none, if none is.

    Attributes
    ----------
    read, accepted, quarantined, duplicates, suppressed
        Rows; the first is the sum of the others.
    corrected
        Accepted rows that a later one has superseded; what has left since is in :func:`removals`.
    unresolved
        Quarantined rows that nobody has resolved yet.
    reasons
        Quarantined rows by reason.
    subjects
        Who were new to the feed when their rows were counted.
    orders
        Baskets that were new then (transactions only); lines without a basket number count as one
        basket for each subject and moment.
    value_total
        Sum of the value (transactions only); of a row that was corrected once it was counted, both.
    first_day, last_day
        Of the events, in the policy's time zone.
    """

    feed: str
    read: int
    accepted: int
    quarantined: int
    duplicates: int
    corrected: int
    suppressed: int
    subjects: int | None = None
    orders: int | None = None
    value_total: Decimal | None = None
    first_day: date | None = None
    last_day: date | None = None
    unresolved: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the figures that there are, as plain data (sums and days as text)."""
        return {
            name: str(value) if isinstance(value, Decimal | date) else value
            for name, value in asdict(self).items()
            if value is not None
        }


def feed_figures(connection: duckdb.DuckDBPyConnection) -> list[FeedFigures]:
    """Return the figures of every feed that was ever loaded, in the contract's order.

    Parameters
    ----------
    connection
        With the warehouse attached.
    """
    totals = connection.execute(
        "select feed, sum(rows_read)::bigint, sum(rows_accepted)::bigint,"
        " sum(rows_quarantined)::bigint, sum(rows_duplicate)::bigint, sum(rows_corrected)::bigint,"
        " sum(rows_suppressed)::bigint, sum(subjects)::bigint, sum(orders)::bigint,"
        " sum(value_total)::decimal(38, 2), min(first_day), max(last_day)"
        f" from landing.loads where not {NOTE} group by feed"
    ).fetchall()
    order = [*CONTRACTS]
    totals.sort(key=lambda row: (order.index(table_of(row[0])), row[0]))
    return [_with_reasons(connection, FeedFigures(*row)) for row in totals]


def removals(connection: duckdb.DuckDBPyConnection, least: int) -> list[dict[str, Any]]:
    """Return how many rows have left landing, or lost values, by feed, reason and day (in UTC).

    Parameters
    ----------
    connection
        With the warehouse attached.
    least
        How many subjects have to leave at once for it to be told how many rows did
        (``release_difference``): of fewer, it would be told how many one of them had. Of the
        others of a day, rows and emptied are None.
    """
    told = "(coalesce(subjects, 0) >= $least)"
    rows = connection.execute(
        "select feed, source, loaded_at::date::varchar,"
        f" case when {told} then sum(rows_corrected)::bigint end,"
        f" case when {told} then sum(rows_emptied)::bigint end from landing.loads"
        f" where {NOTE} group by feed, source, loaded_at::date, {told}"
        " having sum(rows_corrected) + sum(rows_emptied) > 0 order by all",
        {"least": least},
    ).fetchall()
    return [dict(zip(REMOVAL, row, strict=True)) for row in rows]


def _with_reasons(connection: duckdb.DuckDBPyConnection, figures: FeedFigures) -> FeedFigures:
    reasons = connection.execute(
        "select reason, count(*), count(*) filter (where resolved_at is null)"
        " from landing.quarantine where load_id in"
        " (select load_id from landing.loads where feed = ?) group by reason order by reason",
        [figures.feed],
    ).fetchall()
    return replace(
        figures,
        unresolved=sum(open_ for _, _, open_ in reasons),
        reasons={reason: count for reason, count, _ in reasons},
    )


def feed_clocks(
    connection: duckdb.DuckDBPyConnection, sources: Sources, today: date, time_zone: str
) -> tuple[datetime, date]:
    """Return how far the feeds reach, by what was read: neither goes back when rows leave.

    Parameters
    ----------
    connection
        With the warehouse attached.
    sources
        For the way in which the transactions are delivered.
    today
        The present day, in the policy's time zone: it isn't complete, however it is delivered.
    time_zone
        The policy's.

    Returns
    -------
    known_at : datetime
        As of :func:`known_until`.
    newest_day : date
        The newest complete day of the transactions, in the policy's time zone: the day of the
        newest one where days are delivered whole, else the day before it; but a day that is over.

    Raises
    ------
    UsageError
        If no transaction has been landed.
    """
    sold = _newest(connection, f"feed = {quoted(TRANSACTIONS.name)}")
    if sold is None:
        raise UsageError(
            "no transaction has been landed", "look at `assent feeds` and `assent sources check`"
        )
    # Within its minute, which ends where another day may begin.
    last = (sold - timedelta.resolution).replace(tzinfo=UTC)
    newest = last.astimezone(ZoneInfo(time_zone)).date()
    whole = sources.feeds["transactions"].delivery == "whole_days"
    complete = newest if whole else newest - ONE_DAY
    # A time may be later than its arrival, by a day at most: a clock that is further behind the
    # feeds is wrong, and doesn't tell which day is over.
    if newest - ONE_DAY <= today:
        complete = min(complete, today - ONE_DAY)
    return known_until(connection), complete


def known_until(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Return by when every event that was read has happened and is known, in UTC.

    That is the end of a minute: a moment would be one subject's, and stay when that one has left.

    Raises
    ------
    UsageError
        If no event has been landed.
    """
    newest = _newest(connection, "true")
    if newest is None:
        raise UsageError("no event has been landed", "look at `assent sources check`")
    return newest


def _newest(connection: duckdb.DuckDBPyConnection, which: str) -> datetime | None:
    newest: datetime | None = scalar(
        connection, f"select max(known_until) from landing.loads where {which}"
    )
    return newest


def note_newest(connection: duckdb.DuckDBPyConnection) -> None:
    """Note with each load that lacks it by when its events are known, as it lands.

    That stays when rows leave: clocks that went back would say when somebody who left had last
    spoken or bought.
    """
    for contract in CONTRACTS.values():
        times = [column for column in (contract.time, contract.arrival) if column]
        if not times:
            continue
        feeds = [f for f in (contract.name, *INBOX.values()) if table_of(f) == contract.name]
        names = ", ".join(map(quoted, feeds))
        waiting = (
            f"select load_id from landing.loads where feed in ({names})"
            " and known_until is null and rows_accepted > 0"
        )
        connection.execute(
            "update landing.loads"
            " set known_until = date_trunc('minute', newest) + interval 1 minute"
            f" from (select load_id, max(greatest({', '.join(times)})) as newest"
            f" from landing.{contract.name} where load_id in ({waiting}) group by load_id) as found"
            " where loads.load_id = found.load_id"
        )
