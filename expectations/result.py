"""How one rule stands: the verdict that every check of this room returns.

Belongs here: the verdict, and the verdicts of rules that no check has judged. Does not belong
here: judging (the other modules), recording and showing verdicts (``governance.status``), asset
checks (``orchestration``). A verdict carries counts, shares and days, never a row or a value of
one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from governance.policy.model import Policy
from governance.policy.rules import Rule, rules
from governance.status import NOT_RUN

Status = Literal["holds", "broken", "gap", "not judged", "unenforced"]


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
        Aggregates for whoever looks closer: name to number, text or a table in Markdown.
    """

    rule: str
    status: Status
    observed: Any
    limit: Any
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the rule was judged and is not broken."""
        return self.status == "holds"


def result(rule: Rule, status: Status, observed: Any, why: str, **details: Any) -> Result:
    """Return the verdict on a rule, with the limit that the policy gives it."""
    return Result(rule.id, status, observed, rule.limit, why, details)


def unjudged(rule: Rule, why: str = NOT_RUN, **details: Any) -> Result:
    """Return the verdict on a rule that could not be judged.

    With the default reason the rule keeps results from being published, as one that nobody has
    looked at; any other reason is an answer.
    """
    return result(rule, "not judged", None, why, **details)


def by_id(policy: Policy) -> dict[str, Rule]:
    """Return every rule of the policy by its id."""
    return {rule.id: rule for rule in rules(policy)}


def missing(policy: Policy, results: Iterable[Result]) -> list[Result]:
    """Return ``not judged`` for every rule of the policy that has no verdict yet."""
    judged = {found.rule for found in results}
    return [unjudged(rule) for rule in rules(policy) if rule.id not in judged]


def markdown(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown; numbers as they are, None as an empty cell."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        cells = ("" if cell is None else str(cell).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
