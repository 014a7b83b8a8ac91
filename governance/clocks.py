"""The two clocks of a run: ``as_of`` selects data, ``known_at`` decides permission.

Belongs here: working both out and recording them. Does not belong here: the present moment
(``warehouse.clock``); acts such as an export use that one.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb

from warehouse.clock import TICK, utc_naive
from warehouse.errors import UsageError

# The columns of ``landing.clocks``: type and meaning.
COLUMNS = {
    "as_of": ("date", "The day whose end selects the data, in the policy's time zone"),
    "as_of_end": ("timestamp", "Last instant of `as_of`, in UTC"),
    "known_at": (
        "timestamp",
        "End of the minute of the newest event read, in UTC; with `as_of` it decides permission",
    ),
    "newest_day": ("date", "The newest complete day of the feeds"),
    "fit": ("boolean", "Whether this run fits a model"),
}


@dataclass(frozen=True)
class Clocks:
    """The clocks of one run.

    Attributes
    ----------
    as_of : date
        The day whose end selects the data, in the policy's time zone.
    as_of_end : datetime
        Its last instant, UTC without a zone.
    known_at : datetime
        The end of the minute of the newest event read, UTC without a zone.
    newest_day : date
        The newest complete day of the feeds.
    """

    as_of: date
    as_of_end: datetime
    known_at: datetime
    newest_day: date

    @property
    def current(self) -> bool:
        """Whether this run makes the current state, or answers a question about the past."""
        return self.as_of == self.newest_day

    @property
    def past(self) -> date | None:
        """The day of a run that answers a question about the past; None for the current state."""
        return None if self.current else self.as_of


def last_instant(day: date, time_zone: str) -> datetime:
    """Return the last instant of a day in a time zone, as UTC without a zone.

    Raises
    ------
    UsageError
        If the calendar ends before it.
    """
    try:
        midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(time_zone))
        return utc_naive(midnight.astimezone(UTC) - TICK)
    except OverflowError:
        raise UsageError(
            f"{day} is no day that can be asked for", "ask for one that the feeds may know of"
        ) from None


def clocks_of(
    as_of: date | None, *, known_at: datetime, newest_day: date, time_zone: str
) -> Clocks:
    """Return the clocks of a run.

    Raises
    ------
    UsageError
        If ``as_of`` lies beyond the newest complete day of the feeds.
    """
    day = as_of or newest_day
    if day > newest_day:
        raise UsageError(
            f"as_of {day} lies beyond the newest complete day of the feeds, {newest_day}",
            f"ask for {newest_day} or an earlier day, or wait for the feed",
        )
    return Clocks(day, last_instant(day, time_zone), known_at, newest_day)


def write(connection: duckdb.DuckDBPyConnection, clocks: Clocks, *, fit: bool) -> None:
    """Make these the clocks of the warehouse (``landing.clocks``, one row)."""
    values = ", ".join(f"?::{kind} as {name}" for name, (kind, _) in COLUMNS.items())
    connection.execute(
        f"create or replace table landing.clocks as select {values}",
        [clocks.as_of, clocks.as_of_end, clocks.known_at, clocks.newest_day, fit],
    )


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave the warehouse without clocks: in the transaction that lands something new.

    Those of before know nothing of it, even where the newest event is the same: a run that doesn't
    set them anew would judge permission by what was known then.
    """
    # The table stays: a view reads it.
    connection.execute("create schema if not exists landing")
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    connection.execute(f"create table if not exists landing.clocks ({columns})")
    connection.execute("delete from landing.clocks")


def read(connection: duckdb.DuckDBPyConnection) -> Clocks:
    """Return the clocks of the warehouse.

    Raises
    ------
    UsageError
        If no run has set them since something landed.
    """
    try:
        row = connection.execute(
            "select as_of, as_of_end, known_at, newest_day from landing.clocks"
        ).fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise UsageError(
            "no clocks have been set since feeds or recorded words landed something new",
            "run `assent run` whole, or select `landing/clocks`, and what follows it, as well",
        )
    return Clocks(*row)
