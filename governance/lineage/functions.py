"""What DuckDB's functions do to the values that they are given, as far as lineage cares.

Belongs here: which functions aggregate and how, which can't be read. Does not belong here: the
reading of expressions (``expression``). A function that isn't named here passes its arguments on
as they are; so an aggregate that is missing here counts as none (deny by default).
"""

from functools import cache

import duckdb
from sqlglot import exp

from governance.lineage.graph import Form

# Say something about many values.
_FIGURES = (
    exp.Count, exp.CountIf, exp.ApproxDistinct, exp.Sum, exp.Avg, exp.Stddev, exp.StddevPop,
    exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp,
    exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.RegrCount, exp.RegrAvgx, exp.RegrAvgy,
    exp.Skewness, exp.Kurtosis, exp.LogicalAnd, exp.LogicalOr,
)  # fmt: skip
_FIGURES_BY_NAME = {
    "count_star", "entropy", "favg", "fsum", "sumkahan", "kahan_sum", "product", "mad", "geomean",
    "geometric_mean", "sem", "mean", "histogram", "regr_count", "sum_no_overflow",
}  # fmt: skip

# Return one value out of many.
_PICKS = (
    exp.Min, exp.Max, exp.Mode, exp.Median, exp.Quantile, exp.ApproxQuantile, exp.PercentileCont,
    exp.PercentileDisc,
)  # fmt: skip

# Return the values themselves. They count as an aggregate only for the label of a group that they
# return together with a figure about it (the categories, each with what was spent on it).
_COLLECTIONS = (
    exp.ArrayAgg, exp.GroupConcat, exp.ArgMax, exp.ArgMin, exp.JSONArrayAgg, exp.JSONObjectAgg,
)  # fmt: skip
_COLLECTIONS_BY_NAME = {"json_group_array", "json_group_object"}

# Read or run what the SQL doesn't show.
OPAQUE = {
    "getvariable", "getenv", "query", "query_table", "read_text", "read_blob", "current_setting",
    "which_secret", "nextval", "currval", "json_execute_serialized_sql",
}  # fmt: skip

# Table functions that read nothing but their arguments.
TABLE_FUNCTIONS = {"generate_series", "range", "unnest", "explode", "repeat"}


def name_of(node: exp.Expr) -> str:
    """Return the name of a function, in small letters."""
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return str(node.this).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def aggregates_to(node: exp.Expr) -> Form | None:
    """Return the form of what an aggregate makes of its arguments; None if it isn't one."""
    if isinstance(node, _FIGURES) or name_of(node) in _FIGURES_BY_NAME:
        return Form.FIGURE
    return Form.PICKED if isinstance(node, _PICKS) else None


def collects(node: exp.Expr) -> bool:
    """Return whether an aggregate returns the values that it is given."""
    return isinstance(node, _COLLECTIONS) or name_of(node) in _COLLECTIONS_BY_NAME


def is_aggregate(node: exp.Expr) -> bool:
    """Return whether a node makes one value out of many rows."""
    if isinstance(node, exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue | exp.NthValue):
        return False
    return isinstance(node, exp.AggFunc) or aggregates_to(node) is not None or collects(node)


def is_opaque(node: exp.Expr) -> bool:
    """Return whether a function reads what the SQL doesn't show: a variable, a file, a query.

    One that DuckDB doesn't have is a macro that somebody has left in the database.
    """
    unknown = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
    name = name_of(node)
    return name in OPAQUE or (unknown and name not in _built_in())


@cache
def _built_in() -> frozenset[str]:
    """Return the names of DuckDB's own functions."""
    with duckdb.connect() as connection:
        rows = connection.execute("select lower(function_name) from duckdb_functions()").fetchall()
    return frozenset(name for (name,) in rows)
