"""How one rule stands: what every check of this room returns.

Belongs here: making such results. Does not belong here: judging (the other modules), recording
and showing verdicts (``governance.status``), asset checks (``orchestration``). A result carries
counts, shares and days, never a row or a value of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

from governance import aging
from governance.policy.model import Policy
from governance.policy.rules import Rule, rules
from governance.status import NOT_RUN

Status = Literal["holds", "broken", "gap", "not judged", "unenforced"]


class Table(NamedTuple):
    """Aggregates in rows, for whoever shows them."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Result:
    """How one rule stands.

    Attributes
    ----------
    rule : str
        The rule's id.
    status : str
        ``holds``, ``broken`` (the policy forbids it), ``gap`` (the policy says nothing about it),
        ``not judged`` (and why), ``unenforced``.
    observed : number, str, list, dict or None
        What was measured, JSON-able.
    limit : number, list or dict
        The rule's limit, JSON-able.
    why : str
        The reason for the status, in words.
    details : mapping
        Aggregates for whoever looks closer: name to number, text or :class:`Table`.
    checked : bool
        Whether a check has looked; ``not judged`` is no answer if none has.
    since : date or None
        The day from which the observation is counted to the present one.
    soon : bool
        Whether it holds, and by its ``why`` won't for long: its check warns.
    """

    rule: str
    status: Status
    observed: Any
    limit: Any
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)
    checked: bool = True
    since: date | None = None
    soon: bool = False

    @property
    def holds(self) -> bool:
        """Whether the rule was judged and is not broken."""
        return self.status == "holds"


def result(rule: Rule, status: Status, observed: Any, why: str, **details: Any) -> Result:
    """Return the verdict on a rule, with the limit that the policy gives it."""
    return Result(rule.id, status, observed, rule.limit, why, details)


def aged(rule: Rule, since: date, day: date, why: str, **details: Any) -> Result:
    """Return the verdict on a rule that limits how many days may pass since a day."""
    age, old = aging.judged(since, day, rule.limit)
    status: Status = "broken" if old else "holds"
    return Result(rule.id, status, age, rule.limit, why, details, since=since)


def unjudged(rule: Rule, why: str | None = None, **details: Any) -> Result:
    """Return the verdict on a rule that could not be judged.

    Without a reason no check has looked, and the rule keeps results from being published; a reason
    is an answer.
    """
    known = why is not None
    return Result(rule.id, "not judged", None, rule.limit, why or NOT_RUN, details, checked=known)


def by_id(policy: Policy) -> dict[str, Rule]:
    """Return every rule of the policy by its id."""
    return {rule.id: rule for rule in rules(policy)}
