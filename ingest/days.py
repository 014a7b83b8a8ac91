"""The day of an event: a UTC time as a date in the policy's time zone.

Belongs here: one expression, made fast. Does not belong here: reading times (``conversions``).

DuckDB converts time zones through ICU, at about 0.2 microseconds a value and thread; fifty million
events take longer than reading them. Between two changes of a zone's offset the conversion is an
addition, so the changes within the data's span are written out.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.conversions import is_utc
from warehouse.sql import quoted

MOST_CHANGES = 40  # twenty years of summer time; beyond, ICU is as fast


def local_day(time: str, zone: str, first: datetime | None, last: datetime | None) -> str:
    """Return the SQL of the local date of a UTC time.

    Parameters
    ----------
    time
        Expression of a time in UTC without a zone.
    zone
        IANA name.
    first, last
        The span that all times lie in (UTC without a zone); None if it isn't known.
    """
    if is_utc(zone):
        return f"cast({time} as date)"
    if first is None or last is None:
        return _by_icu(time, zone)
    pieces = offsets(zone, first, last)
    if len(pieces) > MOST_CHANGES:
        return _by_icu(time, zone)
    *earlier, (_, final) = pieces
    branches = "".join(
        f" when {time} < timestamp {quoted(until)} then {_shifted(time, offset)}"
        for until, offset in earlier
    )
    last_branch = _shifted(time, final)
    return f"case{branches} else {last_branch} end" if branches else last_branch


def offsets(zone: str, first: datetime, last: datetime) -> list[tuple[datetime, timedelta]]:
    """Return the offsets of a zone over a span, each with the UTC moment at which it ends.

    The end of the last one is the end of the span.
    """
    info = ZoneInfo(zone)
    pieces = []
    at, end = first - timedelta(days=1), last + timedelta(days=1)
    while at < end:
        following = min(at + timedelta(days=1), end)
        if _offset(info, following) != _offset(info, at):
            pieces.append((_change(info, at, following), _offset(info, at)))
        at = following
    return [*pieces, (end, _offset(info, end))]


def _change(info: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first second of the new offset, by bisection."""
    old = _offset(info, before)
    low, high = before.replace(microsecond=0), after.replace(microsecond=0) + timedelta(seconds=1)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if _offset(info, middle) == old else (low, middle)
    return high


def _offset(info: ZoneInfo, moment: datetime) -> timedelta:
    return moment.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()


def _shifted(time: str, offset: timedelta) -> str:
    return f"cast({time} + interval {quoted(f'{offset.total_seconds():.0f} seconds')} as date)"


def _by_icu(time: str, zone: str) -> str:
    return f"cast(timezone({quoted(zone)}, timezone('UTC', {time})) as date)"
