"""What the columns of a query are made from, and what chooses its rows.

Belongs here: CTEs, set operations, the clauses of a select. Does not belong here: what is read
``from`` (``tables``), expressions (``expression``), whole projects (``build``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from governance.lineage.expression import groups_nothing, made_from, names, own_nodes
from governance.lineage.graph import Form, Made, Use, combined
from governance.lineage.scope import Result, Scope, Table, UnreadableError, renamed
from governance.lineage.tables import add_table, conditions, joined, tables_of

# Finds a table by its name, from the most general part; None if there is none.
Catalog = Callable[[tuple[str, ...]], Table | None]
_MOST_ROUNDS = 20  # of a recursive CTE, until no column gains an origin


def read(sql: str, catalog: Catalog) -> Result:
    """Return the columns of a statement and what chooses its rows.

    Parameters
    ----------
    sql : str
        One query in DuckDB's dialect.
    catalog : callable
        Finds the tables that it names.

    Raises
    ------
    UnreadableError
        If it isn't one query, or its columns can't be told.
    """
    try:
        statements = [s for s in sqlglot.parse(sql, dialect="duckdb") if s is not None]
    except SqlglotError as error:
        # The parser's own message quotes the SQL.
        raise UnreadableError("the SQL can't be parsed") from error
    if len(statements) != 1:
        raise UnreadableError("it isn't one query")
    if statements[0].find(exp.PositionalColumn):
        raise UnreadableError("columns named by their place (#1) aren't supported")
    result = Reader(catalog).query(statements[0], None)
    if not result.columns:
        raise UnreadableError("it has no columns that can be told")
    columns = {name: _without_labels(made) for name, made in result.columns.items()}
    return Result(columns, tuple(dict.fromkeys(result.uses)))


@dataclass
class Reader:
    """Reads queries; ``ctes`` are those in reach."""

    catalog: Catalog
    ctes: Mapping[str, Result] = field(default_factory=dict)

    def query(self, node: exp.Expr, outer: Scope | None) -> Result:
        """Return the columns of a query and what chooses its rows."""
        with_ = node.args.get("with_")
        reader = self._with(with_, outer) if with_ is not None else self
        if isinstance(node, exp.Select):
            return reader.select(node, outer)
        if isinstance(node, exp.SetOperation):
            return reader.ordered(node, reader.united(node, outer), outer)
        if _in_brackets(node):
            return reader.ordered(node, reader.query(node.this, outer), outer)
        if isinstance(node, exp.Subquery | exp.Values | exp.Table):
            return reader.select(exp.select("*").from_(node.copy()), outer)
        raise UnreadableError(f"'{node.key}' isn't supported")

    def table(self, parts: tuple[str, ...]) -> tuple[Table | None, tuple[Use, ...]]:
        """Return a table by its name, from CTEs or the catalog, with what chose its rows."""
        if len(parts) == 1 and parts[0] in self.ctes:
            result = self.ctes[parts[0]]
            return Table(parts[0], result.columns), result.uses
        return self.catalog(parts), ()

    def _with(self, with_: exp.Expr, outer: Scope | None) -> "Reader":
        reader = Reader(self.catalog, dict(self.ctes))
        for cte in with_.expressions:
            (name,), columns = names(cte.args["alias"].this), cte.args["alias"].columns
            result = (
                reader._recursive(name, cte, outer)
                if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation)
                else reader.query(cte.this, outer)
            )
            named = Result(renamed(result.columns, names(*columns)), result.uses)
            reader = Reader(self.catalog, {**reader.ctes, name: named})
        return reader

    def _recursive(self, name: str, cte: exp.Expr, outer: Scope | None) -> Result:
        """Read a CTE that reads itself, until nothing is added."""
        columns = names(*cte.args["alias"].columns)
        result = self.query(cte.this.this, outer)
        for _ in range(_MOST_ROUNDS):
            known = Result(renamed(result.columns, columns), result.uses)
            again = Reader(self.catalog, {**self.ctes, name: known}).query(cte.this, outer)
            again = Result(again.columns, tuple(dict.fromkeys(again.uses)))
            if again == result:
                return result
            result = again
        raise UnreadableError(f"the recursive '{name}' has no end")

    def united(self, node: exp.SetOperation, outer: Scope | None) -> Result:
        """Return the columns of ``union``, ``except`` or ``intersect``."""
        left, right = self.query(node.left, outer), self.query(node.right, outer)
        columns = dict(left.columns)
        if node.args.get("by_name"):
            # Null, where one of them lacks it.
            nothing = dict.fromkeys([*left.columns, *right.columns], Made())
            both = [{**nothing, **side.columns} for side in (left, right)]
            columns = {name: combined(side[name] for side in both) for name in nothing}
        else:
            # Matched by position; a different count is DuckDB's error to report.
            pairs = zip(left.columns.items(), right.columns.values(), strict=False)
            columns |= {name: combined([made, other]) for (name, made), other in pairs}
        uses = [*left.uses, *right.uses]
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            uses += _use(node.key, [*left.columns.values(), *right.columns.values()])
        return Result(columns, tuple(uses))

    def ordered(self, node: exp.Expr, result: Result, outer: Scope | None) -> Result:
        """Add the order and limit of a query in brackets or of a set operation."""
        scope = Scope(self.query, outer, tables=[Table("", result.columns)])
        for key in ("order", "limit", "offset"):
            clause = node.args.get(key)
            if clause is None:
                continue
            by = _order(clause, result.columns.values(), scope)
            scope.use(key, by if key == "order" else made_from(clause, scope))
        return Result(result.columns, (*result.uses, *scope.uses))

    def select(self, node: exp.Select, outer: Scope | None) -> Result:
        """Return the columns of a select and what chooses its rows."""
        scope = Scope(self.query, outer)
        for item in tables_of(node):
            add_table(item, scope, self.table)
        scope.windows = {names(w.this)[0]: w for w in node.args.get("windows") or ()}
        projections = list(_projections(node, scope))
        columns = _labelled(node, projections)
        scope.late = True
        for clause, made in _choosing(node, projections, scope):
            scope.use(clause, made)
        return Result(columns, tuple(scope.uses))


def _in_brackets(node: exp.Expr) -> bool:
    inner = node.this
    return isinstance(node, exp.Subquery) and isinstance(inner, exp.Query) and not joined(inner)


def _order(node: exp.Expr, columns: Iterable[Made], scope: Scope) -> Made:
    """Return what rows are ordered by; ``order by all`` means every column of the select."""
    if any(isinstance(key.this, exp.Var) and key.name.lower() == "all" for key in node.expressions):
        return combined(columns)
    return made_from(node, scope)


@dataclass(frozen=True)
class _Projection:
    name: str
    made: Made
    node: exp.Expr


def _projections(node: exp.Select, scope: Scope) -> Iterator[_Projection]:
    for projection in node.expressions:
        star = projection.this if isinstance(projection, exp.Column) else projection
        if isinstance(star, exp.Star):
            yield from _expanded(projection, star, scope)
            continue
        if _is_pattern(projection):
            raise UnreadableError("columns chosen by a pattern aren't supported")
        made = made_from(projection, scope)
        (name,) = names(_name(projection))
        scope.aliases[name] = combined([made, scope.aliases.get(name, made)])
        yield _Projection(name, made, projection)


def _is_pattern(projection: exp.Expr) -> bool:
    """Return whether a projection stands for columns that only the data's schema knows."""
    if isinstance(projection.this, exp.Star) and not isinstance(projection, exp.Count):
        return True  # * like 'x%'
    return any(isinstance(part, exp.Columns) for part in own_nodes(projection))


