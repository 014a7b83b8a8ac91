"""Which columns DuckDB's SQL is read to use: by hand, and against DuckDB itself."""

import duckdb
import pytest

from governance.lineage.graph import UNKNOWN, Form, Made, Ref
from governance.lineage.query import read
from governance.lineage.scope import Result, Table, UnreadableError

TABLES = {
    "a": ("k", "x", "y", "l"),
    "b": ("k", "x", "z", "d"),
}


def catalog(parts: tuple[str, ...]) -> Table | None:
    name = parts[-1]
    if name not in TABLES:
        return None
    return Table("", {c: Made({Ref(name, c): Form.RAW}) for c in TABLES[name]})


def result(sql: str) -> Result:
    return read(sql, catalog)


def made(sql: str) -> dict[str, set[str]]:
    return {name: {str(ref) for ref in m.refs} for name, m in result(sql).columns.items()}


def used(sql: str) -> set[str]:
    return {str(ref) for use in result(sql).uses for ref in use.refs}


# SQL, what its columns are made from, what else it uses.
CASES = {
    "alias": ("select x as v from a", {"v": {"a.x"}}, set()),
    "star": ("select * from a", {c: {f"a.{c}"} for c in TABLES["a"]}, set()),
    "star of one": ("select b.*, a.y from a, b", {
        "k": {"b.k"}, "x": {"b.x"}, "z": {"b.z"}, "d": {"b.d"}, "y": {"a.y"}}, set()),
    "star changed": (
        "select * exclude (k, l) replace (y + 1 as x) rename (y as w) from a",
        {"x": {"a.y"}, "w": {"a.y"}}, set()),
    "from first": ("from a", {c: {f"a.{c}"} for c in TABLES["a"]}, set()),
    "capitals": ('select "X" as V from A', {"v": {"a.x"}}, set()),
    "cte": ("with c as (select x as v from a) select v as w from c", {"w": {"a.x"}}, set()),
    "cte hides a table": (
        "with b as (select y as x from a) select x from b", {"x": {"a.y"}}, set()),
    "cte renamed": ("with c(p, q) as (select x, y from a) select q from c", {"q": {"a.y"}}, set()),
    "cte that nobody reads": (
        "with c as (select z from b where x > 1) select y from a", {"y": {"a.y"}}, set()),
    "recursive": (
        "with recursive c(n, m) as (select x, y from a union select m, m from c) select n from c",
        {"n": {"a.x", "a.y"}}, {"a.x", "a.y"}),
    "subquery renamed": ("select t.p from (select x from a) as t(p)", {"p": {"a.x"}}, set()),
    "case": ("select case when x > 1 then y end as v from a", {"v": {"a.x", "a.y"}}, set()),
    "later alias": ("select x + 1 as p, p * 2 as q from a", {"p": {"a.x"}, "q": {"a.x"}}, set()),
    "column before alias": ("select y as x, x as q from a", {"x": {"a.y"}, "q": {"a.x"}}, set()),
    "scalar": (
        "select y, (select max(z) from b where b.k = a.k) as v from a",
        {"y": {"a.y"}, "v": {"b.z"}}, {"a.k", "b.k"}),
    "exists": (
        "select y from a where exists (select 1 from b where b.k = a.k and z > 1)",
        {"y": {"a.y"}}, {"a.k", "b.k", "b.z"}),
    "in": ("select y from a where k in (select k from b)", {"y": {"a.y"}}, {"a.k", "b.k"}),
    "not in scope of the inner": (
        "select (select y) as v from a", {"v": {"a.y"}}, set()),
    "lateral": (
        "select v from a, lateral (select a.x + z as v from b) as t",
        {"v": {"a.x", "b.z"}}, set()),
    "values": ("select w, x from a, (values (1), (2)) as v(w)", {"w": set(), "x": {"a.x"}}, set()),
    "joined on": ("select z from a join b on a.k = b.k and y > 1", {"z": {"b.z"}},
        {"a.k", "b.k", "a.y"}),
    "joined using": ("select k from a join b using (k)", {"k": {"a.k", "b.k"}}, {"a.k", "b.k"}),
    "joined naturally": ("select z from a natural join b", {"z": {"b.z"}},
        {"a.k", "b.k", "a.x", "b.x"}),
    "semi": ("select * from a semi join b using (k)", {c: {f"a.{c}"} for c in TABLES["a"]},
        {"a.k", "b.k"}),
    "joins in brackets": ("select z from (a join b on a.k = b.k)", {"z": {"b.z"}}, {"a.k", "b.k"}),
    "union": ("select x from a union all select z from b", {"x": {"a.x", "b.z"}}, set()),
    "union by name": (
        "select x, y from a union all by name select z as y, x from b",
        {"x": {"a.x", "b.x"}, "y": {"a.y", "b.z"}}, set()),
    "union distinct": ("select x from a union select z from b", {"x": {"a.x", "b.z"}},
        {"a.x", "b.z"}),
    "except": ("select x from a except select z from b", {"x": {"a.x", "b.z"}}, {"a.x", "b.z"}),
    "limited union": ("(select x, y from a) union all (select x, z from b) order by y limit 1",
        {"x": {"a.x", "b.x"}, "y": {"a.y", "b.z"}}, {"a.y", "b.z"}),
    "counted without a name": (
        "select v from (select count(*) from a where x > 1) as t(v)", {"v": set()}, {"a.x"}),
    "grouped": ("select x, sum(y) as v from a group by x", {"x": {"a.x"}, "v": {"a.y"}}, {"a.x"}),
    "grouped by all": ("select x + 1 as p, sum(y) as v from a group by all",
        {"p": {"a.x"}, "v": {"a.y"}}, {"a.x"}),
    "grouped by place": ("select x, count(*) as v from a group by 1", {"x": {"a.x"}, "v": set()},
        {"a.x"}),
    "grouped by alias": ("select y + 1 as p, count(*) as v from a group by p",
        {"p": {"a.y"}, "v": set()}, {"a.y"}),
    "filter": ("select sum(x) filter (where y > 1) as v from a", {"v": {"a.x", "a.y"}}, set()),
    "having": ("select x from a group by x having max(y) > 1", {"x": {"a.x"}}, {"a.x", "a.y"}),
    "qualify": ("select x from a qualify row_number() over (partition by k order by y) = 1",
        {"x": {"a.x"}}, {"a.k", "a.y"}),
    "window": ("select lag(x) over (partition by k order by y) as v from a",
        {"v": {"a.x", "a.y"}}, {"a.k"}),
    "named window": (
        "select sum(x) over w2 as v from a window w as (partition by k), w2 as (w order by y)",
        {"v": {"a.x", "a.y"}}, {"a.k"}),
    "distinct": ("select distinct x from a", {"x": {"a.x"}}, {"a.x"}),
    "distinct on": ("select distinct on (k) x from a order by y", {"x": {"a.x"}}, {"a.k", "a.y"}),
    "limit": ("select x from a order by y limit (select max(z) from b)", {"x": {"a.x"}},
        {"a.y", "b.z"}),
    "lambda": ("select list_transform(l, x -> x + y) as v from a", {"v": {"a.l", "a.y"}}, set()),
    "lambda, spelled": ("select list_filter(l, lambda q: q > y) as v from a",
        {"v": {"a.l", "a.y"}}, set()),
    "comprehension": ("select [q + y for q in l if q > x] as v from a",
        {"v": {"a.l", "a.x", "a.y"}}, set()),
    "list in order": ("select list((x, y) order by k) as v from a", {"v": {"a.x", "a.y", "a.k"}},
        set()),
    "map": ("select map {'p': x, 'q': y} as v from a", {"v": {"a.x", "a.y"}}, set()),
    "struct": ("select struct_pack(p := x, q := y) as v from a", {"v": {"a.x", "a.y"}}, set()),
    "method": ("select y.greatest(x) as v from a", {"v": {"a.x", "a.y"}}, set()),
    "method of a column of a table": ("select a.y.abs() as v from a", {"v": {"a.y"}}, set()),
    "whole row": ("select to_json(b) as v from b", {"v": {f"b.{c}" for c in TABLES["b"]}}, set()),
    "star as argument": ("select struct_pack(*) as v from b",
        {"v": {f"b.{c}" for c in TABLES["b"]}}, set()),
    "field": ("select s.f as v from (select {'f': x} as s from a)", {"v": {"a.x"}}, set()),
    "unnest": ("select unnest(l) as v from a", {"v": {"a.l"}}, {"a.l"}),
    "unnest in from": ("select v from a, unnest(l) as u(v)", {"v": {"a.l"}}, {"a.l"}),
    "rows from a value": ("select count(*) as v from a, range(y)", {"v": set()}, {"a.y"}),
    "twice the same name": ("select x as v, y as v from a", {"v": {"a.x", "a.y"}}, set()),
    "unknown column": ("select email as v from a", {"v": {f"{UNKNOWN}.email"}}, set()),
    "unknown table": ("select t.v from s.t", {"v": {"s.t.v"}}, {"s.t.*"}),
    "file": ("select v from read_csv('f')", {"v": {"read_csv().v"}}, {"read_csv().*"}),
    "variable": ("select getvariable('v') as v", {"v": {"getvariable().*"}}, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_columns_and_uses(name: str) -> None:
    sql, columns, uses = CASES[name]
    assert made(sql) == columns
    assert used(sql) == uses


FORMS = {
    "sum(x)": Form.FIGURE,
    "count(distinct x)": Form.FIGURE,
    "sum(case when x > 1 then 1 end)": Form.FIGURE,
    "count(*) filter (where x > 1)": Form.FIGURE,
    "avg(x) * 2 + sum(x)": Form.FIGURE,
    "histogram(x)": Form.FIGURE,
    "max(x)": Form.PICKED,
    "quantile_cont(x, 0.5)": Form.PICKED,
    "percentile_cont(0.5) within group (order by x)": Form.PICKED,
    "any_value(x)": Form.RAW,
    "first(x)": Form.RAW,
    "arg_max(x, 1)": Form.RAW,
    "list(x)": Form.RAW,
    "string_agg(x, ',')": Form.RAW,
    "list((x, sum(x) over ()))": Form.RAW,
    "sum(x) + max(x)": Form.PICKED,
    "sum(x) + x": Form.RAW,
    "lag(x) over (order by k)": Form.RAW,
    "sum(x) over (partition by k)": Form.FIGURE,
    "list_sum(list(x))": Form.RAW,
}


@pytest.mark.parametrize("expression", FORMS)
def test_form(expression: str) -> None:
    """In which form a value arrives; what merely collects or picks any value aggregates nothing."""
    column = result(f"select {expression} as v from a").columns["v"]
    assert column.refs[Ref("a", "x")] == FORMS[expression]


def test_label_of_a_group_beside_a_figure_is_aggregated() -> None:
    grouped = "with g as (select k, x, sum(y) as s from a group by k, x)"
    mix = result(f"{grouped} select k, list((x, s)) as v from g group by k").columns["v"]
    assert mix.refs == {Ref("a", "x"): Form.FIGURE, Ref("a", "y"): Form.FIGURE}
    alone = result(f"{grouped} select k, list(x) as v from g group by k").columns["v"]
    assert alone.refs == {Ref("a", "x"): Form.RAW}


def test_number_of_rows_is_an_aggregate_of_no_column() -> None:
    column = result("select count(*) as v from a").columns["v"]
    assert column.aggregate
    assert not column.refs


def test_conditions_are_uses_of_their_own() -> None:
    uses = result("select x from a where (x > 1 and (y > 2 or l is null)) and k > 0").uses
    assert {frozenset(ref.column for ref in use.refs) for use in uses} == {
        frozenset({"x"}), frozenset({"y", "l"}), frozenset({"k"}),
    }  # fmt: skip
    assert {use.clause for use in uses} == {"where"}


@pytest.mark.parametrize(
    "sql",
    [
        "select columns('x.*') from a",
        "select * like 'x%' from a",
        "pivot a on x using sum(y)",
        "select * from a pivot (sum(y) for x in (1, 2))",
        "unpivot a on x, y",
        "summarize a",
        "select * from a positional join b",
        "select #1 as v from a",
        "select x from a where #2 > 1",
        "select * replace (#2 as x) from a",
        "select y from a order by (select max(#1) from b)",
        "with c as (select abs(#3) as v from a) select v from c",
        "select * from s.t",
        "select * from read_csv('f')",
        "select sum(x) over w from a",
        "select x from a; select y from a",
        "delete from a",
        "select from where",
        "",
    ],
)
def test_what_cannot_be_told_is_refused(sql: str) -> None:
    with pytest.raises(UnreadableError):
        result(sql)


def test_the_error_quotes_no_sql() -> None:
    with pytest.raises(UnreadableError) as error:
        result("select 'Jane Doe' frm a whre")
    assert "Jane" not in str(error.value)


# DuckDB refuses them here; that isn't for lineage to rely on.
STRANGE = ("unknown column", "unknown table", "file", "variable", "star as argument")
RUN = [name for name in CASES if name not in STRANGE]


def _tables(connection: duckdb.DuckDBPyConnection, seed: int = 0, change: str = "") -> None:
    """Fill the tables; ``change`` names the one column with other values."""
    for table, columns in TABLES.items():
        parts = []
        for i, column in enumerate(columns):
            salt = seed + i + (77 if change == f"{table}.{column}" else 0)
            number = f"(hash(i, {salt}) % 4)::integer"
            parts.append(f"[{number}, {number} + 1]" if column == "l" else number)
        values = ", ".join(f"{p} as {c}" for p, c in zip(parts, columns, strict=True))
        connection.execute(
            f"create or replace table {table} as select {values} from range(12) as r(i)"
        )


@pytest.mark.parametrize("name", RUN)
def test_duckdb_agrees(name: str) -> None:
    """DuckDB returns the columns that were read; a column whose change shows was read as well."""
    sql, columns, uses = CASES[name]
    with duckdb.connect(config={"threads": 1}) as connection:
        for seed in range(3):
            _tables(connection, seed)
            before = connection.sql(sql)
            names = {c.split(":")[0].removesuffix("_1").lower() for c in before.columns}
            assert names == set(columns)
            rows = sorted(map(repr, before.fetchall()))
            for table, known in TABLES.items():
                for column in known:
                    _tables(connection, seed, f"{table}.{column}")
                    shows = sorted(map(repr, connection.sql(sql).fetchall())) != rows
                    read_ = f"{table}.{column}" in uses.union(*columns.values())
                    assert read_ or not shows, f"{table}.{column} changes the result"
