"""The rules of the dbt project, each on the project's manifest and on a poisoned copy of it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import dbt_nodes as nodes
from tests.support import dbt_rules as rules

Manifest = dict[str, Any]
Poison = Callable[[Manifest], object]


def model(manifest: Manifest, name: str) -> dict[str, Any]:
    return manifest["nodes"][f"model.assent.{name}"]


def depend(manifest: Manifest, name: str, *others: str) -> None:
    for other in others:
        kind = "source.assent.landing" if f"source.assent.landing.{other}" in manifest["sources"] \
            else "model.assent"  # fmt: skip
        model(manifest, name)["depends_on"]["nodes"].append(f"{kind}.{other}")


def replace(manifest: Manifest, name: str, old: str, new: str) -> None:
    node = model(manifest, name)
    assert old in node["raw_code"]
    node["raw_code"] = node["raw_code"].replace(old, new)


def drop_tests(manifest: Manifest, name: str, *kinds: str) -> None:
    for node in nodes.tests_of(manifest, model(manifest, name)):
        if not kinds or node["test_metadata"]["name"] in kinds:
            del manifest["nodes"][node["unique_id"]]


def a_test(manifest: Manifest) -> dict[str, Any]:
    return next(n for n in manifest["nodes"].values() if n["resource_type"] == "test")


def python_model(manifest: Manifest) -> None:
    model(manifest, "mart_segmentation")["language"] = "python"


def macro(manifest: Manifest, text: str) -> None:
    manifest["macros"]["macro.assent.trend"]["macro_sql"] += text


SEGMENTS = "mart_segmentation"
BASKETS = "int_segmentation_baskets"

# Rule -> name of the poison -> the poison.
POISONS: dict[rules.Rule, dict[str, Poison]] = {
    rules.sources_only_in_staging: {
        "a mart on a source": lambda m: depend(m, SEGMENTS, "transactions"),
        "a consented model on a source": lambda m: depend(m, BASKETS, "transactions"),
        "two sources in staging": lambda m: depend(m, "stg_customers__customers", "clocks"),
    },
    rules.every_source_staged_once: {
        "staged twice": lambda m: depend(m, "stg_customers__customers", "clocks"),
        "never staged": lambda m: model(m, "stg_landing__clocks")["depends_on"]["nodes"].clear(),
    },
    rules.staging_is_one_to_one: {
        "a join": lambda m: replace(
            m, "stg_customers__customers", "select * from renamed",
            "select * from renamed cross join renamed",
        ),
        "a filter": lambda m: replace(
            m, "stg_customers__customers", "from source", "from source where age_years > 18"
        ),
        "another shape": lambda m: replace(m, "stg_customers__customers", "renamed", "other"),
        "another model": lambda m: replace(
            m, "stg_customers__customers", "source('landing', 'customers')", "ref('x')"
        ),
    },
    rules.layers_in_order: {
        "a mart on staging": lambda m: depend(m, SEGMENTS, "stg_transactions__transactions"),
        "a consented model on a mart": lambda m: depend(m, BASKETS, SEGMENTS),
    },
    rules.crosswalk_read_by_permission_alone: {
        "a mart reads it": lambda m: depend(m, SEGMENTS, "stg_landing__purpose_keys"),
        "a staging model reads it": lambda m: depend(m, "stg_landing__clocks", "purpose_keys"),
    },
    rules.permission_attributes_stay: {
        "a jurisdiction among features": lambda m: replace(
            m, BASKETS, "'value'", "'value', 'jurisdiction'"
        ),
        "an age for offers": lambda m: replace(
            m, "int_personalised_offers_customers", "'household_size'", "'age_years'"
        ),
        "a regime for offers": lambda m: depend(m, BASKETS, "int_consent_subjects"),
    },
    rules.permission_leaves_as_a_yes_or_no: {
        "a regime in a mart": lambda m: model(m, SEGMENTS)["columns"].update(regime={}),
        "an age with permission": lambda m: model(m, "int_consent_permitted")["columns"].update(
            age_years={}
        ),
    },
    rules.primary_keys_tested: {
        "a mart without": lambda m: drop_tests(m, SEGMENTS, "unique_combination"),
        "an exception without its reason": lambda m: model(m, BASKETS)["config"]["meta"].clear(),
        "a reason where none is needed": lambda m: model(m, SEGMENTS)["config"]["meta"].update(
            primary_key="tested in another model, to save time in each run"
        ),
    },
    rules.every_model_tested: {"one without": lambda m: drop_tests(m, BASKETS)},
    rules.everything_described: {
        "a model": lambda m: model(m, SEGMENTS).update(description=""),
        "a column": lambda m: model(m, SEGMENTS)["columns"]["visits"].update(description=""),
        "all columns": lambda m: model(m, SEGMENTS)["columns"].clear(),
        "a source": lambda m: m["sources"]["source.assent.landing.clocks"].update(description=""),
        "a unit test": lambda m: next(iter(m["unit_tests"].values())).update(description=""),
    },
    rules.staged_columns_documented: {
        "a column of the SQL alone": lambda m: replace(
            m, "stg_landing__clocks", "fit,", "fit, oldest_day,"
        ),
        "a column of the YAML alone": lambda m: model(m, "stg_landing__clocks")["columns"].update(
            oldest_day={}
        ),
    },
    rules.names_by_layer: {
        "another prefix": lambda m: model(m, SEGMENTS).update(name="dim_segmentation"),
        "staging without its entity": lambda m: model(m, "stg_landing__clocks").update(
            name="stg_clocks"
        ),
    },
    rules.names_are_unique_files: {
        "an alias": lambda m: model(m, SEGMENTS).update(alias="segments"),
        "another schema": lambda m: model(m, SEGMENTS).update(schema="main"),
    },
    rules.contracts_enforced: {
        "none": lambda m: model(m, SEGMENTS)["config"]["contract"].update(enforced=False),
        "a column without a type": lambda m: model(m, BASKETS)["columns"]["value"].update(
            data_type=None
        ),
    },
    rules.marts_alone_are_public: {
        "a public step": lambda m: model(m, BASKETS).update(access="public"),
        "a private mart": lambda m: model(m, SEGMENTS).update(access="private"),
    },
    rules.exposures_on_marts: {
        "on a step": lambda m: m["exposures"]["exposure.assent.bias_check"]["depends_on"][
            "nodes"
        ].append(f"model.assent.{BASKETS}"),
        "on a view": lambda m: model(m, SEGMENTS)["config"].update(materialized="view"),
        "without an owner": lambda m: m["exposures"]["exposure.assent.bias_check"].update(owner={}),
    },
    rules.marts_exposed: {
        "a mart that nobody reads": lambda m: m["exposures"].pop("exposure.assent.churn_watch"),
    },
    rules.few_parents: {
        "seven": lambda m: depend(
            m, "stg_landing__clocks", "stg_customers__customers", "stg_landing__quarantines",
            "stg_landing__purpose_keys", "stg_landing__changed_days", BASKETS, SEGMENTS,
        ),
    },
    rules.short_chains_of_views: {
        "everything a view": lambda m: [
            n["config"].update(materialized="view") for n in nodes.models(m)
        ],
    },
    rules.sql_alone: {
        "a Python model": python_model,
        "a seed": lambda m: model(m, SEGMENTS).update(resource_type="seed"),
    },
    rules.nothing_from_outside: {
        "a key, in a comment": lambda m: replace(
            m, "stg_landing__clocks", "with source", "-- {{ env_var('A') }}\nwith source"
        ),
        "a file": lambda m: replace(
            m, "stg_landing__clocks", "from source", "from read_text('x')"
        ),
        "an attachment": lambda m: macro(m, "{% do run_query(\"ATTACH 'vault.duckdb'\") %}"),
        "a copy": lambda m: macro(m, "copy t to 'x.csv'"),
    },
    rules.tests_block: {
        "one that warns": lambda m: a_test(m)["config"].update(severity="warn"),
    },
    rules.rows_joined_to_permission: {
        "baskets of everybody": lambda m: depend(m, SEGMENTS, "int_transactions_special_values"),
    },
    rules.one_purpose_per_mart: {
        "another purpose's rows": lambda m: depend(m, SEGMENTS, "int_churn_prevention_baskets"),
        "another purpose's key": lambda m: model(m, SEGMENTS)["columns"].update(
            churn_prevention_key={}
        ),
    },
}  # fmt: skip
CASES = [
    pytest.param(rule, poison, id=f"{rule.__name__}: {name}")
    for rule, poisons in POISONS.items()
    for name, poison in poisons.items()
]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_project_keeps_the_rule(dbt_manifest: Manifest, rule: rules.Rule) -> None:
    assert rule(dbt_manifest) == []


@pytest.mark.parametrize(("rule", "poison"), CASES)
def test_rule_finds_the_poison(dbt_manifest: Manifest, rule: rules.Rule, poison: Poison) -> None:
    poisoned = copy.deepcopy(dbt_manifest)
    poison(poisoned)
    assert rule(poisoned) != []


def test_every_rule_has_a_poison() -> None:
    assert set(POISONS) == set(rules.RULES)


def test_exceptions_from_the_key_test_are_in_use(dbt_manifest: Manifest) -> None:
    named = {
        node["name"]
        for node in nodes.models(dbt_manifest)
        if "primary_key" in node["config"]["meta"]
    }
    assert named == rules.WITHOUT_KEY_TEST
