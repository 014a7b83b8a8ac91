"""The column gate on small projects, on features, and what it says."""

import json

import pytest

from governance.findings import Finding
from governance.gate import judge_features, refuse
from governance.policy.load import load_policy
from governance.policy.model import Policy
from tests.support.gate import SMALL, judged, small_policy
from tests.support.lineage import edited, manifest
from warehouse.errors import PolicyGapError, RuleBrokenError, UsageError
from warehouse.home import PROJECT


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(PROJECT / "policy.yaml")


@pytest.fixture(scope="module")
def small() -> Policy:
    return small_policy()


@pytest.mark.parametrize(
    ("visits", "fault"),
    [
        ("count(distinct t.basket_id)", None),
        ("count(distinct t.subject_key)", None),
        ("max(t.basket_id)", "as it is"),  # one pseudonym out of many is one
        ("list(t.basket_id)", "as it is"),
        ("any_value(t.basket_id)", "as it is"),
        ("count(t.basket_id) + any_value(t.event_day)", "may not use for this column"),
        ("max(t.row_key)", "carries the key"),
    ],
)
def test_form(small: Policy, visits: str, fault: str | None) -> None:
    project = manifest(SMALL)
    sql = (" as recency_days", f" as recency_days, {visits} as visits")
    found = judged(small, edited(project, "mart_segmentation", sql))
    assert [fault in f.what for f in found if fault] == [True] * len(found)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("subject_key", False),
        ("subject_key as who_key", True),
        ("subject_key::varchar as subject", True),
        ("md5(subject_key::varchar) as hashed", True),
        ("(select list(subject_key) from m.stg_t) as others", True),
        ("(select min(subject_key) from m.stg_t) as subject_key", True),
        ("(select count(distinct subject_key) from m.stg_t) as subjects", False),
        ("subject_key as segmentation_key", True),
        ("(select any_value(purpose_key) from m.stg_k) as nobodys_key", True),
        ("basket_id", False),
    ],
)
def test_the_key_of_a_subject_is_called_so_in_every_model(
    small: Policy, column: str, found: bool
) -> None:
    """Or nobody could find the rows of one who is erased."""
    project = manifest(SMALL | {"int_extra": f"select {column} from m.stg_t"})
    told = [f for f in judged(small, project) if "under another name" in f.what]
    assert [f.asset for f in told] == ["int_extra"] * found


def test_raw_where_aggregated_is_asked_for(small: Policy) -> None:
    project = manifest(
        SMALL | {"mart_segmentation_x": "select basket_id as visits from m.int_rows"}
    )
    found = judged(small, edited(project, "mart_segmentation", ("max(t.event_day)", "t.event_day")))
    assert {(f.asset, f.column, f.kind) for f in found} == {
        ("mart_segmentation", "recency_days", "violation"),
        ("mart_segmentation_x", "visits", "violation"),
    }


def test_what_cannot_be_read_is_a_gap_of_every_purpose_that_reads_it(small: Policy) -> None:
    project = manifest(SMALL | {"stg_t": "select * from read_parquet('f.parquet')"})
    found = [f for f in judged(small, project) if f.column != "visits"]
    assert {f.kind for f in found} == {"gap"}
    assert ("stg_t", "") in {(f.asset, f.column) for f in found}
    assert ("mart_segmentation", "recency_days") in {(f.asset, f.column) for f in found}


def test_a_column_named_by_its_place_is_a_gap(small: Policy) -> None:
    """DuckDB's ``#1`` names no column, so it could be any."""
    project = manifest(SMALL)
    found = judged(small, edited(project, "mart_segmentation", ("max(t.event_day)", "max(#2)")))
    assert {(f.kind, f.asset) for f in found} == {("gap", "mart_segmentation")}
    assert "by their place (#1)" in found[0].what


@pytest.mark.parametrize("name", ["mart_segmentation", "stg_t", "stg_stray"])
def test_a_python_model_is_a_gap_wherever_it_is(small: Policy, name: str) -> None:
    """Even one that no mart reads: it runs where every table can be reached."""
    project = manifest(SMALL | {"stg_stray": "select 1 as x"})
    project["nodes"][f"model.assent.{name}"]["language"] = "python"
    found = [f for f in judged(small, project) if f.asset == name and not f.column]
    assert [(f.kind, f.rule) for f in found] == [("gap", "minimisation.segmentation")]
    assert "can't be judged: it is a Python model" in found[0].what


