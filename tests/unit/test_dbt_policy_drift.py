"""Policy and dbt's YAML say the same, in both directions: classes, and the columns of marts."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from governance.policy.columns import allowed_columns, column_class
from governance.policy.load import load_policy, parse_policy
from governance.policy.model import Policy
from tests.support.dbt_nodes import layer, models
from warehouse.home import PROJECT

Manifest = dict[str, Any]
POLICY = PROJECT / "policy.yaml"

# Columns that are no attribute of the policy: keys, and the day of an instant.
KEYS = {"purpose_key": "pseudonym", "request_id": "pseudonym"}
DERIVED = {"event_day": "occurred_at"}


def classes(node: dict[str, Any]) -> dict[str, str | None]:
    """Return the class of each column of a model, as its YAML has it."""
    return {name: column["config"]["meta"].get("class") for name, column in node["columns"].items()}


def expected_class(policy: Policy, column: str) -> str:
    """Return the class of a column before the marts."""
    attribute = policy.attributes.get(DERIVED.get(column, column))
    if attribute is not None:
        return attribute.class_
    return "pseudonym" if column.endswith("_key") else KEYS.get(column, "other")


def staging_drift(manifest: Manifest, policy: Policy) -> list[str]:
    """Compare the staged columns with the attributes."""
    found, staged = [], set()
    for node in (n for n in models(manifest) if layer(n) == "staging"):
        for column, class_ in classes(node).items():
            staged.add(column)
            if class_ != expected_class(policy, column):
                found.append(f"{node['name']}.{column}: {class_}")
    for name, attribute in policy.attributes.items():
        if attribute.class_ == "direct_identifier" and name in staged:
            found.append(f"{name} is a direct identifier and is staged")
        if attribute.class_ != "direct_identifier" and name not in staged:
            found.append(f"{name} is an attribute and isn't staged")
    return found


def consented_drift(manifest: Manifest, policy: Policy) -> list[str]:
    """Compare the consented columns that keep an attribute's name with the attribute."""
    return [
        f"{node['name']}.{column}: {class_}"
        for node in models(manifest)
        if layer(node) == "consented"
        for column, class_ in classes(node).items()
        if (column in policy.attributes or column in DERIVED or column.endswith("_key"))
        and class_ != expected_class(policy, column)
    ]


def marts_of(manifest: Manifest, purpose: str) -> list[dict[str, Any]]:
    """Return the marts of a purpose, by their key."""
    return [
        node
        for node in models(manifest)
        if layer(node) == "marts" and f"{purpose}_key" in node["columns"]
    ]


def marts_drift(manifest: Manifest, policy: Policy) -> list[str]:
    """Compare the columns of the marts with those that the policy allows."""
    found = []
    for purpose in policy.purposes:
        allowed, seen = set(allowed_columns(policy, purpose)), set()
        for node in marts_of(manifest, purpose):
            for column, class_ in classes(node).items():
                seen.add(column)
                if column not in allowed:
                    expected = {"as_of": "other", f"{purpose}_key": "pseudonym"}.get(column)
                else:
                    expected = column_class(policy, purpose, column)
                if class_ != expected:
                    found.append(f"{node['name']}.{column}: {class_}, policy {expected}")
        missing = allowed - seen
        found += [f"{purpose}.{column} is allowed and in no mart" for column in sorted(missing)]
    for node in (n for n in models(manifest) if layer(n) == "marts"):
        if not any(f"{purpose}_key" in node["columns"] for purpose in policy.purposes):
            found.append(f"{node['name']} serves no purpose of the policy")
    return found


DRIFTS = (staging_drift, consented_drift, marts_drift)


@pytest.mark.parametrize("drift", DRIFTS)
def test_yaml_and_policy_agree(
    dbt_manifest: Manifest, drift: Callable[[Manifest, Policy], list[str]]
) -> None:
    assert drift(dbt_manifest, load_policy(POLICY)) == []


