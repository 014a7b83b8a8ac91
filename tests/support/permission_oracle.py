"""Who may be processed for what: an oracle in plain Python, from the words of the design.

Belongs here: the rules of permission, event by event, without SQL. Does not belong here: making
histories up, or comparing.

A subject's history is walked from its beginning up to an instant, keeping three facts: the latest
consent, whether it was withdrawn, whether there is an objection. Nothing is remembered from one
instant to the next question: every answer walks the whole history again.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

BEGINNING = datetime(1900, 1, 1)
GRANTS = ("granted", "opted_in")
OBJECTIONS = ("objected", "opted_out")
HOLDING_FEEDS = ("customers", "consent_events", "rights_requests")
HOLDING_REQUESTS = ("erasure", "objection", "restriction")
RELEASING = {"refused", "withdrawn", "lifted"}


@dataclass(frozen=True)
class Event:
    """A consent event: what the subject said, when, and when it became known."""

    action: str
    purpose: str | None
    occurred_at: datetime
    recorded_at: datetime
    notice_version: int | None = None
    signal: str | None = None
    given_by: str | None = None


@dataclass(frozen=True)
class Subject:
    """A subject, with everything that bears on permission."""

    jurisdiction: str | None
    age_years: int | None
    events: tuple[Event, ...]
    # (type, status, day of receipt); those of a type are one request.
    requests: tuple[tuple[str, str, int], ...] = ()
    quarantined: tuple[tuple[str, bool], ...] = ()  # (feed, resolved)


@dataclass(frozen=True)
class Answer:
    """What the two clocks say about a subject and a purpose."""

    permitted_now: bool
    permitted: bool
    consented_on: date | None


@dataclass(frozen=True)
class Oracle:
    """The rules, under one policy (the variables of the dbt project)."""

    policy: Mapping[str, Any]

    def purposes(self) -> dict[str, Mapping[str, Any]]:
        """Return the purposes by name."""
        return {p["purpose"]: p for p in self.policy["purposes"]}

    def regime(self, subject: Subject) -> str:
        """Return the regime: by jurisdiction; unknown and unlisted ones have their own."""
        spelled = (subject.jurisdiction or "").strip().lower()
        for entry in self.policy["regimes"]:
            if entry["jurisdiction"].lower() == spelled:
                return str(entry["regime"])
        return str(self.policy["unknown_regime"])

    def basis(self, subject: Subject, purpose: str) -> str:
        """Return the basis that the policy names for the subject's regime, but for the young."""
        if self.must_opt_in(subject):
            return "consent"
        return next(
            str(entry["basis"])
            for entry in self.policy["bases"]
            if entry["purpose"] == purpose and entry["regime"] == self.regime(subject)
        )

    def rules(self, subject: Subject) -> Mapping[str, Any]:
        """Return what counts under the subject's regime, and the age of consent there."""
        regime = self.regime(subject)
        found = dict(next(r for r in self.policy["regime_rules"] if r["regime"] == regime))
        spelled = (subject.jurisdiction or "").strip().lower()
        for entry in self.policy["regimes"]:
            if entry["jurisdiction"].lower() == spelled:
                found["age_of_consent"] = entry["age_of_consent"]
        return found

    def is_minor(self, subject: Subject) -> bool:
        """Tell whether the subject is known to be below the age of consent."""
        least = self.rules(subject)["age_of_consent"]
        return subject.age_years is not None and subject.age_years < least

    def must_opt_in(self, subject: Subject) -> bool:
        """Tell whether the subject is known to be too young for any basis but consent."""
        below = self.rules(subject)["opt_in_below"]
        young = subject.age_years is not None and subject.age_years < below
        return young or self.is_minor(subject)

    def is_held(self, subject: Subject) -> bool:
        """Tell whether a request stands, or a word or an age of theirs is unread."""
        if any(self.stands(subject, kind) for kind in HOLDING_REQUESTS):
            return True
        return any((feed, False) in subject.quarantined for feed in HOLDING_FEEDS)

    def is_stopped(self, subject: Subject, purpose: str) -> bool:
        """Tell whether a request stands against a purpose by what the purpose does."""
        flags = self.purposes()[purpose]
        if flags["sensitive"] and self.stands(subject, "limit"):
            return True
        # Who objects to direct marketing can't be refused.
        back = RELEASING - {"refused"}
        return bool(flags["direct_marketing"]) and self.stands(subject, "objection", back)

    def stands(self, subject: Subject, kind: str, ending: AbstractSet[str] = RELEASING) -> bool:
        """Tell whether a request stands: told day by day, on each what ends it comes last."""
        standing = False
        words = [(day, status in ending) for of, status, day in subject.requests if of == kind]
        for _, ends in sorted(words):
            standing = not ends
        return standing

    def speaks_of(self, event: Event, purpose: str) -> bool:
        """Tell whether an event is about a purpose."""
        if event.purpose is not None:
            return event.purpose == purpose
        if event.action == "opted_out" and (event.signal or "").lower() == "gpc":
            return bool(self.purposes()[purpose]["sale_or_share"])
        return True

    def counts(self, subject: Subject, event: Event, purpose: str) -> bool:
        """Tell whether an event counts: no grant of a child or a signal, or on an old notice."""
        if event.action not in GRANTS:
            return True
        if (event.signal or "").lower() == "gpc":
            return False
        if self.is_minor(subject) and event.given_by != "parent":
            return False
        least = self.purposes()[purpose]["notice_version"]
        return event.notice_version is not None and event.notice_version >= least

    def heard(self, subject: Subject, purpose: str, known_at: datetime) -> list[Event]:
        """Return the events that count for a purpose and were known, as they follow one another.

        At the same instant the denials come last: they win.
        """
        known = [
            event
            for event in subject.events
            if event.recorded_at <= known_at
            and self.speaks_of(event, purpose)
            and self.counts(subject, event, purpose)
        ]
        known.sort(key=lambda event: (event.occurred_at, event.action not in GRANTS))
        return [event for event in known if not self.is_repeated(subject, event, known)]

    def is_repeated(self, subject: Subject, event: Event, known: list[Event]) -> bool:
        """Tell whether an event is a signal that was answered by an opt-in which stands."""

        def signals(other: Event) -> bool:
            return other.action == "opted_out" and (other.signal or "").lower() == "gpc"

        if not self.rules(subject)["opt_in_outlasts_signal"] or not signals(event):
            return False
        asked = answered = False  # a signal came before; it was answered by name since
        asked_at: datetime | None = None
        for other in known:
            if signals(other):
                if asked_at is None:
                    asked, asked_at = True, other.occurred_at
            elif other.action in GRANTS:
                if other.occurred_at >= event.occurred_at:
                    continue
                if other.purpose and asked and asked_at is not None:
                    answered = answered or asked_at < other.occurred_at
            elif other.occurred_at <= event.occurred_at:
                answered = False
        return answered

    def is_valid(self, subject: Subject, purpose: str, at: datetime, known_at: datetime) -> bool:
        """Tell whether there was a basis at an instant, by what was known at another."""
        consent: datetime | None = None
        withdrawn = objected = False
        for event in self.heard(subject, purpose, known_at):
            if event.occurred_at > at:
                break
            if event.action in GRANTS:
                consent, withdrawn = event.occurred_at, False
                if event.purpose is not None:  # a general grant undoes no objection
                    objected = False
            elif event.action in OBJECTIONS:
                objected = True
            else:
                withdrawn = True
        if withdrawn or objected:  # any denial denies under every basis
            return False
        if self.basis(subject, purpose) != "consent":
            return True
        lasts = timedelta(days=self.purposes()[purpose]["consent_valid_days"])
        return consent is not None and at < consent + lasts

    def turning_points(self, subject: Subject, purpose: str, known_at: datetime) -> list[datetime]:
        """Return the instants at which the answer may change, in order."""
        lasts = timedelta(days=self.purposes()[purpose]["consent_valid_days"])
        starts = [event.occurred_at for event in self.heard(subject, purpose, known_at)]
        return sorted({BEGINNING, *starts, *(start + lasts for start in starts)})

    def valid_since(
        self, subject: Subject, purpose: str, at: datetime, known_at: datetime
    ) -> datetime:
        """Return since when the basis that is valid at an instant has been so."""
        since = at
        for point in reversed(self.turning_points(subject, purpose, known_at)):
            if point > at:
                continue
            if not self.is_valid(subject, purpose, point, known_at):
                break
            since = point
        return since

    def answer(
        self, subject: Subject, purpose: str, as_of_end: datetime, known_at: datetime
    ) -> Answer | None:
        """Return the answer at both clocks; None for whoever has no basis now."""
        if not self.is_valid(subject, purpose, known_at, known_at):
            return None
        free = not self.is_held(subject) and not self.is_stopped(subject, purpose)
        then = self.is_valid(subject, purpose, as_of_end, known_at)
        return Answer(
            permitted_now=free,
            permitted=free and then,
            consented_on=self.consented_on(subject, purpose, as_of_end, known_at) if then else None,
        )

    def consented_on(
        self, subject: Subject, purpose: str, as_of_end: datetime, known_at: datetime
    ) -> date | None:
        """Return the day of the consent, where it doesn't cover data from before it.

        Processing at either clock rests on the consent of that clock: the later one counts.
        """
        if self.purposes()[purpose]["covers_earlier_data"]:
            return None
        since = max(
            self.valid_since(subject, purpose, clock, known_at) for clock in (as_of_end, known_at)
        )
        if since == BEGINNING:
            return None
        zone = ZoneInfo(self.policy["time_zone"])
        return since.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
