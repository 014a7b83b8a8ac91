"""What a value of a known mart column can be, by its definition.

Belongs here: ranges that follow from what a column is, and how much of a subject's history it
needs to be defined at all. Does not belong here: anything that the policy decides, or the type and
description of a column (dbt).
"""

from typing import NamedTuple


class Range(NamedTuple):
    """The least and the greatest value that is possible; None: no bound."""

    least: float | None
    greatest: float | None


# A column that isn't listed has no bounds. `value_*` has none: returns may outweigh purchases.
RANGES = {
    "recency_days": Range(0, None),
    "visits": Range(1, None),
    "tenure_days": Range(0, None),
    "basket_lines_mean": Range(1, None),
    "discount_share": Range(0, 1),
    "category_breadth": Range(1, None),
    "category_concentration": Range(0, 1),
    "gap_mean_days": Range(1, None),
    "gap_variation": Range(0, None),
    "value_trend": Range(-1, 1),
    "visits_8w": Range(0, None),
    "following_visits": Range(0, None),
}

# Visiting days that a subject must have had: a single one leaves no gap to the next, two leave
# one gap, which can't vary. Where there were fewer, a null is an answer, not a hole.
VISITING_DAYS = {"gap_mean_days": 2, "gap_variation": 3}

# Needs a feed that tells of discounts: where no visit has one, nothing is known of any.
OF_DISCOUNTS = ("discount_share",)

# Need some spending on a known category; shares of nothing are undefined.
MIX = "category_mix"
OF_CATEGORIES = ("category_breadth", "category_concentration", MIX)
