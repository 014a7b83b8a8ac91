"""The catalogue of rules: everything that ``assent status`` lists, and nothing else.

Belongs here: which rules a policy implies, their ids, limits and reasons; which of them may be
overridden. Does not belong here: judging a rule (``expectations``, dbt tests, ``orchestration``),
wording of verdicts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from governance.policy.columns import purpose_named
from governance.policy.model import Override, Policy
from governance.policy.problems import Problem, nearest
from governance.policy.words import (
    BIAS_PURPOSE,
    FEEDS,
    SEGMENT_PURPOSE,
    TRANSACTION_ATTRIBUTES,
    WORD_FEEDS,
)


class Kind(NamedTuple):
    """What the rules of one kind have in common.

    ``ids`` is the form of their ids; ``why`` is the reason or the law; ``overridable``: whether a
    recorded override may let results be published although the rule is broken; ``blocks``: whether
    a broken rule stops publishing; ``fails``: whether a broken rule fails its check, or only warns.
    """

    ids: str
    holds: str
    why: str
    overridable: bool = False
    blocks: bool = True
    fails: bool = True


# No signature makes processing lawful: what the law forbids can't be overridden.
KINDS: dict[str, Kind] = {
    "minimisation": Kind(
        "minimisation.<purpose>",
        "the mart has exactly the allowed columns, in the allowed form",
        "data minimisation (GDPR Art. 5(1)(c))",
    ),
    "permission": Kind(
        "permission.<purpose>",
        "every subject in the mart has a valid basis at both clocks",
        "lawfulness (GDPR Art. 6(1); Cal. Civ. Code 1798.120)",
    ),
    "retention": Kind(
        "retention.<purpose>.<attribute>",
        "no value is older than the attribute may be for the purpose",
        "storage limitation (GDPR Art. 5(1)(e))",
    ),
    "special_values": Kind(
        "special_values.<purpose>",
        "no value that reveals a special category enters a column",
        "special categories (GDPR Art. 9(1))",
    ),
    "completeness": Kind(
        "completeness.<purpose>",
        "every column of the mart that has a source is filled",
        "accuracy (GDPR Art. 5(1)(d)): what is missing skews what is concluded",
        overridable=True,
    ),
    "reconciliation": Kind(
        "reconciliation.<feed>, reconciliation.marts.<purpose>",
        "no row is lost: what was read is accounted for",
        "integrity (GDPR Art. 5(1)(f)): a row lost may be a withdrawal lost",
    ),
    "freshness": Kind(
        "freshness.transactions",
        "the newest complete day of the feed is recent",
        "accuracy (GDPR Art. 5(1)(d)): kept up to date",
        overridable=True,
    ),
    "readable": Kind(
        "readable.<feed>",
        "every consent event and every rights request names a subject",
        "one that can't be read may be anybody's denial (GDPR Art. 7(3), 17, 18, 21)",
    ),
    "rights": Kind(
        "rights.due, rights.notices",
        "every open rights request can still be answered in time, and recipients are told",
        "a subject waits for it (GDPR Art. 12(3), 19; Cal. Civ. Code 1798.130(a)(2))",
        blocks=False,
    ),
    "size": Kind(
        "size.segmentation",
        "no segment is smaller than allowed",
        "a small group points at persons (GDPR Recital 26)",
        overridable=True,
    ),
    "segment_count": Kind(
        "segment_count.segmentation",
        "the number of segments is within the limits",
        "too few say nothing, too many can't be served",
        overridable=True,
    ),
    "refit": Kind(
        "refit.segmentation",
        "the fitted model isn't too old",
        "habits change: an old model puts subjects into the wrong segment",
        overridable=True,
    ),
    "release": Kind(
        "release.aggregates",
        "no group in the aggregates differs from one in an earlier release by a few subjects",
        "two releases subtracted would show the few (GDPR Recital 26)",
    ),
    "bias": Kind(
        "bias.segmentation.<column>",
        "no segment falls unevenly on a group of people",
        "fairness (GDPR Art. 5(1)(a), Recital 71)",
        overridable=True,
    ),
    "drift": Kind(
        "drift.segmentation",
        "the features are distributed as they were at the fit",
        "a model describes the data it was fitted on",
        blocks=False,
        fails=False,
    ),
    "custody": Kind(
        "custody.retention, custody.purge, custody.salt_backups, custody.evidence,"
        " custody.suppression",
        "nothing is held longer than it may be",
        "storage limitation (GDPR Art. 5(1)(e))",
    ),
    "encryption": Kind(
        "encryption.files",
        "every file of the state that holds rows is encrypted",
        "security (GDPR Art. 32(1)(a))",
        overridable=True,
    ),
    "exposure": Kind(
        "exposure.recipients",
        "every consumer of a mart is a listed recipient of its purpose",
        "a recipient has to be named (GDPR Art. 13(1)(e), 30(1)(d))",
    ),
}


@dataclass(frozen=True)
class Rule:
    """One rule of the policy.

    Attributes
    ----------
    id : str
        Its name, such as ``retention.segmentation.value``; unique and stable.
    kind : str
        A key of ``KINDS``; the first part of the id.
    purpose : str or None
        The purpose it belongs to, if to one.
    about : str
        What is judged: an attribute, a column, a feed, a mart.
    limit : number, list, dict
        The limit as the policy gives it, JSON-able; 0 where nothing at all may break the rule.
    limit_text : str
        The limit with its unit, for people.
    why : str
        The reason or the law.
    """

    id: str
    kind: str
    purpose: str | None
    about: str
    limit: Any
    limit_text: str
    why: str

    @property
    def blocks(self) -> bool:
        """Whether results are not published when the rule is broken."""
        return KINDS[self.kind].blocks

    @property
    def overridable(self) -> bool:
        """Whether a recorded override may let results be published all the same."""
        return KINDS[self.kind].overridable


def rules(policy: Policy) -> list[Rule]:
    """Return every rule that a policy implies: by purpose in the order of the file, then others."""
    found = [rule for purpose in policy.purposes for rule in _of_purpose(policy, purpose)]
    if SEGMENT_PURPOSE in policy.purposes:
        found += [*_of_segments(policy), *_of_bias(policy)]
    return [*found, *_of_feeds(policy), *_of_custody(policy), _of_files(), _of_recipients()]


def override_of(policy: Policy, rule_id: str, day: date) -> Override | None:
    """Return the recorded exception from a rule that counts on a day, if there is one."""
    counts = (o for o in policy.overrides if o.rule == rule_id and day <= o.until)
    return next(counts, None)


def override_problems(policy: Policy) -> list[Problem]:
    """Return what is wrong with the overrides: unknown rules, and rules that allow none."""
    known = {rule.id: rule for rule in rules(policy)}
    problems = []
    for i, override in enumerate(policy.overrides):
        rule = known.get(override.rule)
        if rule is None:
            what = f"no such rule: '{override.rule}'"
            mend = nearest(override.rule, known, "copy the id from `assent status`")
        elif not rule.overridable:
            what = f"a rule of the kind {rule.kind} can't be overridden"
            mend = "mend what breaks it; no signature makes it lawful"
        else:
            continue
        problems.append(Problem(("overrides", i, "rule"), what, mend))
    return problems


def _rule(kind: str, *parts: str, about: str, limit: Any, text: str, purpose: str | None) -> Rule:
    return Rule(".".join((kind, *parts)), kind, purpose, about, limit, text, KINDS[kind].why)


def _of_purpose(policy: Policy, purpose: str) -> Iterator[Rule]:
    mart = f"mart of {purpose}"

    def none(kind: str, text: str, *parts: str) -> Rule:
        return _rule(kind, *(parts or (purpose,)), about=mart, limit=0, text=text, purpose=purpose)

    yield none("minimisation", "no other columns")
    yield none("permission", "no subject without a basis")
    for name, allowance in purpose_named(policy, purpose).attributes.items():
        yield _rule(
            "retention", purpose, name, about=name, purpose=purpose,
            limit=allowance.retention_days, text=f"at most {allowance.retention_days} days",
        )  # fmt: skip
    if _meets_special_values(policy, purpose):
        yield none("special_values", "no such value")
    least = policy.thresholds.completeness
    yield _rule(
        "completeness", purpose, about=mart, purpose=purpose,
        limit=least, text=f"at least {least:g} non-null",
    )  # fmt: skip
    yield none("reconciliation", "no row unaccounted for", "marts", purpose)


def _meets_special_values(policy: Policy, purpose: str) -> bool:
    """Tell whether special values could enter a purpose that may not process them.

    A row of transactions carries all of its columns, so a purpose that uses any of them meets the
    special values of every one.
    """
    body = purpose_named(policy, purpose)
    special = {name for name, attribute in policy.attributes.items() if attribute.special_values}
    of_rows = set(TRANSACTION_ATTRIBUTES)
    met = set(body.attributes) | (of_rows if of_rows & set(body.attributes) else set())
    return not body.sensitive and bool(special & met)


def _of_segments(policy: Policy) -> Iterator[Rule]:
    limits, chosen = policy.thresholds, policy.segmentation

    def rule(kind: str, about: str, limit: Any, text: str) -> Rule:
        return _rule(
            kind, SEGMENT_PURPOSE, about=about, limit=limit, text=text, purpose=SEGMENT_PURPOSE
        )

    least, most = chosen.segments
    yield rule(
        "size", "every segment", limits.smallest_segment,
        f"at least {limits.smallest_segment} subjects",
    )  # fmt: skip
    yield rule("segment_count", "segments", [least, most], f"{least} to {most}")
    yield rule("refit", "fitted model", chosen.refit_days, f"at most {chosen.refit_days} days old")
    least_difference = limits.release_difference
    yield _rule(
        "release", "aggregates", about="aggregates of segments", purpose=SEGMENT_PURPOSE,
        limit=least_difference, text=f"none, or at least {least_difference} subjects",
    )  # fmt: skip
    yield rule(
        "drift", "features", limits.drift, f"population stability index at most {limits.drift:g}"
    )


def _of_bias(policy: Policy) -> Iterator[Rule]:
    limits = policy.thresholds.bias
    low, high = limits.representation_ratio
    limit = {
        "representation_ratio": [low, high],
        "predictability": limits.predictability,
        "coverage": limits.coverage,
        "smallest_group": limits.smallest_group,
        "confidence": limits.confidence,
    }
    text = f"representation {low:g} to {high:g}; predictability at most {limits.predictability:g}"
    columns = _protected_columns(policy)
    for column in columns:
        yield _rule(
            "bias", SEGMENT_PURPOSE, column, about=column, limit=limit, text=text,
            purpose=SEGMENT_PURPOSE,
        )  # fmt: skip
    if not columns:  # the rule stands, and its status says that nobody can judge it
        yield _rule(
            "bias", SEGMENT_PURPOSE, about=f"no attribute is allowed for {BIAS_PURPOSE}",
            limit=limit, text=text, purpose=SEGMENT_PURPOSE,
        )  # fmt: skip


def _protected_columns(policy: Policy) -> list[str]:
    if BIAS_PURPOSE not in policy.purposes:
        return []
    columns = policy.purposes[BIAS_PURPOSE].columns.items()
    judged = ("protected", "special_category")
    return [
        column
        for column, names in columns
        if any(policy.attributes[name].class_ in judged for name in names)
    ]


def _of_feeds(policy: Policy) -> Iterator[Rule]:
    for feed in FEEDS:
        yield _rule(
            "reconciliation", feed, about=f"feed {feed}", purpose=None,
            limit=0, text="read = accepted + quarantined + duplicates + suppressed",
        )  # fmt: skip
    for feed in WORD_FEEDS:
        yield _rule(
            "readable", feed, about=f"feed {feed}", purpose=None,
            limit=0, text="no row without a subject",
        )  # fmt: skip
    yield _rule(
        "rights", "due", about="feed rights_requests", purpose=None,
        limit=0, text="no day past the last to answer or acknowledge",
    )  # fmt: skip
    days = policy.thresholds.notice_days
    yield _rule(
        "rights", "notices", about="feed rights_requests", purpose=None,
        limit=days, text=f"at most {days} days",
    )  # fmt: skip
    days = policy.thresholds.freshness_days
    yield _rule(
        "freshness", "transactions", about="feed transactions", purpose=None,
        limit=days, text=f"at most {days} days",
    )  # fmt: skip


def _of_custody(policy: Policy) -> Iterator[Rule]:
    custody, evidence = policy.custody, policy.evidence
    for name, about, days in (
        ("retention", "every row", custody.retention_days),
        ("purge", "expired and erased values in files", custody.purge_within_days),
        ("salt_backups", "backups of salts", custody.salt_backup_days),
        ("evidence", "what is kept of requests and exports", evidence.retention_days),
        ("suppression", "entries that stop the erased", evidence.suppression_days),
    ):
        yield _rule(
            "custody", name, about=about, purpose="custody", limit=days,
            text=f"at most {days} days",
        )  # fmt: skip
    yield _rule(
        "minimisation", "permission", about="int_consent_* models", purpose="permission", limit=0,
        text=f"nothing but {', '.join(policy.permission.attributes) or 'consent events'}",
    )  # fmt: skip


def _of_files() -> Rule:
    return _rule(
        "encryption", "files", about="files of the state", purpose=None,
        limit=0, text="no file in clear",
    )  # fmt: skip


def _of_recipients() -> Rule:
    return _rule(
        "exposure", "recipients", about="exposures of the marts", purpose=None,
        limit=0, text="no other consumer",
    )  # fmt: skip
