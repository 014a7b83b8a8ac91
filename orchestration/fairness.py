"""Fairness while segments are chosen: a candidate that would break a limit isn't chosen.

Belongs here: handing a candidate's assignments over the bias bridge to the same check that judges
the published segments. Does not belong here: the measures and limits (``expectations``).
"""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from governance.policy.model import Policy
from governance.policy.words import BIAS_PURPOSE

if TYPE_CHECKING:
    import pandas as pd

    from models.recipe import Recipe

CANDIDATE = "candidate_assignments"


def judge_of(
    connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date
) -> "Callable[[Recipe, pd.Series], str] | None":
    """Return the judge that ``models.selection.choose`` asks, or None without a bias purpose."""
    if BIAS_PURPOSE not in policy.purposes:
        return None

    def judge(recipe: "Recipe", segments: "pd.Series") -> str:
        from expectations.segments import check_bias

        rows = segments.rename("segment_id").rename_axis("segmentation_key").reset_index()
        connection.register(CANDIDATE, rows)
        try:
            relation = (
                f"(select segmentation_key::uuid as segmentation_key, segment_id from {CANDIDATE})"
            )
            results = list(check_bias(connection, policy, as_of, assignments=relation))
        finally:
            connection.unregister(CANDIDATE)
        return "; ".join(r.why for r in results if r.status == "broken")

    return judge
