"""The catalogue of rules: ids, limits, what may be overridden."""

import json
import re
from datetime import date

import pytest

from governance.policy.load import load_policy, parse_policy
from governance.policy.rules import KINDS, override_of, rules
from tests.fixtures.governance_policy import SMALL, poisoned
from warehouse.home import PROJECT

POLICY = parse_policy(SMALL)
RULES = {rule.id: rule for rule in rules(POLICY)}


def without_block(text: str, name: str) -> str:
    """Return a policy without one purpose."""
    return re.sub(rf"  {name}:\n(    .*\n)+", "", text)


def test_the_catalogue_of_the_small_policy():
    assert [rule.id for rule in rules(POLICY)] == [
        "minimisation.segmentation",
        "permission.segmentation",
        "retention.segmentation.value",
        "retention.segmentation.occurred_at",
        "retention.segmentation.basket_id",
        "special_values.segmentation",
        "completeness.segmentation",
        "reconciliation.marts.segmentation",
        "minimisation.offers",
        "permission.offers",
        "retention.offers.household_size",
        "retention.offers.category",
        "special_values.offers",
        "completeness.offers",
        "reconciliation.marts.offers",
        "minimisation.recipes",
        "permission.recipes",
        "retention.recipes.allergies",
        "completeness.recipes",
        "reconciliation.marts.recipes",
        "minimisation.bias_monitoring",
        "permission.bias_monitoring",
        "retention.bias_monitoring.age_years",
        "retention.bias_monitoring.income",
        "completeness.bias_monitoring",
        "reconciliation.marts.bias_monitoring",
        "size.segmentation",
        "segment_count.segmentation",
        "refit.segmentation",
        "release.aggregates",
        "drift.segmentation",
        "bias.segmentation.age_band",
        "bias.segmentation.income",
        "reconciliation.customers",
        "reconciliation.transactions",
        "reconciliation.consent_events",
        "reconciliation.rights_requests",
        "readable.consent_events",
        "readable.rights_requests",
        "rights.due",
        "rights.notices",
        "freshness.transactions",
        "custody.retention",
        "custody.purge",
        "custody.salt_backups",
        "custody.evidence",
        "custody.suppression",
        "minimisation.permission",
        "encryption.files",
        "exposure.recipients",
    ]


@pytest.mark.parametrize(
    ("rule_id", "purpose", "about", "limit", "text"),
    [
        ("retention.offers.category", "offers", "category", 201, "at most 201 days"),
        (
            "completeness.offers", "offers", "mart of offers", 0.98, "at least 0.98 non-null",
        ),
        ("size.segmentation", "segmentation", "every segment", 50, "at least 50 subjects"),
        ("segment_count.segmentation", "segmentation", "segments", [3, 8], "3 to 8"),
        ("refit.segmentation", "segmentation", "fitted model", 28, "at most 28 days old"),
        ("release.aggregates", "segmentation", "aggregates of segments", 5,
         "none, or at least 5 subjects"),
        (
            "drift.segmentation", "segmentation", "features", 0.25,
            "population stability index at most 0.25",
        ),
        (
            "bias.segmentation.age_band", "segmentation", "age_band",
            {
                "representation_ratio": [0.8, 1.25], "predictability": 0.65, "coverage": 0.2,
                "smallest_group": 31, "confidence": 0.95,
            },
            "representation 0.8 to 1.25; predictability at most 0.65",
        ),
        ("custody.retention", "custody", "every row", 900, "at most 900 days"),
        (
            "custody.suppression", "custody", "entries that stop the erased", 730,
            "at most 730 days",
        ),
        ("freshness.transactions", None, "feed transactions", 7, "at most 7 days"),
        (
            "minimisation.permission", "permission", "int_consent_* models", 0,
            "nothing but jurisdiction, age_years",
        ),
        (
            "reconciliation.consent_events", None, "feed consent_events", 0,
            "read = accepted + quarantined + duplicates + suppressed",
        ),
    ],
)  # fmt: skip
def test_limits_come_from_the_policy(rule_id, purpose, about, limit, text):
    rule = RULES[rule_id]
    assert (rule.purpose, rule.about, rule.limit, rule.limit_text) == (purpose, about, limit, text)
    assert rule.why


@pytest.mark.parametrize("file", ["policy.yaml", "examples/opt_out_policy.yaml"])
def test_ids_are_unique_and_of_the_documented_form(file):
    found = rules(load_policy(PROJECT / file))
    assert len({rule.id for rule in found}) == len(found)
    for rule in found:
        forms = [re.sub(r"<\w+>", r"\\w+", re.escape(f)) for f in KINDS[rule.kind].ids.split(", ")]
        assert any(re.fullmatch(form, rule.id) for form in forms), rule.id
        assert rule.id.split(".")[0] == rule.kind
    assert {rule.kind for rule in found} == set(KINDS)
    json.dumps([rule.limit for rule in found])


def test_contract_and_policy_failures_block_and_drift_and_late_answers_warn():
    assert {rule.kind for rule in RULES.values() if not rule.blocks} == {"drift", "rights"}


def test_what_the_law_forbids_cannot_be_overridden():
    overridable = {rule.kind for rule in RULES.values() if rule.overridable}
    assert overridable == {
        "completeness", "freshness", "size", "segment_count", "refit", "bias", "encryption",
    }  # fmt: skip


def test_a_sensitive_purpose_may_meet_special_values_and_others_may_not():
    assert "special_values.recipes" not in RULES
    assert "special_values.bias_monitoring" not in RULES  # it reads no transaction
    assert "special_values.segmentation" in RULES  # by its rows, although not by `category`


def test_no_special_values_no_rule():
    plain = SMALL.replace(
        "    special_values:\n      - {pattern: '*PHARM?_100%*', reveals: health}\n", ""
    )
    assert plain != SMALL
    assert not [rule for rule in rules(parse_policy(plain)) if rule.kind == "special_values"]


def test_bias_stands_even_if_nobody_may_judge_it():
    blind = without_block(SMALL, "bias_monitoring").partition("overrides:")[0]
    found = [rule for rule in rules(parse_policy(blind)) if rule.kind == "bias"]
    assert [rule.id for rule in found] == ["bias.segmentation"]
    assert found[0].about == "no attribute is allowed for bias_monitoring"


def test_without_segments_no_rules_about_them():
    text = without_block(SMALL, "segmentation").partition("overrides:")[0]
    text = poisoned("purposes: [segmentation]", "purposes: [recipes]", text)
    kinds = {rule.kind for rule in rules(parse_policy(text))}
    assert kinds & {"size", "segment_count", "refit", "drift", "bias"} == set()


def test_an_override_counts_through_its_last_day():
    rule = "bias.segmentation.age_band"
    found = override_of(POLICY, rule, date(2027, 1, 31))
    assert found is not None
    assert found.approved_by == "The officer"
    assert override_of(POLICY, rule, date(2027, 2, 1)) is None
    assert override_of(POLICY, "bias.segmentation.income", date(2027, 1, 31)) is None
