"""What the column gate finds, in words: rule, column, asset, attributes and remedy.

Belongs here: findings, their wording, refusing them. Does not belong here: finding them (``gate``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from governance.policy.model import Policy
from warehouse.errors import PolicyGapError, RuleBrokenError

RULE = "minimisation"


@dataclass(frozen=True)
class Finding:
    """One thing that the policy forbids (a violation) or says nothing about (a gap).

    Attributes
    ----------
    kind : str
        ``violation`` or ``gap``.
    rule : str
        Id of the rule, as ``assent status`` lists it.
    column : str
        The column or feature; empty if it is about the rows of the asset or all of it.
    asset : str
        The model or Python asset; empty for a feature that isn't part of the graph.
    attributes : tuple of str
        The attributes that it is about.
    what, remedy : str
        What is wrong, and how to mend it.
    """

    kind: Literal["violation", "gap"]
    rule: str
    column: str
    asset: str
    attributes: tuple[str, ...]
    what: str
    remedy: str

    @property
    def purpose(self) -> str:
        """The purpose whose rule it is; ``permission`` for the rule of ``int_consent_*``."""
        return self.rule.partition(".")[2]

    @property
    def place(self) -> str:
        """The column with its asset."""
        return ".".join(part for part in (self.asset, self.column) if part)

    def __str__(self) -> str:
        """Return rule, place, fault and remedy, on two lines."""
        return f"{self.rule} ({self.kind}): {self.place} {self.what}\n    -> {self.remedy}"


class _Wording(NamedTuple):
    kind: Literal["violation", "gap"]
    what: str
    remedy: str


_OFFICER = "or ask the privacy officer to change"
# A column of an attribute's name that no relation in reach has: the policy knows the name.
_LOST = "but nothing that it is read from has such a column"
_TAKE_IT = "take it from a relation that has it; `assent lineage {name}` shows which do"
_KNOW_IT = "or have it listed under `attributes` and in governance/lineage/landing.py"
_LIST_IT = f"{_OFFICER} purposes.{{purpose}}.columns"

# By fault. {made} names the attributes with their classes; {detail} is what the gate adds.
_WORDINGS = {
    "unlisted": _Wording(
        "violation",
        "is no column that '{purpose}' may have; it is made from {made}",
        f"remove the column, {_LIST_IT}",
    ),
    "unlisted, unknown": _Wording(
        "gap",
        "is no column that '{purpose}' may have, and the policy knows nothing of {made}, from "
        "which it is made",
        f"remove the column, {_LIST_IT}",
    ),
    "origin": _Wording(
        "violation",
        "is made from {made}, which '{purpose}' may not use for this column",
        f"take it out of the expression, {_LIST_IT}",
    ),
    "unknown": _Wording(
        "gap",
        "is made from {made}, of which the policy knows nothing",
        f"take it out of the expression, {_KNOW_IT}",
    ),
    "lost": _Wording(
        "gap",
        "is made from {made}, but nothing that {detail} reads has such a column",
        _TAKE_IT,
    ),
    "pseudonym": _Wording(
        "violation",
        "carries the key {made}: with it, two purposes could be joined",
        "take it out of the expression; rows are joined by keys, and only counted by them",
    ),
    "form": _Wording(
        "violation",
        "holds {made} as it is, but '{purpose}' may only have it aggregated",
        "aggregate it by subject (count, sum, mean, least, greatest) in the mart",
    ),
    "renamed key": _Wording(
        "violation",
        "holds {made} of subjects under another name, or of others than its row's: nobody could"
        " find the rows of one who is erased",
        "call it subject_key or <purpose>_key, one of each row, count by it, or leave it out; what "
        "says yes or no is listed in governance/keying.py",
    ),
    "key": _Wording(
        "violation",
        "is made from {made}, but as a key it may hold nothing but itself",
        "select the run's `as_of` and the purpose's own key",
    ),
    "absent": _Wording(
        "violation",
        "is allowed (made from {made}), but no mart of '{purpose}' has it",
        "build it, or remove it under purposes.{purpose}.columns: what isn't needed isn't allowed",
    ),
    "rows": _Wording(
        "violation",
        "chooses, joins or groups rows by {made} ({detail}), which '{purpose}' may not use",
        f"take it out of the condition, {_OFFICER} purposes.{{purpose}}.attributes",
    ),
    "rows, unknown": _Wording(
        "gap",
        "chooses, joins or groups rows by {made} ({detail}), of which the policy knows nothing",
        f"take it out of the condition, {_KNOW_IT}",
    ),
    "rows, lost": _Wording(
        "gap",
        f"chooses, joins or groups rows by {{made}} ({{detail}}), {_LOST}",
        _TAKE_IT,
    ),
    "undated": _Wording(
        "violation",
        "reads rows of {detail}: nobody could tell how old they are, or whether a consent covers"
        " them",
        "take them as they are through `permitted_rows` (dbt_project/macros/permission.sql), in a"
        " view or a table, and compute what is made from them in a model that reads that one",
    ),
    "unread": _Wording(
        "gap",
        "can't be judged: {detail}",
        "write it otherwise (docs/checks.md: What the gate can't read)",
    ),
    "input": _Wording(
        "violation",
        "reads {detail} (made from {made}), which is no allowed column of a mart of '{purpose}'",
        f"remove it from the asset, {_LIST_IT}",
    ),
    "feature": _Wording(
        "violation",
        "uses {made}, which is no column that '{purpose}' may have",
        f"remove the feature, {_LIST_IT}",
    ),
    "table": _Wording(
        "violation",
        "is no mart of '{purpose}', so its Python assets may not read it",
        "read a mart of the purpose; what it lacks is built in dbt, where every column is traced",
    ),
    "reach": _Wording(
        "gap",
        "can't be judged: {detail}, and could read past the door",
        "take it out: rows are read by orchestration/door.py alone; what can't do harm is listed "
        "in orchestration/columns.py",
    ),
    "no purpose": _Wording(
        "gap",
        "serves no purpose of the policy",
        "remove the mart, or ask the privacy officer to describe the purpose",
    ),
    "permission": _Wording(
        "violation",
        "reads {made}, but permission may be decided by nothing about a subject but what the "
        "policy lists",
        "take it out of the model, or ask the privacy officer to change permission.attributes",
    ),
    "permission, lost": _Wording("gap", f"reads {{made}}, {_LOST}", _TAKE_IT),
    "permission, unknown": _Wording(
        "gap",
        "reads {made}, of which the policy knows nothing",
        "take it out of the model, or ask the privacy officer to list it under `attributes` and "
        "permission.attributes",
    ),
}


def worded(
    policy: Policy,
    purpose: str,
    fault: str,
    asset: str,
    column: str,
    attributes: Iterable[str] = (),
    detail: str = "",
) -> Finding:
    """Return a finding in words.

    Parameters
    ----------
    policy : Policy
        Knows the classes of the attributes.
    purpose : str
        The purpose whose rule it is; ``permission`` for that of ``int_consent_*``.
    fault : str
        Which fault; a key of the wordings in this module.
    asset, column : str
        Where.
    attributes : iterable of str
        What about.
    detail : str
        What the wording of the fault asks for besides.
    """
    named = tuple(sorted(set(attributes)))
    wording = _WORDINGS[fault]
    blanks = {"purpose": purpose, "made": _made(policy, named), "detail": detail}
    blanks["name"] = ", ".join(named)
    return Finding(
        wording.kind,
        f"{RULE}.{purpose}",
        column,
        asset,
        named,
        wording.what.format(**blanks),
        wording.remedy.format(**blanks),
    )


def refuse(findings: Iterable[Finding]) -> None:
    """Raise an error that names every finding; do nothing if there is none.

    Raises
    ------
    RuleBrokenError
        If the policy forbids anything among them.
    PolicyGapError
        If the policy says nothing about some of them, and forbids none.
    """
    in_order = sorted(findings, key=lambda f: (f.kind != "violation", f.rule, f.asset, f.column))
    found = _once(in_order)
    if not found:
        return
    violations = sum(f.kind == "violation" for f in found)
    counts = [
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((violations, "violation"), (len(found) - violations, "gap"))
        if count
    ]
    lines = [f"the column gate is closed: {' and '.join(counts)}", *(f"  {f}" for f in found)]
    error = RuleBrokenError if violations else PolicyGapError
    raise error("\n".join(lines), "`assent lineage COLUMN` shows how a column is made")


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Return each finding once, with all the rules that it breaks."""
    rules: dict[Finding, list[str]] = {}
    for found in findings:
        rules.setdefault(replace(found, rule=""), []).append(found.rule)
    return [replace(found, rule=", ".join(broken)) for found, broken in rules.items()]


def _made(policy: Policy, names: tuple[str, ...]) -> str:
    def with_class(name: str) -> str:
        known = policy.attributes.get(name)
        return f"{name} ({known.class_})" if known else name

    return ", ".join(map(with_class, names)) or "no attribute"
