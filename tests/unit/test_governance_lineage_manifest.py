"""What lineage reads of dbt's manifest, on the project's own and on changed copies of it."""

import copy
from typing import Any

import pytest

from governance.lineage.keeping import built_whole

Manifest = dict[str, Any]


def model(manifest: Manifest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest["nodes"][f"model.assent.{name}"]
    return found


def test_of_ours_only_what_is_incremental_keeps_rows_of_older_builds(dbt_manifest):
    found = built_whole(dbt_manifest)
    assert {"int_segmentation_samples", "mart_segmentation_backtest"} <= found
    assert not {"mart_segmentation", "int_transactions_baskets"} & found


@pytest.mark.parametrize("keeps", ["{{ this }}", "{% if x %}{{ adapter.y(this) }}{% endif %}", ""])
def test_what_is_made_from_what_keeps_older_rows_may_have_them(dbt_manifest, keeps):
    changed = copy.deepcopy(dbt_manifest)
    kept = model(changed, "int_segmentation_samples")
    if keeps:
        kept["raw_code"] += f" union all select * from {keeps}"
    else:
        kept["config"]["materialized"] = "incremental"
    gone = built_whole(dbt_manifest) - built_whole(changed)
    assert {"int_segmentation_samples", "mart_segmentation_backtest"} <= gone
    assert "int_segmentation_baskets" not in gone


def test_rows_with_a_day_of_their_own_are_judged_by_it(dbt_manifest):
    changed = copy.deepcopy(dbt_manifest)
    for name in ("int_transactions_baskets", "int_segmentation_baskets"):
        del model(changed, name)["columns"]["event_day"]
    assert "mart_segmentation_backtest" in built_whole(dbt_manifest) - built_whole(changed)
