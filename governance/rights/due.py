"""Which requests are due soon, or late: one rule for the list of requests and for ``rights.due``.

Belongs here: by when something has to be done next about an open request, and how many of some are
due by when. Does not belong here: how the days are counted (``deadlines``), which requests are open
(``requests``, ``expectations.feeds``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from governance import aging
from governance.policy.model import Policy
from governance.rights.deadlines import DueDates, due_dates, may_be_extended, regime_of
from governance.rights.kept import OURS
from governance.rights.requests import OPEN, Request

LATE, SOON, IN_TIME = "late", "soon", "in time"
TO_ACKNOWLEDGE = ", to acknowledge"  # ends the kind of what is due where that is to tell of it


class Due(NamedTuple):
    """What is due next of one request: by when, under which regime, and of what kind it is."""

    by: date
    regime: str
    kind: str


@dataclass(frozen=True)
class Outlook:
    """How some open requests stand, of which there is at least one, on a day.

    ``warned`` is the last day of which a warning is given on it.
    """

    today: date
    warned: date
    dues: tuple[Due, ...]

    @property
    def late(self) -> list[Due]:
        """Those whose last day is past."""
        return [due for due in self.dues if self.of(due) == LATE]

    @property
    def mend(self) -> str:
        """What is to be done about those that are late."""
        mends = "answer those whose `due` says so"
        if any(due.kind.endswith(TO_ACKNOWLEDGE) for due in self.late):
            mends += (
                "; those that are late by `acknowledge_by` alone, tell their subjects that they"
                " have arrived: `assent rights acknowledge`"
            )
        return mends

    @property
    def soon(self) -> list[Due]:
        """Those that are due soon, and those that are late."""
        return [due for due in self.dues if self.of(due) != IN_TIME]

    @property
    def first(self) -> date:
        """The earliest last day."""
        return min(due.by for due in self.dues)

    @property
    def why(self) -> str:
        """How they stand, in words; it names days, as it may be read on a later one."""
        of = f"of {len(self.dues)} open requests, the first"
        if self.late:
            return f"late on {self.today}: {len(self.late)} {of} since {self.first}"
        if self.soon:
            return f"due by {self.warned}: {len(self.soon)} {of} on {self.first}"
        return f"open requests: {len(self.dues)}, the first due on {self.first}"

    def of(self, due: Due) -> str:
        """Return how one of them stands."""
        if due.by < self.today:
            return LATE
        return SOON if due.by <= self.warned else IN_TIME


def outlook(policy: Policy, dues: Iterable[Due], today: date) -> Outlook:
    """Return how open requests stand on a day."""
    warned = today + timedelta(days=policy.thresholds.request_warning_days)
    return Outlook(today, warned, tuple(dues))


def next_due(
    policy: Policy, asked: tuple[str, str, datetime], jurisdiction: str | None, *,
    acknowledged: bool, extended: bool,
) -> Due:  # fmt: skip
    """Return what is due next of an open request.

    Who delivers one by a feed acknowledges it, and the feed doesn't tell: that is due of those that
    were opened here.

    Parameters
    ----------
    asked
        The request's number, type, and when it was received, in UTC.
    """
    number, kind, received_at = asked
    regime = regime_of(policy, jurisdiction)
    longer = extended and may_be_extended(policy, regime, kind)
    dates = due_dates(policy, regime, kind, received_at, extended=longer)
    due = [Due(dates.answer_by, regime, kind)]
    if dates.acknowledge_by and not acknowledged and _opened_here(number):
        due.append(Due(dates.acknowledge_by, regime, f"{kind}{TO_ACKNOWLEDGE}"))
    return min(due)


def due_of(policy: Policy, request: Request) -> Due | None:
    """Return what is due next of a request; None once it was answered, and of a legal hold."""
    if request.status != OPEN or request.is_hold:
        return None
    return next_due(
        policy, (request.request_id, request.type, request.received_at), request.jurisdiction,
        acknowledged=request.acknowledged, extended=request.extended,
    )  # fmt: skip


def due_dates_of(policy: Policy, request: Request) -> DueDates | None:
    """Return the due dates of a request as it stands; None of a legal hold, which has none."""
    if request.is_hold:
        return None
    regime = regime_of(policy, request.jurisdiction)
    extended = request.extended and may_be_extended(policy, regime, request.type)
    dates = due_dates(policy, regime, request.type, request.received_at, extended=extended)
    return dates if _opened_here(request.request_id) else dates._replace(acknowledge_by=None)


def _opened_here(number: str) -> bool:
    """Tell whether Assent drew a number: who took down a request of a feed acknowledges it."""
    return bool(re.fullmatch(OURS, number))


def present_day(policy: Policy, among: Iterable[Request]) -> date:
    """Return the present day, or that of the newest word of a request, if the clock is behind."""
    zone = ZoneInfo(policy.time_zone)
    said = (r.said_at.replace(tzinfo=UTC).astimezone(zone).date() for r in among if r.said_at)
    return aging.present_day(policy, max(said, default=date.min))