# What drifts in the YAML: the check that finds it, the model, the column, its new class or None.
IN_YAML = [
    (staging_drift, "stg_customers__customers", "age_years", "other"),
    (staging_drift, "stg_transactions__transactions", "event_day", "other"),
    (staging_drift, "stg_transactions__transactions", "load_id", "behaviour"),
    (staging_drift, "stg_landing__purpose_keys", "purpose_key", "other"),
    (staging_drift, "stg_customers__customers", "home_ownership", None),
    (consented_drift, "int_transactions_baskets", "basket_id", "other"),
    (consented_drift, "int_bias_monitoring_customers", "marital_status", "other"),
    (marts_drift, "mart_bias_monitoring", "age_band", "behaviour"),
    (marts_drift, "mart_segmentation", "segmentation_key", "other"),
    (marts_drift, "mart_segmentation", "as_of", "behaviour"),
    (marts_drift, "mart_segmentation", "visits", None),
]


@pytest.mark.parametrize(("drift", "name", "column", "class_"), IN_YAML)
def test_class_that_drifts_in_the_yaml_is_found(
    dbt_manifest: Manifest,
    drift: Callable[[Manifest, Policy], list[str]],
    name: str,
    column: str,
    class_: str | None,
) -> None:
    drifted = copy.deepcopy(dbt_manifest)
    meta = drifted["nodes"][f"model.assent.{name}"]["columns"][column]["config"]["meta"]
    meta["class"] = class_
    assert any(f"{name}.{column}" in line for line in drift(drifted, load_policy(POLICY)))


def test_column_that_leaves_the_yaml_is_found(dbt_manifest: Manifest) -> None:
    policy, drifted = load_policy(POLICY), copy.deepcopy(dbt_manifest)
    del drifted["nodes"]["model.assent.mart_churn_prevention"]["columns"]["tenure_days"]
    del drifted["nodes"]["model.assent.stg_transactions__transactions"]["columns"]["quantity"]
    assert marts_drift(drifted, policy) == [
        "churn_prevention.tenure_days is allowed and in no mart"
    ]
    assert staging_drift(drifted, policy) == ["quantity is an attribute and isn't staged"]


def test_column_that_the_policy_does_not_allow_is_found(dbt_manifest: Manifest) -> None:
    drifted = copy.deepcopy(dbt_manifest)
    columns = drifted["nodes"]["model.assent.mart_segmentation"]["columns"]
    columns["age_band"] = {"config": {"meta": {"class": "protected"}}}
    found = marts_drift(drifted, load_policy(POLICY))
    assert found == ["mart_segmentation.age_band: protected, policy None"]


# What drifts in the policy: the check that finds it, the text, what replaces it, what is said.
IN_POLICY = [
    (staging_drift, "kids_count: {class: protected", "kids_count: {class: quasi_identifier",
     "stg_customers__customers.kids_count"),
    (marts_drift, "kids_count: {class: protected", "kids_count: {class: quasi_identifier",
     "mart_bias_monitoring.children"),
    (marts_drift, "      recency_days: [occurred_at]\n      visits: [",
     "      days_since: [occurred_at]\n      visits: [", "segmentation.days_since"),
    (marts_drift, "      recency_days: [occurred_at]\n      visits: [",
     "      days_since: [occurred_at]\n      visits: [", "mart_segmentation.recency_days"),
    (staging_drift, "\nattributes:\n", "\nattributes:\n"
     "  loyalty_tier: {class: other, description: Tier}\n", "loyalty_tier is an attribute"),
]  # fmt: skip


@pytest.mark.parametrize(("drift", "old", "new", "said"), IN_POLICY)
def test_policy_that_drifts_is_found(
    dbt_manifest: Manifest,
    drift: Callable[[Manifest, Policy], list[str]],
    old: str,
    new: str,
    said: str,
) -> None:
    text = POLICY.read_text(encoding="utf-8")
    assert old in text
    found = drift(dbt_manifest, parse_policy(text.replace(old, new)))
    assert any(line.startswith(said) for line in found)
