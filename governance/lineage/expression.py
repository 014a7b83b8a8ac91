"""What an expression of SQL is made from.

Belongs here: columns, aggregates, windows, subqueries, lambdas inside one expression. Does not
belong here: looking up names (``scope``), clauses of a query (``query``).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from governance.lineage.functions import aggregates_to, collects, is_aggregate, is_opaque, name_of
from governance.lineage.graph import Form, Made, Ref, combined
from governance.lineage.scope import Scope, UnreadableError

_COPYING = (exp.Column, exp.Alias, exp.Paren)  # what leaves a value as it is
# What holds names that are no columns.
_NO_VALUES = (exp.DataType, exp.TableAlias, exp.Var, exp.Literal)


def made_from(node: exp.Expr, scope: Scope) -> Made:
    """Return what the value of an expression is made from.

    Conditions count (``case when``, ``filter``), and so does the order of a window or a list: they
    decide about the value. What a window is partitioned by groups rows; it becomes a use.

    Raises
    ------
    UnreadableError
        If it holds something whose columns can't be told.
    """
    if _to_day(node):
        return made_from(node.this, scope)
    made = _made_from(node, scope)
    return made if isinstance(node, _COPYING) else replace(made, copied=False)


def _made_from(node: exp.Expr, scope: Scope) -> Made:
    for kind, reader in _READERS:
        if isinstance(node, kind):
            return reader(node, scope)
    if isinstance(node, _NO_VALUES):
        return Made()
    if is_opaque(node):
        return Made({Ref(f"{name_of(node)}()", "*"): Form.RAW})
    inner = combined(made_from(child, scope) for child in _children(node))
    form = aggregates_to(node)
    if form is not None:
        return lifted(inner, form)
    if collects(node):
        return _collected(inner)
    return replace(inner, aggregate=inner.aggregate or is_aggregate(node))


def _to_day(node: exp.Expr) -> bool:
    """Return whether an expression takes something for a date: a day stays the same."""
    return isinstance(node, exp.Cast) and node.to.this == exp.DType.DATE


def lifted(made: Made, form: Form) -> Made:
    """Return what an aggregate of a form makes of its arguments."""
    return Made({ref: max(old, form) for ref, old in made.refs.items()}, aggregate=True)


def groups_nothing(node: exp.Expr) -> bool:
    """Return whether an expression holds no aggregate over the rows of its own select."""
    return not any(is_aggregate(part) and not _in_window(part) for part in own_nodes(node))


def own_nodes(node: exp.Expr) -> Iterator[exp.Expr]:
    """Return the nodes of an expression without those of its subqueries."""
    return node.walk(prune=lambda part: isinstance(part, exp.Query))


def names(*identifiers: exp.Expr | str) -> tuple[str, ...]:
    """Return the names of identifiers, in small letters."""
    return tuple(
        (part if isinstance(part, str) else str(part.name)).lower() for part in identifiers
    )


def _in_window(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _children(node: exp.Expr) -> Iterator[exp.Expr]:
    return (child for child in node.iter_expressions() if isinstance(child, exp.Expr))


def _collected(made: Made) -> Made:
    beside_a_figure = Form.FIGURE in made.refs.values()
    refs = {
        ref: Form.FIGURE if form == Form.LABEL and beside_a_figure else form
        for ref, form in made.refs.items()
    }
    return Made(refs, aggregate=True)


def _column(node: exp.Column, scope: Scope) -> Made:
    if isinstance(node.this, exp.Star):
        alias = names(node.parts[-2])[0]
        return combined(table.everything for table in scope.tables if table.alias == alias)
    return scope.column(names(*node.parts))


def _star(node: exp.Expr, scope: Scope) -> Made:
    if isinstance(node.parent, exp.Count):
        return Made()
    return combined(table.everything for table in scope.tables)


def _identifier(node: exp.Identifier, scope: Scope) -> Made:
    """Read a bare name: a column in a method call, else a parameter of a lambda or an option."""
    return scope.known(names(node)) or Made()


def _dot(node: exp.Dot, scope: Scope) -> Made:
    """Read a method call (``age.abs()``) or a field; the parser takes columns in it for names."""
    path: list[exp.Expr] = []
    head: exp.Expr = node
    while isinstance(head, exp.Dot):
        path.insert(0, head.expression)
        head = head.this
    fields = [part for part in path if not isinstance(part, exp.Identifier)]
    inner = [made_from(part, scope) for part in fields]
    if isinstance(head, exp.Identifier):
        bare = [part for part in path if isinstance(part, exp.Identifier)]
        inner.append(scope.column(names(head, *bare)))
    else:
        inner.append(made_from(head, scope))
    return combined(inner)


def _query(node: exp.Expr, scope: Scope) -> Made:
    """Read a query inside an expression: its columns; what chooses its rows becomes uses."""
    result = scope.query(node, scope)
    scope.uses += result.uses
    return replace(combined(result.columns.values()), aggregate=True)


def _filter(node: exp.Filter, scope: Scope) -> Made:
    made, condition = made_from(node.this, scope), made_from(node.expression, scope)
    form = aggregates_to(node.this)
    return combined([made, lifted(condition, form) if form is not None else condition])


def _within_group(node: exp.WithinGroup, scope: Scope) -> Made:
    made, order = made_from(node.this, scope), made_from(node.expression, scope)
    form = aggregates_to(node.this)
    return combined([made, lifted(order, form) if form is not None else order])


def _window(node: exp.Window, scope: Scope) -> Made:
    made = combined([made_from(node.this, scope), *_over(node, scope)])
    return Made(made.refs, aggregate=True)  # it looks at other rows, even for one value: `lag`


def _over(window: exp.Window, scope: Scope) -> Iterator[Made]:
    for part in window.args.get("partition_by") or ():
        scope.use("partition", made_from(part, scope))
    for key in ("order", "spec"):
        part = window.args.get(key)
        if part is not None:
            yield made_from(part, scope)
    alias = window.args.get("alias")
    if alias is not None:
        named = scope.windows.get(names(alias)[0])
        if named is None:
            raise UnreadableError(f"the window '{alias.name}' isn't defined")
        yield from _over(named, scope)


def _lambda(node: exp.Lambda, scope: Scope) -> Made:
    return made_from(node.this, _without(scope, names(*node.expressions)))


def _comprehension(node: exp.Comprehension, scope: Scope) -> Made:
    inner = _without(scope, names(node.expression))
    parts = [node.this, node.args.get("condition")]
    made = [made_from(part, inner) for part in parts if part is not None]
    return combined([made_from(node.args["iterator"], scope), *made])


def _without(scope: Scope, parameters: tuple[str, ...]) -> Scope:
    """Return a scope in which parameters are known, and made from nothing of their own."""
    inner = Scope(scope.query, scope, windows=scope.windows, uses=scope.uses)
    inner.aliases = dict.fromkeys(parameters, Made())
    return inner


def _named_argument(node: exp.PropertyEQ, scope: Scope) -> Made:
    return made_from(node.expression, scope)


def _alias(node: exp.Alias, scope: Scope) -> Made:
    return made_from(node.this, scope)


_READERS: tuple[tuple[type | tuple[type, ...], Callable[..., Made]], ...] = (
    (exp.Column, _column),
    ((exp.Star, exp.Columns), _star),
    (exp.Identifier, _identifier),
    (exp.Dot, _dot),
    (exp.Query, _query),
    (exp.Filter, _filter),
    (exp.WithinGroup, _within_group),
    (exp.Window, _window),
    (exp.Lambda, _lambda),
    (exp.Comprehension, _comprehension),
    (exp.PropertyEQ, _named_argument),
    (exp.Alias, _alias),
)
