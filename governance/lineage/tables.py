"""What a select reads ``from``: tables, subqueries, values, functions, and how they are joined.

Belongs here: bringing tables into reach. Does not belong here: the other clauses (``query``).
"""

from collections.abc import Callable, Iterator

from sqlglot import exp

from governance.lineage.expression import made_from, names
from governance.lineage.functions import TABLE_FUNCTIONS, is_opaque, name_of
from governance.lineage.graph import Form, Made, Ref, Use, combined
from governance.lineage.scope import Result, Scope, Table, UnreadableError, renamed

# Finds a table by its name, with what chose its rows.
Find = Callable[[tuple[str, ...]], tuple[Table | None, tuple[Use, ...]]]


def tables_of(node: exp.Expr) -> Iterator[exp.Expr]:
    """Return what a select (or a bracket of joins) reads from: tables, then joins."""
    first = node.args.get("from_")
    if first is not None:
        yield first.this
    yield from node.args.get("laterals") or ()
    yield from node.args.get("joins") or ()


def add_table(item: exp.Expr, scope: Scope, find: Find) -> None:
    """Bring what one item of ``from`` returns into reach.

    Raises
    ------
    UnreadableError
        If its columns can't be told.
    """
    if isinstance(item, exp.Join):
        _add_join(item, scope, find)
        return
    if item.args.get("pivots"):
        raise UnreadableError("pivot isn't supported")
    for kind, adder in _ADDERS:
        if isinstance(item, kind):
            adder(item, scope, find)
            break
    else:
        raise UnreadableError(f"'{item.key}' isn't supported")
    for join in item.args.get("joins") or ():
        add_table(join, scope, find)


def _add_join(join: exp.Join, scope: Scope, find: Find) -> None:
    before = list(scope.tables)
    add_table(join.this, scope, find)
    added = scope.tables[len(before) :]
    using = names(*(join.args.get("using") or ()))
    if join.method == "NATURAL":
        using = tuple(dict.fromkeys(c for t in added for c in t.columns if _has(before, c)))
    elif join.method == "POSITIONAL":
        raise UnreadableError("a positional join isn't supported")
    for column in using:
        both = combined(made for t in scope.tables if (made := t.column(column)))
        scope.use("join", both)
    if join.args.get("on") is not None and join.args["on"].find(exp.Query) is None:
        pass
    hidden = join.kind in ("SEMI", "ANTI")
    scope.tables[len(before) :] = [_joined(t, hidden, using) for t in added]


def _has(tables: list[Table], column: str) -> bool:
    return any(column in table.columns for table in tables)
