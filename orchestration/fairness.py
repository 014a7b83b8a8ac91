"""Fairness of segments that aren't kept yet: of a candidate, and of what is being released.

Belongs here: handing their assignments over the bias bridge to the same check that judges the
published segments; a candidate that would break a limit isn't chosen. Does not belong here: the
measures and limits (``expectations``).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import duckdb

from governance import status
from governance.clocks import Clocks
from governance.policy.model import Policy
from governance.policy.words import BIAS_PURPOSE
from warehouse.errors import RuleBrokenError

if TYPE_CHECKING:
    import pandas as pd

    from models.recipe import Recipe

CANDIDATE = "candidate_assignments"


def judge_of(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, *, excused: bool
) -> "Callable[[Recipe, pd.Series], str] | None":
    """Return the judge that ``models.selection.choose`` asks, or None without a bias purpose.

    Parameters
    ----------
    excused
        Whether it has nothing against what an override on record excuses.

    Raises
    ------
    RuleBrokenError
        By the judge, if nobody can tell: bias would stop the segments, whatever they are.
    """
    if BIAS_PURPOSE not in policy.purposes:
        return None
    rules = policy if excused else policy.model_copy(update={"overrides": ()})

    def judge(recipe: "Recipe", segments: "pd.Series") -> str:
        from expectations.bias_verdicts import check_bias

        rows = segments.rename("segment_id").rename_axis("segmentation_key").reset_index()
        connection.register(CANDIDATE, rows)
        try:
            relation = (
                f"(select segmentation_key::uuid as segmentation_key, segment_id from {CANDIDATE})"
            )
            results = list(check_bias(connection, policy, clocks, assignments=relation))
        finally:
            connection.unregister(CANDIDATE)
        found = [status.verdict_on(rules, r, clocks.newest_day) for r in results]
        if untold := [f"{v.rule}: {v.why}" for v in found if not v.checked]:
            raise RuleBrokenError(
                f"no segments can be chosen, as nobody can tell: {'; '.join(untold)}",
                f"select marts/mart_{BIAS_PURPOSE} as well, or run the whole chain",
            )
        return "; ".join(v.why for v in found if not v.passes)

    return judge


def released(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, members: str
) -> dict[str, str]:
    """Return what a release shows of bias: name of a text to its content; empty without a purpose.

    Parameters
    ----------
    members
        Who is where: a query for ``segment_id`` and ``segmentation_key``.
    """
    if BIAS_PURPOSE not in policy.purposes:
        return {}
    from expectations.bias_verdicts import RELEASED, figures

    return {RELEASED: figures(connection, policy, clocks, assignments=f"({members})")}
