"""The demo's consent events: the scenarios turned into rows, and what goes wrong on the way.

Belongs here: who follows which scenario, when, and the faults of a real feed: late, displaced and
repeated arrivals, unreadable rows, customers that don't exist. Does not belong here: what the
scenarios are (``scenarios``).

Times are local to New York and lie between 07:00 and 22:00, clear of the hour that daylight saving
repeats and the hour that it leaves out.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from examples.journey.ids import customer_id
from examples.journey.scenarios import (
    ASKED,
    BY_PURPOSE,
    CURRENT_NOTICE,
    HOUSEHOLD_WIDE,
    SIGN_UP,
    Scenario,
    Step,
)
from examples.journey.synthetic import SEED

FIRST_DAY = datetime(2017, 1, 1)
DUPLICATES, DISPLACED, UNKNOWN_CUSTOMERS = 40, 60, 20
FIRST_UNKNOWN_HOUSEHOLD = 9001  # the data set's numbers end at 2500
MANNERS = (("web", "checkbox"), ("app", "toggle"), ("till", "paper form"), ("phone", "call"))

# (action, occurred_at) of rows that can't be read. Each keeps a readable customer: a row without
# one would block the publishing of everything until somebody resolves it.
UNREADABLE: tuple[tuple[str | None, str | None], ...] = (
    ("maybe", "2017-05-02 10:15:00"),
    ("GRNTD", "2017-05-03 11:20:00"),
    ("yes please", "2017-06-11 09:05:30"),
    ("unsubscribe?", "2017-07-01 18:44:10"),
    ("consent=1", "2017-08-19 12:00:00"),
    (None, "2017-09-02 15:31:00"),
    ("withdrawn", "2017-02-30 10:00:00"),
    ("withdrawn", "31/31/2017"),
    ("withdrawn", "yesterday"),
    ("granted", "2017-13-01 08:00:00"),
    ("objected", "n/a"),
    ("withdrawn", None),
    ("granted", None),
    ("granted", "2071-06-01 10:00:00"),
    ("opted_out", "2019-03-04 16:20:00"),
)


@dataclass(frozen=True)
class Event:
    """One row of the feed; dates as they arrive, as text."""

    customer_id: str
    action: str | None
    purpose: str | None
    occurred_at: str | None
    recorded_at: str | None
    notice_version: int | None
    method: str
    channel: str
    language: str
    wording_hash: str | None
    evidence_ref: str
    signal: str | None


def assignments(households: list[int]) -> list[tuple[int, Scenario]]:
    """Say which household follows which scenarios.

    Parameters
    ----------
    households : list of int
        Their numbers, ascending.

    Returns
    -------
    list of (int, Scenario)
        One pair for a household with a story of its own, one for each purpose for the others.
    """
    random = np.random.RandomState(SEED + 1)
    shuffled = [households[index] for index in random.permutation(len(households))]
    pairs = _dealt(shuffled, HOUSEHOLD_WIDE)
    others = shuffled[len(pairs) :]
    for purpose in ASKED:
        order = random.permutation(len(others))
        pairs += _dealt([others[index] for index in order], BY_PURPOSE[purpose])
    return pairs


def consent_rows(households: list[int]) -> list[Event]:
    """Generate the consent events of all households, in the order in which they arrive.

    Parameters
    ----------
    households : list of int
        Their numbers, ascending; the same list gives the same rows.

    Returns
    -------
    list of Event
    """
    random = np.random.RandomState(SEED + 2)
    writer = _Writer(random)
    joined = {household: writer.moment(SIGN_UP) for household in households}
    pairs = assignments(households)
    for household, scenario in pairs:
        writer.follow(household, scenario, joined[household])
    for index in range(UNKNOWN_CUSTOMERS):
        unknown = FIRST_UNKNOWN_HOUSEHOLD + index
        writer.follow(unknown, HOUSEHOLD_WIDE[1 + index % 2], writer.moment(SIGN_UP))
    arrived = sorted(writer.events, key=lambda event: event.recorded_at or event.occurred_at or "")
    puzzled = [household for household, scenario in pairs if scenario.name == "unreadable event"]
    unreadable = [writer.unreadable(*pair) for pair in zip(puzzled, UNREADABLE, strict=True)]
    rows = _displaced(arrived + unreadable, random)
    return _repeated(rows, set(unreadable), random)


def _dealt(households: list[int], scenarios: tuple[Scenario, ...]) -> list[tuple[int, Scenario]]:
    """Deal the households out, one scenario after the other; -1 takes whoever is left."""
    pairs, start = [], 0
    for scenario in scenarios:
        end = len(households) if scenario.households < 0 else start + scenario.households
        pairs += [(household, scenario) for household in households[start:end]]
        start = end
    return pairs


class _Writer:
    """Writes events one by one; holds the random stream and the running evidence number."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.random = random
        self.events: list[Event] = []
        self.evidence = 0

    def moment(self, days: tuple[int, int]) -> datetime:
        day = int(self.random.randint(days[0], days[1] + 1))
        second = int(self.random.randint(7 * 3600, 21 * 3600 + 1800))
        return FIRST_DAY + timedelta(days=day, seconds=second)

    def follow(self, household: int, scenario: Scenario, joined: datetime) -> None:
        before = joined
        for step in scenario.steps:
            when = before
            if not step.same_instant:
                when = joined if step.days == SIGN_UP else self.moment(step.days)
            self.events.append(self._event(household, step, when))
            before = when

    def unreadable(self, household: int, row: tuple[str | None, str | None]) -> Event:
        action, occurred_at = row
        step = Step("granted", "segmentation", SIGN_UP)
        event = self._event(household, step, FIRST_DAY)
        return replace(event, action=action, occurred_at=occurred_at, recorded_at=None)

    def _event(self, household: int, step: Step, when: datetime) -> Event:
        self.evidence += 1
        channel, method = MANNERS[self.random.randint(len(MANNERS))]
        if step.signal:
            channel, method = "browser", "signal"
        language = "es" if self.random.random_sample() < 0.1 else "en"
        grant = step.action in ("granted", "opted_in")
        version = (step.notice_version or CURRENT_NOTICE[step.purpose]) if grant else None
        return Event(
            customer_id=customer_id(household),
            action=step.action,
            purpose=step.purpose,
            occurred_at=f"{when:%Y-%m-%d %H:%M:%S}",
            recorded_at=self._recorded_at(step, when),
            notice_version=version,
            method=method,
            channel=channel,
            language=language,
            wording_hash=_wording_hash(step.purpose, version, language),
            evidence_ref=f"evidence/{self.evidence:06d}",
            signal=step.signal,
        )

    def _recorded_at(self, step: Step, when: datetime) -> str | None:
        """Within ten minutes, or weeks later; for a tenth of the rows the feed doesn't say."""
        minutes, days = int(self.random.randint(0, 10)), int(self.random.randint(20, 91))
        silent = self.random.random_sample() < 0.1
        if step.late:
            return f"{when + timedelta(days=days):%Y-%m-%d %H:%M:%S}"
        return None if silent else f"{when + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"


def _wording_hash(purpose: str | None, version: int | None, language: str) -> str | None:
    """Hash of the (imagined) words shown; a denial is shown none."""
    if version is None:
        return None
    shown = f"synthetic wording: {purpose or 'all purposes'}, notice {version}, {language}"
    return hashlib.sha256(shown.encode()).hexdigest()


def _displaced(arrived: list[Event], random: np.random.RandomState) -> list[Event]:
    """Let some rows change places with any others."""
    rows = list(arrived)
    for index in random.choice(len(rows), DISPLACED, replace=False):
        other = int(random.randint(len(rows)))
        rows[index], rows[other] = rows[other], rows[index]
    return rows


def _repeated(
    arrived: list[Event], never: set[Event], random: np.random.RandomState
) -> list[Event]:
    """Send some rows a second time, somewhere after the first."""
    rows = list(arrived)
    candidates = [index for index, event in enumerate(rows) if event not in never]
    for pick in sorted(random.choice(len(candidates), DUPLICATES, replace=False), reverse=True):
        first = candidates[pick]
        rows.insert(int(random.randint(first + 1, len(rows) + 1)), rows[first])
    return rows
