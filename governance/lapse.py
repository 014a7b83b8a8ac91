"""Bases that lapse: what ends by itself after the clocks of a run.

Belongs here: whom publishing holds back, since their basis doesn't last through the day, on which
day the first basis of those who are published ends, and saying so once it has come. Does not belong
here: denials (they are events, and move ``known_at``), what decides permission
(``governance.consent``), swapping files (``release``).
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from governance import evidence
from governance.clocks import last_instant
from governance.consent import state_sql
from governance.consent_relations import LANDED
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.sql import identifier, quoted


@dataclass(frozen=True)
class Standing:
    """How the subjects of a mart stand at one moment.

    Attributes
    ----------
    permitted : str
        SQL that is true for the rows of those who may be processed.
    held_back : int
        Subjects of the mart who may not.
    lapses_on : date or None
        The day on which the first basis of the others ends by itself, in the policy's time zone (a
        moment could be looked up); None if none does.
    """

    permitted: str
    held_back: int
    lapses_on: date | None


def standing(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, at: datetime,
    mart: str = "", *, all_day: bool = False,
) -> Standing:  # fmt: skip
    """Work out how the subjects of a purpose's mart stand at a moment (UTC without a zone).

    By the same derivation that exports go by, over what has landed.

    Parameters
    ----------
    mart
        Another table than the warehouse's own mart, as SQL: a published one.
    all_day
        Whether a basis that ends on the same day is none: of what stands for a day.
    """
    mart = mart or f"marts.{identifier(f'mart_{purpose}')}"
    alone = policy.model_copy(update={"purposes": {purpose: purpose_named(policy, purpose)}})
    instant = f"timestamp {quoted(at)}"
    state = state_sql(alone, LANDED, at=instant, known=instant)
    permitted = (
        f"select k.purpose_key, s.until from landing.purpose_keys as k join ({state}) as s"
        f" using (subject_key) where k.purpose = {quoted(purpose)} and s.permitted"
    )
    if all_day:
        end = last_instant(_day(policy, at), policy.time_zone)
        permitted += f" and coalesce(s.until, 'infinity') > timestamp {quoted(end)}"
    key = identifier(f"{purpose}_key")
    held_back, until = connection.execute(
        "select count(*) filter (p.purpose_key is null), min(p.until)"
        f" from (select distinct {key} as key from {mart}) as m"
        f" left join ({permitted}) as p on p.purpose_key = m.key"
    ).fetchall()[0]
    condition = f"{key} in (select purpose_key from ({permitted}))" if held_back else "true"
    return Standing(condition, held_back, until and _day(policy, until))


def _day(policy: Policy, at: datetime) -> date:
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(policy.time_zone)).date()


def show(purpose: str, found: Standing) -> None:
    """Leave what was published of a purpose where ``assent status`` looks for it."""
    facts = {"held_back": found.held_back, "lapses_on": found.lapses_on}
    evidence.show(_name(purpose), facts)


def announce(purpose: str, found: Standing) -> None:
    """Leave, before a file is swapped, what is true of the old one and of the new.

    A process killed in between leaves either of the two: the first basis that ends in both counts.
    """
    try:
        before = _shown(purpose)
    except UsageError:  # of an earlier version, or damaged: written anew by this
        before = None
    ends = [lapses_on for lapses_on in (found.lapses_on, before) if lapses_on]
    show(purpose, replace(found, lapses_on=min(ends, default=None)))


def _shown(purpose: str) -> date | None:
    """Return when the first basis ends in what is published of a purpose; None if none does."""
    if not evidence.path_of(_name(purpose)).exists():
        return None
    lapses_on = evidence.shown(_name(purpose))["lapses_on"]
    return date.fromisoformat(lapses_on) if lapses_on else None


def judged(policy: Policy, rules: list[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """Return verdicts as they stand at a moment: where somebody published has no basis, broken.

    Within the day on which somebody's ends nobody can tell, so nothing is said to hold.
    """
    return [_judged(rule, _day(policy, at)) for rule in rules]


def _judged(rule: dict[str, Any], day: date) -> dict[str, Any]:
    kind, _, purpose = rule["rule"].partition(".")
    if kind != "permission":
        return rule
    published = Home.current().published_file(purpose).exists()
    if published and not evidence.path_of(_name(purpose)).exists():
        why = "when the bases of those who are published end isn't on record: `assent run`"
        return rule | {"status": "not judged", "checked": False, "observed": None, "why": why}
    lapses_on = _shown(purpose)
    if lapses_on is None or lapses_on > day:
        return rule
    mend = "exports leave it out from then; `assent run` publishes anew"
    if day == lapses_on:
        if rule["status"] != "holds":
            return rule
        why = f"in what is published, a consent lapses today, {day}; {mend}"
        return rule | {"status": "not judged", "observed": None, "why": why}
    why = f"in what is published, a consent has lapsed on {lapses_on}; {mend}"
    found = {"observed": "at least 1", "status": "broken", "overridden_by": None, "why": why}
    return rule | found


def _name(purpose: str) -> str:
    return f"{evidence.PUBLISHED}_{purpose}"
