"""The one place from which the code takes the present moment.

Belongs here: reading the clock. Does not belong here: ``as_of`` and ``known_at``, which are taken
from the data (``governance.clocks``).
"""

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from warehouse.errors import UsageError
from warehouse.home import production

VARIABLE = "ASSENT_NOW"
TICK = timedelta(microseconds=1)  # the least by which one moment comes after another
# Years within which a clock may be set: what is counted from it stays a date.
FIRST_YEAR, LAST_YEAR = 1970, 2999


def now() -> datetime:
    """Return the present moment in UTC; ``ASSENT_NOW`` (ISO 8601) sets it for demo and tests.

    Raises
    ------
    UsageError
        If ``ASSENT_NOW`` is not a point in time, is beyond the years that one may be of, or is set
        in production mode.
    """
    fixed = os.environ.get(VARIABLE)
    if not fixed:
        return datetime.now(UTC)
    if production():
        raise UsageError(
            f"{VARIABLE} sets the clock, which production mode refuses", f"unset {VARIABLE}"
        )
    try:
        moment = datetime.fromisoformat(fixed)
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE} is not a point in time", "write it as 2018-01-01T05:00:00Z, or unset it"
        ) from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise UsageError(
            f"{VARIABLE} is a point in time before {FIRST_YEAR} or after {LAST_YEAR}",
            "set it to one between, such as 2018-01-01T05:00:00Z, or unset it",
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def whose() -> str:
    """Return whose word :func:`now` goes by: ``host``, or ``set`` by ``ASSENT_NOW`` or a demo."""
    return "set" if os.environ.get(VARIABLE) else "host"


def days_ahead(time_zone: str) -> int:
    """Return by how many days a clock that is set is ahead of the host's; 0 if it isn't."""
    zone = ZoneInfo(time_zone)
    return max(0, (now().astimezone(zone).date() - datetime.now(zone).date()).days)


def utc_naive(moment: datetime) -> datetime:
    """Return a moment as the tables hold it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)
