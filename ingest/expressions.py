"""Mapping expressions: one scalar expression over the columns of a feed, and nothing else.

Belongs here: which SQL may stand behind ``expression:`` in ``sources.yaml``, which columns it
reads, and its safe form (a value that doesn't fit gives null, never an error that quotes it).
Does not belong here: the other kinds of mapping (``projection``).
"""

from collections.abc import Mapping
from typing import Any

TEXT_TYPES = ("VARCHAR", "JSON", "ENUM")

# What may be used, by the parser's names of it; all of it looks at one row and at nothing outside.
_ALLOWED = """
    Column Identifier Literal Boolean Null Paren Neg Not And Or Add Sub Mul Div IntDiv Mod DPipe
    EQ NEQ GT GTE LT LTE Is In Between Like ILike Case If Cast TryCast DataType DataTypeParam
    Interval Var Coalesce Nullif Concat Lower Upper Trim Length Left Right Substring Replace Pad
    SplitPart StartsWith RegexpExtract RegexpReplace RegexpLike Round Abs Floor Ceil Greatest Least
    StrToTime UnixToTime TimestampFromParts TimestampTrunc
"""
ALLOWED = frozenset(_ALLOWED.split())
FUNCTIONS = (
    "abs, case, cast, ceil, coalesce, concat, date_trunc, epoch_ms, floor, greatest, if, least, "
    "left, length, lower, lpad, make_timestamp, nullif, regexp_extract, regexp_matches, "
    "regexp_replace, replace, right, round, split_part, starts_with, strptime, substring, "
    "to_timestamp, trim, try_strptime, upper"
)
LONGEST, DEEPEST = 2000, 100  # characters, and nodes from the root to a leaf
REMEDY = f"write one expression over columns of the feed; functions: {FUNCTIONS}"

_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "IntDiv", "Mod", "Neg", "Round", "Abs", "Floor", "Ceil")
_COMPARISONS = ("EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Between")


class ExpressionError(ValueError):
    """An expression that may not be used; says what is wrong with it, in a few words."""


def parsed(text: str) -> Any:
    """Return the syntax tree of an expression.

    Raises
    ------
    ExpressionError
        If it is no expression, more than one, longer or nested deeper than one may be, or uses
        anything but columns, constants and the functions of ``FUNCTIONS``.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    if len(text) > LONGEST:
        raise ExpressionError(f"it is longer than {LONGEST} characters")
    try:
        trees = sqlglot.parse(text, read="duckdb")
    except (SqlglotError, RecursionError):
        raise ExpressionError("it can't be understood as SQL") from None
    if len(trees) != 1 or trees[0] is None:
        raise ExpressionError("it has to be exactly one expression")
    depths: dict[int, int] = {}
    for node in trees[0].walk():  # each after its parent
        _refuse_foreign(node)
        depths[id(node)] = depths.get(id(node.parent), 0) + 1
        if depths[id(node)] > DEEPEST:  # how deep Python itself can go depends on its version
            raise ExpressionError("it is nested too deeply")
    if not columns_of(trees[0]):
        raise ExpressionError("it reads no column (use `constant` for a fixed value)")
    return trees[0]


def _refuse_foreign(node: Any) -> None:
    kind = type(node).__name__
    if kind == "Anonymous":
        if str(node.this).lower() == "try_strptime":
            return
        raise ExpressionError(f"the function {str(node.this).lower()[:40]} isn't known")
    if kind not in ALLOWED:
        raise ExpressionError(f"{kind} can't be used here")
    if kind == "Column" and node.parts[:-1]:
        raise ExpressionError("a column is named without its table")


def columns_of(tree: Any) -> tuple[str, ...]:
    """Return the columns that a parsed expression reads, each once, in order."""
    found = [node.name for node in tree.walk(bfs=False) if type(node).__name__ == "Column"]
    return tuple(dict.fromkeys(found))


def safe_sql(text: str, types: Mapping[str, str]) -> str:
    """Return DuckDB SQL of an expression that yields null where it can't be computed.

    Parameters
    ----------
    text
        The expression.
    types
        DuckDB's type of every column of the feed. A text column that is calculated with, as all
        columns of CSV files are, counts as the number that it spells.
    """
    from sqlglot import exp

    tree = exp.Paren(this=parsed(text))
    for column in list(tree.find_all(exp.Column)):
        column.replace(_safe_column(column, types))
    for cast in list(tree.find_all(exp.Cast)):
        if type(cast) is exp.Cast:
            cast.replace(exp.TryCast(this=cast.this, to=cast.args["to"]))
    for call in list(tree.find_all(exp.StrToTime)):
        arguments = [call.this, call.args["format"]]
        call.replace(exp.Anonymous(this="try_strptime", expressions=arguments))
    return f"try{tree.sql(dialect='duckdb')}"


def _safe_column(column: Any, types: Mapping[str, str]) -> Any:
    from sqlglot import exp

    quoted = exp.column(exp.to_identifier(column.name, quoted=True))
    if types.get(column.name, "").startswith(TEXT_TYPES) and _calculates(column):
        return exp.TryCast(this=quoted, to=exp.DataType.build("DECIMAL(18,6)"))
    return quoted


def _calculates(column: Any) -> bool:
    """Tell whether a column is used as a number."""
    parent = column.parent
    while type(parent).__name__ == "Paren":
        parent = parent.parent
    kind = type(parent).__name__
    others = list(parent.iter_expressions()) if parent is not None else []
    if any(type(other).__name__ == "Interval" for other in others):
        return False
    if kind in _ARITHMETIC:
        return True
    return kind in _COMPARISONS and any(_number(other) for other in others)


def _number(node: Any) -> bool:
    while type(node).__name__ in ("Neg", "Paren"):
        node = node.this
    return type(node).__name__ == "Literal" and not node.is_string