def _name(projection: exp.Expr) -> str:
    if isinstance(projection, exp.Alias | exp.Column):
        return projection.alias_or_name
    return projection.sql(dialect="duckdb")


def _expanded(projection: exp.Expr, star: exp.Star, scope: Scope) -> Iterator[_Projection]:
    alias = names(projection.parts[-2])[0] if isinstance(projection, exp.Column) else None
    left_out = {names(column)[0] for column in star.args.get("except_") or ()}
    replaced = {names(a.alias)[0]: a.this for a in star.args.get("replace") or ()}
    new_names = {names(a.this)[0]: names(a.alias)[0] for a in star.args.get("rename") or ()}
    for table in scope.tables:
        if table.alias != alias if alias is not None else not table.in_star:
            continue
        if table.unknown:
            raise UnreadableError(f"the columns of '{table.unknown}' aren't known")
        for name, made in table.columns.items():
            if name in replaced:
                yield _Projection(name, made_from(replaced[name], scope), replaced[name])
            elif name not in left_out:
                column = exp.column(name, table.alias or None)
                yield _Projection(new_names.get(name, name), made, column)


def _labelled(node: exp.Select, projections: list[_Projection]) -> dict[str, Made]:
    """Return the columns; those by which rows are grouped become labels of groups."""
    columns: dict[str, Made] = {}
    keys = _group_keys(node)
    for i, projection in enumerate(projections, start=1):
        made = projection.made
        texts = {str(i), projection.name, _text(projection.node)}
        grouped = groups_nothing(projection.node) if keys is None else bool(keys & texts)
        if grouped:
            refs = {ref: max(form, Form.LABEL) for ref, form in made.refs.items()}
            made = replace(made, refs=refs)
        # DuckDB numbers columns of the same name; here they are one, made from both.
        earlier = columns.get(projection.name, made)
        columns[projection.name] = combined([earlier, made])
    return columns


