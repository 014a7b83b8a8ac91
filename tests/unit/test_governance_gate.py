"""The column gate on the project itself, clean and poisoned."""

import copy
from typing import Any

import pytest

from governance.findings import Finding
from governance.gate import judge_columns, refuse
from governance.lineage.build import build
from governance.lineage.graph import Form, Lineage
from governance.lineage.landing import meaning
from governance.policy.load import load_policy
from governance.policy.model import Policy
from governance.policy.rules import rules
from tests.support.lineage import Manifest, edited
from warehouse.errors import PolicyGapError, RuleBrokenError
from warehouse.home import PROJECT

CUSTOMERS = '"warehouse"."staging"."stg_customers__customers"'
KEYS = '"warehouse"."staging"."stg_landing__purpose_keys"'
PERMITTED = '"warehouse"."consented"."int_consent_permitted"'
OF_SUBJECTS = (
    f"(select k.purpose_key, c.* from {CUSTOMERS} as c inner join {KEYS} as k"
    " on c.subject_key = k.subject_key)"
)
VISITS = "visits.visits_8w,"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(PROJECT / "policy.yaml")


@pytest.fixture(scope="module")
def shipped(dbt_manifest: Manifest) -> Manifest:
    return dbt_manifest


@pytest.fixture(scope="module")
def lineage(shipped: Manifest) -> Lineage:
    return build(shipped)


def changed(policy: Policy, **purposes: dict[str, Any]) -> Policy:
    """Return the policy with other blocks in some purposes."""
    data = policy.model_dump(by_alias=True, exclude_none=True)
    for purpose, blocks in purposes.items():
        data["purposes"][purpose] |= blocks
    return Policy.model_validate(data)


def judged(policy: Policy, project: Manifest) -> list[Finding]:
    return judge_columns(policy, build(project))


def looked_up(expression: str) -> str:
    """Return SQL that looks something up among the customers, by the key of the mart."""
    return f"(select {expression} from {OF_SUBJECTS} as c where purpose_key = segmentation_key)"


