"""What a select reads ``from``: tables, subqueries, values, functions, and how they are joined.

Belongs here: bringing tables into reach of a select. Does not belong here: its other clauses
(``query``), which tables there are (``build``).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from governance.lineage.expression import made_from, names
from governance.lineage.functions import TABLE_FUNCTIONS, name_of
from governance.lineage.graph import Form, Made, Ref, Use, combined
from governance.lineage.scope import Scope, Table, UnreadableError, renamed

# Finds a table by its name, with what chose its rows.
Find = Callable[[tuple[str, ...]], tuple[Table | None, tuple[Use, ...]]]


def tables_of(node: exp.Expr) -> Iterator[exp.Expr]:
    """Return what a select reads from: tables, then joins."""
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
    if item.args.get("pivots"):
        raise UnreadableError("pivot isn't supported")
    for kind, add in _ADDERS:
        if isinstance(item, kind):
            add(item, scope, find)
            break
    else:
        raise UnreadableError(f"'{item.key}' isn't supported")
    for join in item.args.get("joins") or ():
        add_table(join, scope, find)


def joined(node: exp.Expr) -> bool:
    """Return whether brackets hold a query as one of several tables: ``((select) as a join b)``."""
    named = node.args.get("joins") or node.args.get("alias")
    return isinstance(node, exp.Subquery) and bool(named)


def conditions(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """Return the conditions of one ``and``, or the one that there is."""
    bare = condition.unnest() if condition is not None else None
    if isinstance(bare, exp.And):
        for part in bare.flatten():
            yield from conditions(part)
    elif bare is not None:
        yield bare


def _join(join: exp.Join, scope: Scope, find: Find) -> None:
    if join.method == "POSITIONAL":
        raise UnreadableError("a positional join isn't supported")
    before = len(scope.tables)
    add_table(join.this, scope, find)
    left, right = scope.tables[:before], scope.tables[before:]
    using = names(*(join.args.get("using") or ()))
    if join.method == "NATURAL":
        known = {column for table in left for column in table.columns}
        using = tuple(column for table in right for column in table.columns if column in known)
    for column in using:
        found = (table.column(column) for table in scope.tables)
        scope.use("join", combined(made for made in found if made))
    for condition in conditions(join.args.get("on")):
        scope.use("join", made_from(condition, scope))
    if join.kind in ("SEMI", "ANTI"):
        scope.tables[before:] = [replace(table, in_star=False) for table in right]


def _subquery(item: exp.Subquery, scope: Scope, find: Find) -> None:
    if isinstance(item.this, exp.Query) and not joined(item.this):
        result = scope.query(item, scope)
        scope.uses += result.uses
        scope.tables.append(_aliased(item, Table("", result.columns)))
        return
    before = len(scope.tables)
    add_table(item.this, scope, find)  # joins in brackets
    if item.alias:
        inside = scope.tables[before:]
        columns = {name: made for table in inside for name, made in table.columns.items()}
        scope.tables[before:] = [_aliased(item, Table("", columns))]


def _lateral(item: exp.Lateral, scope: Scope, find: Find) -> None:
    before = len(scope.tables)
    if isinstance(item.this, exp.Subquery | exp.Unnest):
        add_table(item.this, scope, find)
    else:
        _function(item.this, scope)
    scope.tables[before:] = [_aliased(item, table) for table in scope.tables[before:]]


def _values(item: exp.Values, scope: Scope, find: Find) -> None:
    rows = [row.expressions for row in item.expressions]
    columns = {
        f"col{i}": combined(made_from(row[i], scope) for row in rows if i < len(row))
        for i in range(max(map(len, rows), default=0))
    }
    scope.tables.append(_aliased(item, Table("", columns)))


def _unnest(item: exp.Unnest, scope: Scope, find: Find) -> None:
    _function(item, scope)
    scope.tables[-1] = _aliased(item, scope.tables[-1])


def _table(item: exp.Table, scope: Scope, find: Find) -> None:
    if not isinstance(item.this, exp.Identifier):
        _function(item.this, scope)
        scope.tables[-1] = _aliased(item, scope.tables[-1])
        return
    parts = names(*item.parts)
    found, uses = find(parts)
    if found is None:
        unknown = ".".join(parts)
        found = Table("", {}, unknown=unknown)
        uses = (Use("from", frozenset({Ref(unknown, "*")})),)
    scope.uses += uses
    scope.tables.append(_aliased(item, replace(found, alias=parts[-1])))


def _function(node: exp.Expr, scope: Scope) -> None:
    """Bring a table function into reach; one that isn't known may read anything."""
    name = name_of(node)
    arguments = (child for child in node.iter_expressions() if _is_argument(child))
    made = combined(made_from(child, scope) for child in arguments)
    scope.use("from", made)  # how many rows it returns depends on them
    if name in TABLE_FUNCTIONS:
        scope.tables.append(Table(name, {name: made}, rest=made))
        return
    unknown = f"{name}()"
    scope.use("from", Made({Ref(unknown, "*"): Form.RAW}))
    scope.tables.append(Table(name, {}, unknown=unknown))


def _is_argument(child: exp.Expr) -> bool:
    return not isinstance(child, exp.TableAlias | exp.Join)


def _aliased(item: exp.Expr, table: Table) -> Table:
    alias = item.args.get("alias")
    if alias is None:
        return table
    name = names(alias.this)[0] if alias.this is not None else table.alias
    return replace(table, alias=name, columns=renamed(table.columns, names(*alias.columns)))


_ADDERS: tuple[tuple[type, Callable[..., None]], ...] = (
    (exp.Join, _join),
    (exp.Subquery, _subquery),
    (exp.Lateral, _lateral),
    (exp.Values, _values),
    (exp.Unnest, _unnest),
    (exp.Table, _table),
)
