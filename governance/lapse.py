"""Bases that lapse: what ends by itself between the clocks of a run and the present moment.

Belongs here: whom publishing holds back at its own moment, when the first basis of those who are
published ends, and saying so once it has. Does not belong here: denials (they are events, and move
``known_at``), what decides permission (``governance.consent``), swapping files (``release``).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from governance import evidence
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
        SQL that is true for the rows of those who may be processed then.
    held_back : int
        Subjects of the mart who may not.
    lapses_at : datetime or None
        The hour in which the first basis of the others ends by itself, by its beginning (a moment
        to the second could be looked up); None if none does.
    """

    permitted: str
    held_back: int
    lapses_at: datetime | None


def standing(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, at: datetime,
    mart: str = "",
) -> Standing:  # fmt: skip
    """Work out how the subjects of a purpose's mart stand at a moment (UTC without a zone).

    By the same derivation that exports go by, over what has landed. ``mart`` names another table
    than the warehouse's own mart, as SQL: a published one.
    """
    mart = mart or f"marts.{identifier(f'mart_{purpose}')}"
    alone = policy.model_copy(update={"purposes": {purpose: purpose_named(policy, purpose)}})
    instant = f"timestamp {quoted(at)}"
    state = state_sql(alone, LANDED, at=instant, known=instant)
    permitted = (
        f"select k.purpose_key, s.until from landing.purpose_keys as k join ({state}) as s"
        f" using (subject_key) where k.purpose = {quoted(purpose)} and s.permitted"
    )
    key = identifier(f"{purpose}_key")
    held_back, lapses_at = connection.execute(
        "select count(*) filter (p.purpose_key is null), date_trunc('hour', min(p.until))"
        f" from (select distinct {key} as key from {mart}) as m"
        f" left join ({permitted}) as p on p.purpose_key = m.key"
    ).fetchall()[0]
    condition = f"{key} in (select purpose_key from ({permitted}))" if held_back else "true"
    return Standing(condition, held_back, lapses_at)


def show(purpose: str, found: Standing) -> None:
    """Leave what was published of a purpose where ``assent status`` looks for it."""
    facts = {"held_back": found.held_back, "lapses_at": found.lapses_at}
    evidence.show(_name(purpose), facts)


def announce(purpose: str, found: Standing) -> None:
    """Leave, before a file is swapped, what is true of the old one and of the new.

    A process killed in between leaves either of the two: the first basis that ends in both counts.
    """
    try:
        before = _shown(purpose)
    except UsageError:  # of an earlier version, or damaged: written anew by this
        before = None
    ends = [lapses_at for lapses_at in (found.lapses_at, before) if lapses_at]
    show(purpose, replace(found, lapses_at=min(ends, default=None)))


def _shown(purpose: str) -> datetime | None:
    """Return when the first basis ends in what is published of a purpose; None if none does."""
    if not evidence.path_of(_name(purpose)).exists():
        return None
    lapses_at = evidence.shown(_name(purpose))["lapses_at"]
    return datetime.fromisoformat(lapses_at) if lapses_at else None


def judged(rules: list[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """Return verdicts as they stand at a moment: where somebody published has no basis, broken.

    Within the hour in which somebody's ends nobody can tell, so nothing is said to hold.
    """
    return [_judged(rule, at) for rule in rules]


def _judged(rule: dict[str, Any], at: datetime) -> dict[str, Any]:
    kind, _, purpose = rule["rule"].partition(".")
    if kind != "permission":
        return rule
    published = Home.current().published_file(purpose).exists()
    if published and not evidence.path_of(_name(purpose)).exists():
        why = "when the bases of those who are published end isn't on record: `assent run`"
        return rule | {"status": "not judged", "checked": False, "observed": None, "why": why}
    lapses_at = _shown(purpose)
    if lapses_at is None or lapses_at > at:
        return rule
    hour = f"the hour that began at {lapses_at} UTC"
    if at < lapses_at + timedelta(hours=1):
        if rule["status"] != "holds":
            return rule
        why = (
            f"in what is published, a consent lapses within {hour}; exports leave it out from then"
        )
        return rule | {"status": "not judged", "observed": None, "why": why}
    why = (
        f"in what is published, a consent has lapsed within {hour}, and exports leave it out:"
        " `assent run` publishes anew"
    )
    found = {"observed": "at least 1", "status": "broken", "overridden_by": None, "why": why}
    return rule | found


def _name(purpose: str) -> str:
    return f"{evidence.PUBLISHED}_{purpose}"