class TestTheProject:
    """The shipped dbt project under the shipped policy."""

    def test_holds(self, policy: Policy, lineage: Lineage) -> None:
        assert not [r.name for r in lineage.relations.values() if r.unread]
        assert judge_columns(policy, lineage) == []

    def test_lineage_knows_the_columns_of_every_contract(
        self, shipped: Manifest, lineage: Lineage
    ) -> None:
        nodes = [n for n in shipped["nodes"].values() if n["resource_type"] == "model"]
        assert nodes
        for node in nodes:
            assert set(lineage.relations[node["name"]].columns) == set(node["columns"])

    def test_no_origin_is_unknown(self, lineage: Lineage) -> None:
        for name, relation in lineage.relations.items():
            for column in relation.columns:
                kinds = {lineage.relations[o.relation].kind for o in lineage.origins(name, column)}
                assert kinds <= {"source"}

    @pytest.mark.parametrize(
        ("model", "changes", "column", "attribute"),
        [
            pytest.param("mart_segmentation", [
                (VISITS, f"{looked_up('max(age_years)')} as age_years, {VISITS}")],
                "age_years", "age_years", id="age in a column of its own"),
            pytest.param("mart_segmentation", [
                (VISITS, f"{looked_up('max(age_years)')} as visits_8w,")],
                "visits_8w", "age_years", id="age under another name"),
            pytest.param("mart_segmentation", [
                (VISITS, f"case when {looked_up('age_years')} > 40 then visits.visits_8w end"
                 " as visits_8w,")],
                "visits_8w", "age_years", id="age in a case"),
            pytest.param("int_segmentation_baskets", [
                ("rows.discount", "c.age_years as discount"),
                ("where\n", f"inner join {CUSTOMERS} as c on c.subject_key = rows.subject_key\n"
                 "where ")],
                "discount_share", "age_years", id="age far up"),
            pytest.param("int_segmentation_baskets", [
                ("where\n", f"inner join {CUSTOMERS} as c on c.subject_key = rows.subject_key"
                 " and c.age_years > 40\nwhere ")],
                "", "age_years", id="age in a join"),
            pytest.param("int_segmentation_baskets", [
                ("where\n", f"where rows.subject_key in (select subject_key from {CUSTOMERS}"
                 " where age_years > 40) and ")],
                "", "age_years", id="age in a filter"),
            pytest.param("mart_segmentation", [
                ("count(*)::integer as visits",
                 f"count(*) filter (where {looked_up('age_years')} > 40) as visits")],
                "visits", "age_years", id="age in a filtered count"),
            pytest.param("mart_segmentation", [
                (VISITS, f"{looked_up('max(email)')} as email, {VISITS}")],
                "email", "email", id="email"),
            pytest.param("mart_segmentation", [
                (VISITS, "(select max(email) from warehouse.landing.customers) as visits_8w,")],
                "visits_8w", "email", id="email under another name, past the staging"),
            pytest.param("mart_segmentation", [
                (VISITS, "(select max(m.age_band) from warehouse.marts.mart_bias_monitoring as m)"
                 " as visits_8w,")],
                "visits_8w", "age_years", id="age out of the mart of another purpose"),
            pytest.param("mart_segmentation", [
                (VISITS, f"(select max(consented_on) from {PERMITTED}) as visits_8w,")],
                "visits_8w", "landing.consent_events.occurred_at", id="what decided permission"),
            pytest.param("mart_segmentation", [(VISITS, "hash(segmentation_key) as visits_8w,")],
                "visits_8w", "purpose_key", id="a key under another name"),
            pytest.param("mart_segmentation", [
                (' - 0) as as_of', f" + {looked_up('age_years')}) as as_of")],
                "as_of", "age_years", id="age as the day"),
        ],
    )  # fmt: skip
    def test_poison_in_sql_is_named(
        self,
        policy: Policy,
        shipped: Manifest,
        model: str,
        changes: list[tuple[str, str]],
        column: str,
        attribute: str,
    ) -> None:
        found = judged(policy, edited(shipped, model, *changes))
        asset = model if not column else "mart_segmentation"
        named = [
            f for f in found if (f.asset, f.column, f.attributes) == (asset, column, (attribute,))
        ]
        assert named, found
        assert {f.rule for f in named} == {"minimisation.segmentation"}
        with pytest.raises(RuleBrokenError) as error:
            refuse(found)
        for word in ("minimisation.segmentation", attribute, asset, column, named[0].remedy):
            assert word in str(error.value)

    def test_an_unlisted_column_without_any_origin_is_found(
        self, policy: Policy, shipped: Manifest
    ) -> None:
        found = judged(
            policy, edited(shipped, "mart_segmentation", (VISITS, f"{VISITS} 1 as one,"))
        )
        assert [(f.kind, f.column) for f in found] == [("violation", "one")]

    def test_a_column_that_nobody_knows_is_a_gap(self, policy: Policy, shipped: Manifest) -> None:
        poison = f"{looked_up('max(shoe_size)')} as visits_8w,"
        found = judged(policy, edited(shipped, "mart_segmentation", (VISITS, poison)))
        assert [(f.kind, f.attributes) for f in found] == [("gap", ("shoe_size",))]
        with pytest.raises(PolicyGapError, match="shoe_size"):
            refuse(found)

    def test_permission_may_read_what_is_listed_only(
        self, policy: Policy, shipped: Manifest, lineage: Lineage
    ) -> None:
        poisoned = edited(
            shipped,
            "int_consent_subjects",
            ("placed.regime,", "case when placed.income_band = 'x' then 'y' end as regime,"),
            ("customers.age_years,", "customers.age_years, customers.income_band,"),
        )
        found = judged(policy, poisoned)
        assert [(f.rule, f.asset, f.attributes) for f in found] == [
            ("minimisation.permission", "int_consent_subjects", ("income_band",))
        ]
        data = policy.model_dump(by_alias=True, exclude_none=True)
        data["permission"] = {"attributes": ("age_years",)}
        found = judge_columns(Policy.model_validate(data), lineage)
        assert {f.attributes for f in found} == {("jurisdiction",)}

    def test_a_consent_model_is_no_way_around(self, policy: Policy, shipped: Manifest) -> None:
        poisoned = edited(
            shipped,
            "int_segmentation_baskets",
            ("where\n", "where rows.subject_key in (select subject_key from"
             ' "warehouse"."consented"."int_consent_subjects" where under_age) and '),
        )  # fmt: skip
        found = judged(policy, poisoned)
        assert ("int_segmentation_baskets", ("age_years",)) in {
            (f.asset, f.attributes) for f in found
        }

    def test_special_values_are_left_out_by_that_condition_only(
        self, policy: Policy, shipped: Manifest
    ) -> None:
        poisoned = edited(
            shipped,
            "int_transactions_baskets",
            ("from ordinary", "from ordinary where product_group = 'BABY FOODS'"),
        )
        found = judged(policy, poisoned)
        assert {(f.asset, f.column, f.attributes) for f in found} == {
            ("int_transactions_baskets", "", ("product_group",))
        }
        # A basket that is built for several purposes is held to each.
        assert {f.purpose for f in found} == {
            "segmentation", "personalised_offers", "churn_prevention",
        }  # fmt: skip

    def test_a_hook_is_held_to_the_rules(self, policy: Policy, shipped: Manifest) -> None:
        poisoned = copy.deepcopy(shipped)
        hooks = poisoned["nodes"]["model.assent.mart_segmentation"]["config"]["post-hook"]
        old = "select purpose_key from {{ ref('stg_customers__customers') }} where age_years > 40"
        hooks.append({"sql": "delete from {{ this }} where segmentation_key in (" + old + ")"})
        found = judged(policy, poisoned)
        assert {(f.asset, f.attributes) for f in found} == {("mart_segmentation", ("age_years",))}
        hooks[-1] = {"sql": "update {{ this }} set visits_8w = 1"}
        assert [(f.kind, f.asset) for f in judged(policy, poisoned)] == [
            ("gap", "mart_segmentation")
        ]

    def test_stale_visits_are_dropped_for_every_purpose(self, lineage: Lineage) -> None:
        """By their day alone: a purpose that may know less of a visit reads them all the same."""
        hooks = [u for u in lineage.uses("int_transactions_baskets") if u.clause == "hook"]
        read = {ref: Form.RAW for hook in hooks for ref in hook.refs}
        meant = {meaning(origin) for origin in lineage.forms_of(read)}
        assert {m for m in meant if isinstance(m, str)} == {"occurred_at"}

    def test_a_column_that_is_allowed_but_absent_is_found(
        self, policy: Policy, lineage: Lineage
    ) -> None:
        columns = policy.purposes["churn_prevention"].columns
        more = changed(policy, churn_prevention={"columns": {**columns, "visits": ("basket_id",)}})
        found = judge_columns(more, lineage)
        assert [(f.kind, f.rule, f.asset, f.column) for f in found] == [
            ("violation", "minimisation.churn_prevention", "mart_churn_prevention", "visits")
        ]

    def test_a_column_that_is_no_longer_allowed_is_found(
        self, policy: Policy, lineage: Lineage
    ) -> None:
        columns = {**policy.purposes["churn_prevention"].columns}
        del columns["tenure_days"]
        found = judge_columns(changed(policy, churn_prevention={"columns": columns}), lineage)
        assert [(f.rule, f.column) for f in found] == [
            ("minimisation.churn_prevention", "tenure_days")
        ]

    def test_a_mart_of_no_purpose_is_a_gap(self, policy: Policy, lineage: Lineage) -> None:
        data = policy.model_dump(by_alias=True, exclude_none=True)
        del data["purposes"]["bias_monitoring"]
        found = judge_columns(Policy.model_validate(data), lineage)
        assert [f.asset for f in found if f.kind == "gap"] == ["mart_bias_monitoring"]
        # Nobody has a key of it, by which rows of the models behind it would be found.
        assert {f.column for f in found if f.kind != "gap"} == {"bias_monitoring_key"}