def test_what_cannot_be_read_is_a_gap_even_if_no_mart_reads_it(small: Policy) -> None:
    hooks = {"stg_stray": ["update m.mart_segmentation set recency_days = 1"]}
    project = manifest(SMALL | {"stg_stray": "select 1 as x"}, hooks=hooks)
    found = [f for f in judged(small, project) if f.column != "visits"]
    assert [(f.kind, f.asset) for f in found] == [("gap", "stg_stray")]


def test_what_dbt_runs_beside_the_models_is_judged(small: Policy) -> None:
    project = manifest(SMALL)
    project["nodes"]["operation.assent.on-run-end-0"] = {
        "name": "on-run-end-0", "resource_type": "operation", "package_name": "assent",
        "raw_code": "update x set visits = (select age_years from landing.customers)",
    }  # fmt: skip
    found = [f for f in judged(small, project) if f.asset == "on-run-end-0"]
    assert {(f.kind, f.attributes) for f in found} == {("gap", ()), ("violation", ("age_years",))}


def test_rows_from_nowhere_are_a_gap(small: Policy) -> None:
    project = manifest(SMALL)
    visits = (" as recency_days", " as recency_days, (select count(*) from x.y) as visits")
    found = judged(small, edited(project, "mart_segmentation", visits))
    assert {(f.kind, f.attributes) for f in found} == {("gap", ("x.y.*",))}


def test_an_attribute_that_nothing_read_has_is_said_to_be_missing_there(small: Policy) -> None:
    """The policy knows it, so that describing it there would mend nothing."""
    models = SMALL | {
        "stg_t": "select subject_key, event_day from landing.transactions",
        "int_t": "select t.*, t.basket_id from m.stg_t as t where t.basket_id <> ''",
        "int_rows": SMALL["int_rows"].replace("m.stg_t", "m.int_t"),
        "mart_segmentation": SMALL["mart_segmentation"].replace(
            " as recency_days", " as recency_days, count(distinct t.basket_id) as visits"
        ),
    }
    found = {(f.kind, f.place, f.what) for f in judged(small, manifest(models))}
    assert found == {
        ("gap", "mart_segmentation.visits", "is made from basket_id (pseudonym), but nothing that "
         "int_t reads has such a column"),
        ("gap", "int_t", "chooses, joins or groups rows by basket_id (pseudonym) (where), but "
         "nothing that it is read from has such a column"),
    }  # fmt: skip
    assert {f.remedy for f in judged(small, manifest(models))} == {
        "take it from a relation that has it; `assent lineage basket_id` shows which do"
    }


class TestFeatures:
    """What a model in Python is fed is held to the same rules."""

    @pytest.mark.parametrize("name", ["age", "age_years", "email", "product_group", "customer_id"])
    def test_a_feature_that_is_no_allowed_column_is_refused(
        self, policy: Policy, name: str
    ) -> None:
        found = judge_features(policy, "segmentation", ["visits", name])
        assert [(f.kind, f.rule, f.column) for f in found] == [
            ("violation", "minimisation.segmentation", name)
        ]
        with pytest.raises(RuleBrokenError, match=f"minimisation.segmentation.*{name}"):
            refuse(found)

    def test_allowed_columns_pass(self, policy: Policy) -> None:
        assert judge_features(policy, "segmentation", ["visits", "category_mix"]) == []
        made_from = {"mix:GROCERY": ["category_mix"], "per_visit": ["value_total", "visits"]}
        assert judge_features(policy, "segmentation", made_from) == []

    def test_a_feature_is_held_to_what_it_is_made_from(self, policy: Policy) -> None:
        found = judge_features(policy, "segmentation", {"visits": ["visits", "age_band"]})
        assert [(f.column, f.attributes) for f in found] == [("visits", ("age_band",))]

    def test_a_purpose_that_is_not_there_is_a_mistake(self, policy: Policy) -> None:
        with pytest.raises(UsageError):
            judge_features(policy, "advertising", ["visits"])


def test_findings_are_data(policy: Policy) -> None:
    (found,) = judge_features(policy, "segmentation", ["email"])
    assert json.loads(json.dumps(vars(found)))["attributes"] == ["email"]
    assert found.purpose == "segmentation"


