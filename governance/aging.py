"""Rules on how old something may be, which time alone can break.

Belongs here: their arithmetic, for whoever judges them, and again whenever a verdict is read.
Does not belong here: what may be how old (the policy), since when it is (``expectations``).
"""

from datetime import date
from zoneinfo import ZoneInfo

from governance.policy.model import Policy
from warehouse.clock import now


def today(policy: Policy) -> date:
    """Return the present day in the policy's time zone."""
    return now().astimezone(ZoneInfo(policy.time_zone)).date()


def present_day(policy: Policy, newest: date) -> date:
    """Return the present day in the policy's time zone, or the newest day that is known if later.

    A clock that is behind what has been read is wrong: it makes nothing younger, nor lets what has
    expired count again.
    """
    return max(today(policy), newest)


def judged(since: date, day: date, most: int) -> tuple[int, bool]:
    """Return the days from one day to another, and whether these are more than there may be.

    >>> judged(date(2024, 3, 1), date(2024, 3, 9), 7)
    (8, True)
    """
    age = (day - since).days
    return age, age > most
