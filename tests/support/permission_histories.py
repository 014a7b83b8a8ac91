"""Histories of consent, drawn by Hypothesis: small, and full of coincidences.

Belongs here: the policy of the property test and strategies. Does not belong here: what follows
from a history.

All instants lie on a narrow grid around local midnights, so that the same instant, the end of a
day and the end of a consent are met often. The span crosses a change of daylight saving time.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.permission_oracle import Event, Subject

POLICY: dict[str, Any] = {
    "time_zone": "America/New_York",
    "unknown_regime": "gdpr",
    "regimes": [
        {"jurisdiction": "EU", "regime": "gdpr", "age_of_consent": 16},
        {"jurisdiction": "EU-AT", "regime": "gdpr", "age_of_consent": 14},
        {"jurisdiction": "US-CA", "regime": "ccpa", "age_of_consent": 13},
    ],
    "regime_rules": [
        {"regime": "gdpr", "age_of_consent": 16, "opt_in_below": 0,
         "opt_in_outlasts_signal": False},
        {"regime": "ccpa", "age_of_consent": 13, "opt_in_below": 16,
         "opt_in_outlasts_signal": True},
    ],
    "purposes": [
        # (name, least notice, days, covers earlier data, sold or shared, marketed, sensitive)
        dict(
            zip(
                (
                    "purpose", "notice_version", "consent_valid_days", "covers_earlier_data",
                    "sale_or_share", "direct_marketing", "sensitive",
                ),
                row,
                strict=True,
            )
        )
        for row in (
            ("opt_in", 2, 10, False, False, False, True),
            ("opt_out", 1, 5, True, True, True, False),
            ("interest", 1, 7, False, False, True, True),
            ("contract", 2, 3, False, True, False, False),
        )
    ],
    "bases": [
        {"purpose": purpose, "regime": regime, "basis": basis}
        for purpose, gdpr, ccpa in (
            ("opt_in", "consent", "consent"),
            ("opt_out", "consent", "opt_out"),
            ("interest", "legitimate_interest", "legitimate_interest"),
            ("contract", "contract", "consent"),
        )
        for regime, basis in (("gdpr", gdpr), ("ccpa", ccpa))
    ],
}  # fmt: skip
PURPOSES = tuple(p["purpose"] for p in POLICY["purposes"])

FIRST_DAY = date(2024, 3, 1)  # daylight saving time begins on the 10th
DAYS = 16


@dataclass(frozen=True)
class Scenario:
    """Many subjects, and the two clocks."""

    subjects: tuple[Subject, ...]
    as_of: date
    as_of_end: datetime
    known_at: datetime


def late_denial(action: str, grant_of: str | None) -> Subject:
    """Return one who denied, granted later, and whose denial was recorded last."""
    first, second, third = (midnight(day) for day in (2, 4, 6))
    return Subject(
        jurisdiction="EU",
        age_years=40,
        events=(
            Event("granted", grant_of, second, second, notice_version=2),
            Event(action, "opt_in", first, third),
        ),
    )


def early_record(action: str) -> Subject:
    """Return one who granted, then denied with a date after its recording, before the grant."""
    first, second, third = (midnight(day) for day in (2, 4, 6))
    return Subject(
        jurisdiction="EU",
        age_years=40,
        events=(
            Event("granted", "opt_in", second, second, notice_version=2),
            Event(action, None, third, first),
        ),
    )


def midnight(day: int) -> datetime:
    """Return the beginning of a local day, counted from the first, as UTC without a zone."""
    local = datetime.combine(FIRST_DAY + timedelta(days=day), time(), ZoneInfo(POLICY["time_zone"]))
    return local.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)


def said(day: int, action: str, purpose: str | None = None, **other: Any) -> Event:
    """Return what was said on a day, and known at once; a grant on a notice that counts."""
    return Event(action, purpose, midnight(day), midnight(day), **{"notice_version": 2} | other)


# Those whom drawing at random seldom makes, and whom a rule speaks of.
TELLING = (
    # Below the regime's age, and below the country's or not; and one whose parent spoke.
    *(Subject("EU-AT", age, (said(1, "granted", "opt_in"),)) for age in (13, 14, 15)),
    Subject("EU", 15, (said(1, "granted", "opt_in"),)),
    Subject("EU", 15, (said(1, "granted", "opt_in", given_by="parent"),)),
    # The answer to a signal is spent in its very instant, so that the next signal counts.
    Subject(
        "US-CA", 40,
        (
            said(1, "opted_out", signal="gpc"), said(2, "opted_in", "opt_out"),
            said(2, "withdrawn", "opt_out"), said(3, "opted_out", signal="gpc"), said(4, "granted"),
        ),
    ),
    # The same signal again, in the very instant of the answer: the denial wins.
    Subject(
        "US-CA", 40,
        (
            said(1, "opted_out", signal="gpc"), said(2, "opted_in", "opt_out"),
            said(2, "opted_out", signal="gpc"),
        ),
    ),
    # A signal is repeated after its answer; the first one comes after an opt-in.
    Subject(
        "US-CA", 40,
        (
            said(1, "opted_out", signal="gpc"), said(2, "opted_in", "opt_out"),
            said(3, "opted_out", signal="gpc"),
        ),
    ),
    Subject(
        "US-CA", 40, (said(1, "opted_in", "opt_out"), said(2, "opted_out", signal="gpc"))
    ),
    # A consent that lapsed and was renewed covers nothing of before: it is another one.
    Subject("EU", 40, (said(1, "granted", "opt_in"), said(12, "granted", "opt_in"))),
    # Who only limits, who was refused what can't be, and of whose requests one was refused.
    Subject("US-CA", 40, (), (("limit", "open", 0),)),
    Subject("US-CA", 40, (), (("limit", "refused", 0),)),
    Subject("US-CA", 40, (said(1, "granted", "opt_in"),), (("limit", "fulfilled", 0),)),
    Subject("US-CA", 40, (), (("objection", "refused", 0),)),
    Subject("US-CA", 40, (), (("objection", "refused", 0), ("restriction", "open", 0))),
    # A number that came anew after its request had ended, and one told twice on the same day.
    Subject("US-CA", 40, (), (("objection", "withdrawn", 0), ("objection", "open", 1))),
    Subject("US-CA", 40, (), (("objection", "withdrawn", 0), ("objection", "refused", 1))),
    Subject("US-CA", 40, (), (("limit", "open", 0), ("limit", "refused", 0), ("limit", "open", 2))),
    Subject("US-CA", 40, (), (("erasure", "open", 1), ("erasure", "refused", 1))),
)  # fmt: skip


GRID = tuple(
    midnight(day) + offset
    for day in range(DAYS)
    for offset in (timedelta(microseconds=-1), timedelta(), timedelta(hours=12))
)

instants = st.sampled_from(GRID)
# How long after it happened an event was recorded; before it, where it bears a later date.
delays = st.sampled_from([timedelta()] * 4 + [timedelta(days=d) for d in (-4, -1, 1, 3, 8)])


def events(when: list[datetime], about: list[str | None]) -> st.SearchStrategy[Event]:
    """Draw one consent event, at one of some instants, about one of some purposes."""
    return st.builds(
        lambda occurred_at, delay, **rest: Event(
            occurred_at=occurred_at, recorded_at=occurred_at + delay, **rest
        ),
        occurred_at=st.sampled_from(when),
        delay=delays,
        action=st.sampled_from(
            ["granted"] * 3 + ["withdrawn", "objected", "opted_out", "opted_in"]
        ),
        purpose=st.sampled_from(about),
        notice_version=st.sampled_from([2, 2, 2, 1, None]),
        signal=st.sampled_from([None, None, None, "gpc", "GPC", "tcf"]),
        given_by=st.sampled_from([None, "subject", "parent"]),
    )


def repeated_signals(when: list[datetime], about: str) -> st.SearchStrategy[tuple[Event, ...]]:
    """Draw a history of signals, opt-ins that answer them and denials, in any order."""
    moments = st.sampled_from(when)
    words = st.sampled_from([
        ("opted_out", None, "gpc"), ("opted_out", None, "gpc"), ("opted_in", about, None),
        ("opted_in", about, None), ("granted", None, None), ("withdrawn", None, None),
        ("opted_out", about, None),
    ])  # fmt: skip
    # The answer to the first signal is spent by a denial, so that the second counts.
    spent = tuple(
        Event(action, purpose, at, at, 2, signal, "parent")
        for at, (action, purpose, signal) in zip(
            when[:5],
            [("opted_out", None, "gpc"), ("opted_in", about, None), ("withdrawn", None, None),
             ("opted_out", None, "gpc"), ("granted", None, None)],
            strict=True,
        )
    )  # fmt: skip
    return st.just(spent) | st.lists(
        st.builds(lambda at, word: Event(word[0], word[1], at, at, 2, word[2], "parent"),
                  moments, words),
        min_size=3, max_size=7,
    ).map(tuple)  # fmt: skip


requests = st.tuples(
    st.sampled_from(["restriction", "access", "erasure", "objection", "objection", "limit"]),
    st.sampled_from(["fulfilled", "open", "partial", "refused", "withdrawn", "lifted"]),
    st.integers(0, 2),
)
quarantined = st.tuples(
    st.sampled_from(["transactions", "customers", "consent_events", "rights_requests"]),
    st.booleans(),
)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """Draw a subject who acts at few instants; most are adults with nothing pending."""
    plain = draw(st.sampled_from([True, True, False]))
    when = draw(st.lists(instants, min_size=1, max_size=4))
    about = [None, draw(st.sampled_from([*PURPOSES, *PURPOSES, "newsletter"]))]
    return Subject(
        jurisdiction=draw(
            st.sampled_from(["EU", "US-CA", "us-ca ", "Atlantis", None, "US-CA", "eu-at"])
        ),
        age_years=40 if plain else draw(st.sampled_from([None, 12, 13, 14, 15, 16, 40, 40])),
        events=draw(
            st.one_of(
                st.lists(events(when, about), max_size=6).map(tuple),
                repeated_signals(list(GRID[:24:2]), draw(st.sampled_from(["opt_out", "contract"]))),
            )
        ),
        requests=() if plain else tuple(draw(st.lists(requests, max_size=3))),
        quarantined=() if plain else tuple(draw(st.lists(quarantined, max_size=1))),
    )


telling = st.sampled_from(TELLING)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Draw many subjects at once, and clocks: mostly late ones, so that all events are known."""
    day = draw(st.integers(2, DAYS - 2))
    known_at = draw(st.one_of(instants, st.sampled_from(GRID[-12:])))
    return Scenario(
        subjects=tuple(draw(st.lists(subjects() | subjects() | telling, min_size=4, max_size=16))),
        as_of=FIRST_DAY + timedelta(days=day),
        as_of_end=midnight(day + 1) - timedelta(microseconds=1),
        known_at=known_at,
    )


def crowds_of(number: int = 100, of: int = 8) -> tuple[Scenario, ...]:
    """Return scenarios that are the same in every run, with the subjects of several in each.

    A break shows in few subjects; looking at many costs little more than looking at some. Drawing
    them costs most, so each is looked at in several scenarios, at other clocks.
    """
    drawn: list[Scenario] = []

    @settings(
        max_examples=3 * number, derandomize=True, database=None, phases=[Phase.generate],
        deadline=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(scenarios())
    def draw(scenario: Scenario) -> None:
        drawn.append(scenario)

    draw()
    chance = Random(of)  # noqa: S311  # draws no secret
    return tuple(
        replace(clocks, subjects=sum((one.subjects for one in chance.sample(drawn, of)), ()))
        for clocks in drawn[:number]
    )