def _group_keys(node: exp.Select) -> set[str] | None:
    """Return the texts of what rows are grouped by; None for ``group by all``."""
    group = node.args.get("group")
    if group is None:
        return set()
    if group.args.get("all"):
        return None
    return {_text(key) for key in group.expressions}


def _text(node: exp.Expr) -> str:
    inner = node.this if isinstance(node, exp.Alias) else node
    return inner.sql(dialect="duckdb").lower()


def _choosing(
    node: exp.Select, projections: list[_Projection], scope: Scope
) -> Iterator[tuple[str, Made]]:
    """Return the clauses of a select that choose or group its rows; joins are read before."""
    for key in ("where", "having", "qualify"):
        clause = node.args.get(key)
        for condition in conditions(clause.this if clause is not None else None):
            yield key, made_from(condition, scope)
    yield from _grouping(node, projections, scope)
    for key in ("order", "limit", "offset"):
        clause = node.args.get(key)
        if clause is not None and key == "order":
            yield key, _order(clause, [p.made for p in projections], scope)
        elif clause is not None:
            yield key, made_from(clause, scope)
    for projection in projections:
        if any(isinstance(part, exp.Explode | exp.Unnest) for part in own_nodes(projection.node)):
            yield "unnest", projection.made  # one row for each element


def _grouping(
    node: exp.Select, projections: list[_Projection], scope: Scope
) -> Iterator[tuple[str, Made]]:
    group, distinct = node.args.get("group"), node.args.get("distinct")
    if group is not None:
        yield "group", made_from(group, scope)
        whole = group.args.get("all")
        places = {key.name for key in group.expressions if isinstance(key, exp.Literal)}
        for i, projection in enumerate(projections, start=1):
            if str(i) in places or (whole and groups_nothing(projection.node)):
                yield "group", projection.made
    if distinct is not None:
        on = distinct.args.get("on")
        made = [made_from(on, scope)] if on is not None else [p.made for p in projections]
        yield "distinct", combined(made)


def _without_labels(made: Made) -> Made:
    """Return a finished column: outside of the query, the label of a group is a value as it is."""
    forms = {ref: Form.RAW if form == Form.LABEL else form for ref, form in made.refs.items()}
    return replace(made, refs=forms)


def _use(clause: str, parts: Iterable[Made]) -> list[Use]:
    refs = frozenset(combined(parts).refs)
    return [Use(clause, refs)] if refs else []
