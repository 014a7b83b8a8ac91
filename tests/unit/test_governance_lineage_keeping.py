"""What keeps rows of earlier builds, in small projects and in the project's own manifest."""

import copy

import pytest

from governance.lineage.build import build
from governance.lineage.graph import Ref
from governance.lineage.keeping import BASKETS, CARRIES, KEEPS, built_whole
from tests.support.lineage import manifest

SOURCE = {"landing.t": ("x",)}


def test_only_the_table_of_baskets_may_read_itself() -> None:
    """Of what others carry on from earlier builds nobody knows how old it is."""
    body = "select x from landing.t union all select x from m."
    for name, why in ((BASKETS, ()), ("m1", (CARRIES,)), ("mart_m", (CARRIES,))):
        first = manifest({name: f"{body}{name}"})
        first["nodes"][f"model.assent.{name}"]["columns"] = {"x": {}}
        assert build(first, SOURCE).relations[name].unread == why
        if not why:
            assert build(first, SOURCE).origins(name, "x") == {Ref("landing.t", "x")}


def test_models_that_read_one_another_are_unread() -> None:
    found = build(manifest({"m1": "select x from m.m2", "mart_m": "select x from m.m1",
                            "m2": "select x from landing.t union all select x from m.mart_m"}),
                  SOURCE)  # fmt: skip
    assert CARRIES in {why for r in found.relations.values() for why in r.unread}


BY_DAY = {"materialized": "incremental"}
MACROS = {
    "drop": "{% macro drop() %}delete from {{ this }}{% endmacro %}",
    "outer": "{% macro outer(x) %}{{ drop() }}{{ x }}{% endmacro %}",
    "harmless": "{% macro harmless() %}1{% endmacro %}",
}


@pytest.mark.parametrize(
    ("name", "raw", "configured", "why"),
    [
        (BASKETS, "{{ this }}", BY_DAY, ""),
        ("int_x", "", BY_DAY, KEEPS),
        ("stg_x", "", BY_DAY, KEEPS),
        ("int_x", "", {"materialized": "table"}, ""),
        ("mart_x", "", BY_DAY, ""),
        ("mart_x", "", BY_DAY | {"incremental_strategy": "append"}, ""),
        ("mart_x", "", BY_DAY | {"incremental_strategy": "delete+insert"}, ""),
        ("mart_x", "", BY_DAY | {"incremental_strategy": "merge"}, "incremental by 'merge'"),
        ("mart_x", "", BY_DAY | {"incremental_strategy": "own"}, "incremental by 'own'"),
        ("mart_x", "{% if is_incremental() %}union all select x from {{ this }}{% endif %}", {},
         CARRIES),
        ("int_x", "union all select x from {{ this }}", {}, CARRIES),
        ("int_x", "union all {{ drop() }}", {}, CARRIES),
        ("int_x", "union all {{ assent.outer(1) }}", {}, CARRIES),
        ("mart_x", "{{ config(pre_hook=\"{{ drop() }}\") }} {{ harmless() }}", {}, ""),
    ],
)  # fmt: skip
def test_what_keeps_rows_of_earlier_builds_is_unread(name, raw, configured, why) -> None:
    project = manifest({name: "select x from landing.t"}, macros=MACROS, raw={name: raw})
    project["nodes"][f"model.assent.{name}"]["config"] |= configured
    found = build(project, SOURCE).relations[name].unread
    assert [why in said for said in found if "earlier" in said or "incremental" in said] == (
        [True] if why else []
    )


def test_marts_that_are_incremental_and_what_is_made_from_them_have_older_rows(dbt_manifest):
    found = built_whole(dbt_manifest)
    assert {"int_segmentation_samples", "mart_segmentation_backtest"} <= found
    assert "mart_segmentation" not in found

    changed = copy.deepcopy(dbt_manifest)
    backtest = changed["nodes"]["model.assent.mart_segmentation_backtest"]
    backtest["depends_on"]["nodes"].append("model.assent.mart_segmentation")
    assert found - built_whole(changed) == {"mart_segmentation_backtest"}
