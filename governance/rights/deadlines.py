"""By when a rights request has to be acknowledged and answered.

Belongs here: counting the times that the policy gives to a regime, as the law counts them. Does not
belong here: the times themselves (the policy), which requests are open, the present moment.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from holidays import HolidayBase, country_holidays

from governance.policy.model import Policy
from governance.policy.regime import Requests, Times
from warehouse.errors import UsageError

DAY, FRIDAY = timedelta(days=1), 4


class DueDates(NamedTuple):
    """The last days on which it is still in time, in the policy's time zone.

    Attributes
    ----------
    acknowledge_by : date or None
        By when its receipt has to be confirmed; None where the regime doesn't ask for that.
    answer_by : date
        By when it has to be answered.
    """

    acknowledge_by: date | None
    answer_by: date


def regime_of(policy: Policy, jurisdiction: str | None) -> str:
    """Return the regime of a jurisdiction as landing has it; capitals and blanks around are alike.

    One that the policy doesn't list, or that nobody knows, is of ``unknown_jurisdiction``.
    """
    spelt = (jurisdiction or "").strip(" ").lower()
    listed = (
        name
        for name, regime in policy.regimes.items()
        if spelt in (place.lower() for place in regime.jurisdictions)
    )
    return next(listed, policy.unknown_jurisdiction)


def due_dates(
    policy: Policy, regime: str, request_type: str, received_at: datetime, *, extended: bool = False
) -> DueDates:
    """Return the due dates of one request.

    The time runs from the day of receipt in the policy's time zone, whether the identity of who
    asks is verified or not (Cal. Code Regs. tit. 11 § 7021(b)), and that day isn't counted
    (Regulation (EEC, Euratom) No 1182/71 Art. 3(1); Cal. Civ. Code § 10). Months end on the day of
    the same number, or on the last of a month that has none (Art. 3(2)(c) of that regulation). An
    extension makes the time to answer longer, as one period from the day of receipt; that there is
    one has to be told within the time before (GDPR Art. 12(3)), which is ``answer_by`` without it.
    Under ``ends_on_working_day`` a period whose last day is a holiday, Sunday or Saturday ends with
    the next working day (Art. 3(4) of that regulation).

    Parameters
    ----------
    policy
        The rules.
    regime
        One of the policy's (:func:`regime_of`).
    request_type
        Which right is exercised (``REQUEST_TYPES``).
    received_at
        When the request was received, in UTC; without a zone as the tables hold it.
    extended
        Whether the time to answer has been extended.

    Raises
    ------
    UsageError
        If it is extended although the regime knows no extension for its type.

    Examples
    --------
    A month from 31 January ends on the last day of February, a Thursday.

    >>> from governance.policy.load import load_policy
    >>> from warehouse.home import PROJECT
    >>> shipped = load_policy(PROJECT / "policy.yaml")
    >>> due_dates(shipped, "gdpr", "access", datetime(2024, 1, 31, 12)).answer_by
    datetime.date(2024, 2, 29)
    """
    counted = policy.regimes[regime].requests
    times = _times(policy, regime, request_type)
    periods = [times.answer]
    if extended:
        if times.extension is None:
            raise UsageError(
                f"a request of the type {request_type} can't be extended under '{regime}'",
                f"answer it in {times.answer}, or have the policy give an extension"
                f" (regimes.{regime}.requests)",
            )
        periods.append(times.extension)
    received = _day(received_at, policy.time_zone)
    acknowledge_by = _end(received, [times.acknowledge], counted) if times.acknowledge else None
    return DueDates(acknowledge_by, _end(received, periods, counted))


def may_be_extended(policy: Policy, regime: str, request_type: str) -> bool:
    """Tell whether a regime gives an extension for a type of request."""
    return _times(policy, regime, request_type).extension is not None


def _times(policy: Policy, regime: str, request_type: str) -> Times:
    counted = policy.regimes[regime].requests
    return counted.by_type.get(request_type, counted)


def _day(moment: datetime, time_zone: str) -> date:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware.astimezone(ZoneInfo(time_zone)).date()


def _end(received: date, periods: list[str], counted: Requests) -> date:
    """Return the last day of periods that are one: months first, then days, then business days."""
    total = {"month": 0, "day": 0, "business day": 0}
    for period in periods:
        number, _, unit = period.partition(" ")
        total[unit.removesuffix("s")] += int(number)
    calendar = _calendar(counted.holidays)
    last: date = received + relativedelta(months=total["month"], days=total["day"])
    for _ in range(total["business day"]):
        last = calendar.from_(last + DAY)
    return calendar.from_(last) if counted.ends_on_working_day else last


@cache
def _calendar(code: str | None) -> "_Calendar":
    return _Calendar(code)


class _Calendar:
    """The working days of a country or a subdivision; without one all but weekends.

    A holiday that a calendar moves from a Saturday to the Friday before makes no time longer: in
    California only that of 11 November is moved so (Cal. Gov. Code § 6701), while its calendar has
    the federal ones, and elsewhere a time that is a day shorter is in time, too.
    """

    def __init__(self, code: str | None) -> None:
        country, _, subdivision = (code or "").partition("-")
        kept, on_its_day = (
            country_holidays(country, subdiv=subdivision or None, observed=observed)
            if code else HolidayBase()
            for observed in (True, False)
        )  # fmt: skip
        self._kept: HolidayBase = kept
        self._on_its_day: HolidayBase = on_its_day

    def from_(self, day: date) -> date:
        """Return the first working day that isn't before a day."""
        while not (self._kept.is_working_day(day) or self._is_moved_ahead(day)):
            day += DAY
        return day

    def _is_moved_ahead(self, day: date) -> bool:
        moved = day in self._kept and self._on_its_day.is_working_day(day)
        return moved and day.weekday() == FRIDAY and day + DAY in self._on_its_day
