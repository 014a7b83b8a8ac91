"""What `assent lineage COLUMN` shows."""

import json

import pytest

from governance.lineage.build import build
from governance.lineage.graph import Lineage, Ref
from governance.lineage.render import class_of, columns_named, describe
from governance.policy.load import load_policy
from governance.policy.model import Policy
from tests.support.lineage import manifest
from warehouse.errors import UsageError
from warehouse.home import PROJECT

MODELS = {
    "stg_c": "select subject_key, age_years, recorded_on, email from landing.customers",
    "stg_t": "select subject_key, event_day, value from landing.transactions",
    "int_c": "select subject_key, case when age_years < 35 then 'a' end as age_band from m.stg_c",
    "mart_segmentation": (
        "select subject_key, count(*) as visits, sum(value) as value_total from m.stg_t"
        " where event_day > date '2020-01-01' group by all"
    ),
    "mart_bias_monitoring": "select age_band, recorded_on from m.int_c, m.stg_c",
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(PROJECT / "policy.yaml")


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    return build(manifest(MODELS))


def test_up_and_down_with_classes(lineage: Lineage, policy: Policy) -> None:
    assert str(describe(lineage, policy, "int_c.age_band")) == "\n".join(
        [
            "int_c.age_band (protected)",
            "  made from",
            "    stg_c.age_years (protected)",
            "      landing.customers.age_years (attribute age_years, protected)",
            "  goes into",
            "    mart_bias_monitoring.age_band (protected)",
        ]
    )


def test_a_sum_says_so_and_a_filter_is_told(lineage: Lineage, policy: Policy) -> None:
    text = str(describe(lineage, policy, "value_total"))
    assert "stg_t.value (behaviour, aggregated)" in text
    assert "  goes into\n    nothing else" in text
    day = str(describe(lineage, policy, "stg_t.event_day"))
    assert "chooses, joins or groups rows of\n    mart_segmentation" in day
    assert "attribute occurred_at" in day


def test_a_count_is_made_from_rows(lineage: Lineage, policy: Policy) -> None:
    assert "made from\n    the number of rows" in str(describe(lineage, policy, "visits"))


def test_the_same_as_data(lineage: Lineage, policy: Policy) -> None:
    data = json.loads(json.dumps(describe(lineage, policy, "int_c.age_band").as_dict()))
    (column,) = data["columns"]
    assert column["class"] == "protected"
    assert column["made_from"][0]["steps"][0]["attribute"] == "age_years"
    assert column["goes_into"][0]["column"] == "mart_bias_monitoring.age_band"


def test_a_name_alone_means_the_first_of_a_chain(lineage: Lineage) -> None:
    assert columns_named(lineage, "age_years") == [Ref("landing.customers", "age_years")]
    assert columns_named(lineage, "AGE_BAND ") == [Ref("int_c", "age_band")]
    several = columns_named(lineage, "subject_key")
    assert {ref.relation.split(".")[0] for ref in several} == {"landing"}
    assert len(several) > 1


def test_a_landing_table_may_be_named_without_its_schema(lineage: Lineage) -> None:
    assert columns_named(lineage, "customers.age_years") == [Ref("landing.customers", "age_years")]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("value_totl", "value_total"),
        ("int_c.age_bnd", "int_c.age_band"),
        ("mart_segmentatoin.visits", "mart_segmentation.visits"),
        ("qqqqq", "model.column"),
        ("", "model.column"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(lineage: Lineage, name: str, near: str) -> None:
    with pytest.raises(UsageError) as error:
        columns_named(lineage, name)
    assert near in error.value.mend


@pytest.mark.parametrize(
    ("relation", "column", "expected"),
    [
        ("landing.customers", "age_years", "protected"),
        ("landing.customers", "subject_key", "pseudonym"),
        ("landing.customers", "recorded_on", "other"),
        ("stg_c", "email", "direct_identifier"),
        ("stg_t", "event_day", "behaviour"),
        # By its origins, and by what the policy says it is made from.
        ("mart_segmentation", "visits", "pseudonym"),
        ("mart_segmentation", "value_total", "behaviour"),
        ("elsewhere", "x", "not in the policy"),
    ],
)
def test_class(lineage: Lineage, policy: Policy, relation: str, column: str, expected: str) -> None:
    assert class_of(policy, lineage, Ref(relation, column)) == expected


def test_what_is_made_from_a_marts_column_has_its_class(lineage: Lineage, policy: Policy) -> None:
    """Though the mart's own is made from nothing but the number of rows."""
    mart = Ref("mart_segmentation", "visits")
    published = lineage.with_python(
        "release.published", {"visits": [mart], "more": [mart]}, purpose="segmentation"
    )
    for column in "visits", "more":
        assert class_of(policy, published, Ref("release.published", column)) == "pseudonym"


def test_a_poisoned_mart_shows_the_class_of_what_is_in_it(policy: Policy) -> None:
    poisoned = build(
        manifest(MODELS | {"mart_segmentation": "select max(age_years) as visits from m.stg_c"})
    )
    assert class_of(policy, poisoned, Ref("mart_segmentation", "visits")) == "protected"


def test_a_column_met_twice_is_opened_once(policy: Policy) -> None:
    twice = build(manifest(MODELS | {
        "one": "select value as v from m.stg_t", "two": "select value as w from m.stg_t",
        "both": "select v, w, v + w as s from m.one, m.two",
    }))  # fmt: skip
    text = str(describe(twice, policy, "both.s"))
    assert text.count("landing.transactions.value") == 1
    assert "stg_t.value (behaviour) ..." in text
