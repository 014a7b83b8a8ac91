"""What is known about the feeds: figures, and how far they reach in time.

Belongs here: counting what has been landed. Does not belong here: landing it (``load``), judging
the figures and whether they add up (``expectations``).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from governance.policy.words import REMOVALS
from ingest.contract import CONTRACTS
from ingest.landing import table_of
from ingest.model import Sources
from warehouse.errors import UsageError
from warehouse.sql import quoted

REMOVAL = ("feed", "why", "day", "rows", "emptied")
# Of a load: that it read nothing, and notes what has left.
_NOTED = f"(rows_read = 0 and source in ({', '.join(map(quoted, REMOVALS))}))"


@dataclass(frozen=True)
class FeedFigures:
    """One feed in figures, over all its loads.

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
    rows, subjects
        What the landing table holds of the feed.
    orders
        Baskets (transactions only); lines without a basket number count as one basket for each
        subject and moment.
    value_total
        Sum of the value (transactions only).
    first_time, last_time
        Of the events, UTC without a zone.
    """

    feed: str
    read: int
    accepted: int
    quarantined: int
    duplicates: int
    corrected: int
    suppressed: int
    unresolved: int
    reasons: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    subjects: int = 0
    orders: int | None = None
    value_total: Decimal | None = None
    first_time: datetime | None = None
    last_time: datetime | None = None

    def summary(self) -> dict[str, Any]:
        """Return the figures that there are, as plain data (sums as text, times in ISO 8601)."""
        plain: dict[str, Callable[[Any], Any]] = {
            "value_total": str, "first_time": _iso, "last_time": _iso,
        }  # fmt: skip
        return {
            name: plain.get(name, _same)(value)
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
        " sum(rows_quarantined)::bigint, sum(rows_duplicate)::bigint,"
        f" coalesce(sum(rows_corrected) filter (not {_NOTED}), 0)::bigint,"
        " sum(rows_suppressed)::bigint from landing.loads group by feed"
    ).fetchall()
    order = [*CONTRACTS]
    totals.sort(key=lambda row: (order.index(table_of(row[0])), row[0]))
    return [_figures(connection, row) for row in totals]


def removals(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return how many rows have left landing, or lost values, by feed, reason and day (in UTC)."""
    rows = connection.execute(
        "select feed, source, loaded_at::date::varchar, sum(rows_corrected)::bigint,"
        " sum(rows_emptied)::bigint from landing.loads"
        f" where {_NOTED} group by all"
        " having sum(rows_corrected) + sum(rows_emptied) > 0 order by all"
    ).fetchall()
    return [dict(zip(REMOVAL, row, strict=True)) for row in rows]


def _figures(connection: duckdb.DuckDBPyConnection, totals: tuple[Any, ...]) -> FeedFigures:
    feed, read, accepted, quarantined, duplicates, corrected, suppressed = totals
    reasons = connection.execute(
        "select reason, count(*), count(*) filter (where resolved_at is null)"
        " from landing.quarantine where load_id in"
        " (select load_id from landing.loads where feed = ?) group by reason order by reason",
        [feed],
    ).fetchall()
    contract = CONTRACTS[table_of(feed)]
    selected = ["count(*)", "count(distinct subject_key)"]
    selected += [f"min({contract.time})", f"max({contract.time})"] if contract.time else []
    sales = contract.name == "transactions"
    if sales:
        selected += [
            "sum(value)",
            "count(distinct basket_id)"
            " + count(distinct (subject_key, occurred_at)) filter (where basket_id is null)",
        ]
    found = list(connection.execute(f"select {', '.join(selected)} {_rows_of(feed)}").fetchall()[0])
    rows, subjects = found[:2]
    first, last = found[2:4] if contract.time else (None, None)
    value, orders = found[4:] if sales else (None, None)
    return FeedFigures(
        feed,
        read,
        accepted,
        quarantined,
        duplicates,
        corrected,
        suppressed,
        unresolved=sum(open_ for _, _, open_ in reasons),
        reasons={reason: count for reason, count, _ in reasons},
        rows=rows,
        subjects=subjects,
        orders=orders,
        value_total=value,
        first_time=first,
        last_time=last,
    )


def feed_clocks(connection: duckdb.DuckDBPyConnection, sources: Sources) -> tuple[datetime, date]:
    """Return how far the feeds reach.

    Parameters
    ----------
    connection
        With the warehouse attached.
    sources
        For the way in which the transactions are delivered.

    Returns
    -------
    known_at : datetime
        The newest moment at which an event of any feed happened or became known, UTC without a
        zone.
    newest_day : date
        The newest complete day of the transactions, in the policy's time zone: the day of the
        newest one where days are delivered whole, else the day before it.

    Raises
    ------
    UsageError
        If no transaction has been landed.
    """
    newest = connection.execute("select max(event_day) from landing.transactions").fetchall()[0][0]
    if newest is None:
        raise UsageError(
            "no transaction has been landed", "look at `assent feeds` and `assent sources check`"
        )
    whole = sources.feeds["transactions"].delivery == "whole_days"
    return newest_event(connection), newest if whole else newest - timedelta(days=1)


def newest_event(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Return the newest moment at which an event of any feed happened or became known, in UTC.

    Raises
    ------
    UsageError
        If no event has been landed.
    """
    times = " union all ".join(
        f"select max({column}) as moment from landing.{contract.name}"
        for contract in CONTRACTS.values()
        for column in filter(None, {contract.time, contract.arrival})
    )
    (newest,) = connection.execute(f"select max(moment) from ({times})").fetchall()[0]
    if newest is None:
        raise UsageError("no event has been landed", "look at `assent sources check`")
    found: datetime = newest
    return found


def _rows_of(feed: str) -> str:
    """Return the ``from`` and ``where`` of a feed's rows in its landing table."""
    table = table_of(feed)
    others = f"select load_id from landing.loads where feed = {quoted(feed)}"
    return f"from landing.{table} where load_id in ({others})"


def _iso(moment: datetime) -> str:
    return moment.isoformat(sep=" ")


def _same(value: Any) -> Any:
    return value