def test_violations_come_before_gaps(policy: Policy) -> None:
    gap = Finding("gap", "minimisation.a", "x", "m", (), "is unknown", "mend")
    violation = Finding("violation", "minimisation.b", "y", "m", (), "is forbidden", "mend")
    with pytest.raises(RuleBrokenError) as error:
        refuse([gap, violation])
    assert not isinstance(error.value, PolicyGapError)
    text = str(error.value)
    assert text.index("is forbidden") < text.index("is unknown")
    assert "1 violation and 1 gap" in text
    refuse([])


def test_what_breaks_the_rule_of_several_purposes_is_told_once() -> None:
    found = [Finding("gap", f"minimisation.{p}", "", "m", (), "is unread", "mend") for p in "ab"]
    with pytest.raises(PolicyGapError) as error:
        refuse(found)
    assert str(error.value).count("is unread") == 1
    assert "1 gap\n  minimisation.a, minimisation.b (gap): m is unread" in str(error.value)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        # Tables in brackets of which the first is a query: the others count, too.
        (
            "select b.*, c.age_years as visits from ((select as_of,"
            " segmentation_key, recency_days from m.mart) as b cross join m.stg_c as c)",
            "is made from age_years (protected)",
        ),
        (
            "select * exclude (age_years) from (select b.*, c.age_years from m.mart as b"
            " cross join m.stg_c as c order by all limit 9)",
            "rows by age_years (protected) (order)",
        ),
        ("select x.* from m.mart as b", "no columns that can be told"),
        ("select * exclude (visits), left_behind(visits) as visits from m.mart", "left_behind()"),
    ],
)
def test_ways_around(small: Policy, sql: str, said: str) -> None:
    inner = SMALL["mart_segmentation"].replace(
        " as recency_days", " as recency_days, count(distinct t.basket_id) as visits"
    )
    models = {
        **SMALL, "mart": inner,
        "stg_c": "select * from landing.customers", "mart_segmentation": "select * from m.mart",
    }  # fmt: skip
    assert judged(small, manifest(models)) == []
    assert said in " ".join(
        f.what for f in judged(small, manifest(models | {"mart_segmentation": sql}))
    )


def test_a_mart_under_another_name_is_a_gap(small: Policy) -> None:
    project = manifest(SMALL | {"stg_c": "select * from landing.customers"})
    project["nodes"]["model.assent.stg_c"]["alias"] = "mart_segmentation_backtest"
    found = [f for f in judged(small, project) if f.asset == "stg_c"]
    assert [f.kind for f in found] == ["gap"]
    assert "its table has another name" in found[0].what


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("materialization_table_duckdb", "{% materialization table %}{% endmaterialization %}"),
        ("duckdb__create_table_as", "create table x as select age_years"),
        ("create_table_as", "create table x as select age_years"),
        ("test_harmless", "{% do run_query('update m.mart set visits = 1') %} select 1"),
        ("helper", "{% do context['run_query']('update m.mart set visits = 1') %}"),
    ],
)
def test_a_macro_that_writes_what_nobody_reads_is_a_gap(
    small: Policy, name: str, text: str
) -> None:
    project = manifest(SMALL, macros={name: text})
    project["macros"]["macro.dbt.create_table_as"] = {
        "name": "create_table_as", "package_name": "dbt", "macro_sql": "",
    }  # fmt: skip
    found = [f for f in judged(small, project) if f.asset == f"dbt/{name}"]
    assert [(f.kind, f.rule) for f in found] == [("gap", "minimisation.segmentation")]


@pytest.mark.parametrize("kind", ["snapshot", "seed", "function"])
def test_what_else_dbt_builds_is_a_gap(small: Policy, kind: str) -> None:
    project = manifest(SMALL)
    project["nodes"][f"{kind}.assent.x"] = {"name": "x", "resource_type": kind}
    assert [f.kind for f in judged(small, project) if f.asset == "dbt/x"] == ["gap"]


def test_a_data_test_that_runs_statements_is_a_gap(small: Policy) -> None:
    project = manifest(SMALL)
    project["nodes"]["test.assent.t"] = {
        "name": "t", "resource_type": "test", "raw_code": "{% call statement('x') %}{% endcall %}",
    }  # fmt: skip
    assert [f.kind for f in judged(small, project) if f.asset == "dbt/t"] == ["gap"]