class TestPythonAssets:
    """What Python reads is held to the same rules."""

    @pytest.mark.parametrize(
        ("read", "attributes"),
        [
            (("mart_segmentation", "visits_8w"), None),
            (("mart_segmentation_backtest", "following_value"), None),
            (("mart_segmentation", "segmentation_key"), None),
            (("mart_bias_monitoring", "age_band"), ("age_years",)),
            (("mart_churn_prevention", "visits_8w"), ("occurred_at",)),
            (("stg_customers__customers", "age_years"), ("age_years",)),
            (("int_segmentation_baskets", "value"), ("value",)),
            (("landing.customers", "age_years"), ("age_years",)),
            (("nowhere", "x"), ("nowhere.x",)),
        ],
    )
    def test_an_asset_reads_marts_of_its_purpose_only(
        self,
        policy: Policy,
        lineage: Lineage,
        read: tuple[str, str],
        attributes: tuple[str, ...] | None,
    ) -> None:
        reading = lineage.with_python("segments", {"segment": [read]}, purpose="segmentation")
        found = judge_columns(policy, reading)
        expected = [("segments", "segment", attributes)] if attributes else []
        assert [(f.asset, f.column, f.attributes) for f in found] == expected

    def test_an_asset_may_read_another_of_its_purpose(
        self, policy: Policy, lineage: Lineage
    ) -> None:
        first = lineage.with_python(
            "scores", {"score": [("mart_segmentation", "visits")]}, purpose="segmentation"
        )

        def reading(purpose: str) -> Lineage:
            return first.with_python("cards", {"c": [("scores", "score")]}, purpose=purpose)

        assert judge_columns(policy, reading("segmentation")) == []
        assert [f.asset for f in judge_columns(policy, reading("churn_prevention"))] == ["cards"]


def test_every_finding_names_a_rule_that_status_lists(policy: Policy) -> None:
    known = {rule.id for rule in rules(policy)}
    assert {f"minimisation.{purpose}" for purpose in (*policy.purposes, "permission")} <= known
