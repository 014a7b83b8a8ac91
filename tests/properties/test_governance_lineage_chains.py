"""No way of passing a column on loses where it comes from: random chains, held to DuckDB."""

from itertools import pairwise

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from governance.lineage.build import build
from governance.lineage.graph import Form, Ref
from tests.support.examples import tried
from tests.support.lineage import manifest

COLUMNS = ("k", "x", "y", "z")
SOURCE = {"landing.t": COLUMNS}

# Each step makes a relation of the columns k, x, y, z out of one, {r}, and mixes them somehow.
STEPS = (
    "select * from {r}",
    "select k, y as x, x as y, z from {r}",
    "select k, x + y as x, y, z from {r}",
    "select k, case when z > 1 then x else y end as x, y, z from {r}",
    "select k, max(x) as x, sum(y)::integer as y, count(*)::integer as z from {r} group by k",
    "select k, x, y, (z + row_number() over (partition by y order by x, k, z))::integer as z"
    " from {r}",
    "select * exclude (z), x as z from {r}",
    "select * replace (y + 1 as x) from {r} where z > 1",
    "select a.k, a.x, b.y, a.z from {r} as a join {r} as b on a.k = b.k and a.x = b.x",
    "select k, x, y, z from {r} union all by name select x as y, y as x, k, z from {r}",
    "select distinct k, x, y, 0 as z from {r}",
    "with c as (select k, x as p, y as q, z from {r}), d(k, y, x, z) as (select * from c)"
    " select k, x, y, z from d",
    "select k, x, y, (select max(i.z) from {r} as i where i.x = o.y) as z from {r} as o",
    "select k, x, y, coalesce(list_sum(list_transform([x, z], v -> v + y)), 0)::integer as z"
    " from {r}",
    "select k, x, v as y, z from {r} as t, unnest([x, z]) as u(v)",
    "select k, x, y, z from {r} as o where exists (select 1 from {r} as i where i.y = o.x)",
    "select k, x, y, z from {r} qualify row_number() over (partition by k order by x, y, z) = 1",
)


def _fill(connection: duckdb.DuckDBPyConnection, seed: int, change: str = "") -> None:
    values = ", ".join(
        f"(hash(i, {seed + n + (77 if change == column else 0)}) % 4)::integer as {column}"
        for n, column in enumerate(COLUMNS)
    )
    connection.execute("create schema if not exists landing")
    connection.execute(f"create or replace table landing.t as select {values} from range(8) r(i)")


def _named(steps: list[str]) -> dict[str, str]:
    """Return a model for each step, the last one called ``last``."""
    names = ["landing.t", *(f"m.s{i}" for i in range(len(steps) - 1)), "m.last"]
    return {
        name.removeprefix("m."): step.format(r=source)
        for source, name, step in zip(names, names[1:], steps, strict=False)
    }


@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), seed=st.integers(0, 999))
@tried(40)
def test_a_column_that_shows_in_the_result_was_read(steps: list[str], seed: int) -> None:
    models = _named(steps)
    lineage = build(manifest(models), SOURCE)
    assert not any(r.unread for r in lineage.relations.values())
    read = lineage.forms_of(
        {Ref("last", column): Form.RAW for column in lineage.relations["last"].columns}
    )
    for model in models:
        read |= lineage.forms_of({ref: Form.RAW for use in lineage.uses(model) for ref in use.refs})
    assert {ref.relation for ref in read} <= {"landing.t"}
    with duckdb.connect(config={"threads": 1}) as connection:
        _fill(connection, seed)
        connection.execute("create schema m")
        for name, sql in models.items():
            connection.execute(f"create view m.{name} as {sql}")
        result = "select * from m.last order by all limit 10000"
        before = connection.execute(result).fetchall()
        for column in COLUMNS:
            _fill(connection, seed, column)
            if connection.execute(result).fetchall() != before:
                assert Ref("landing.t", column) in read


@given(
    names=st.lists(st.from_regex(r"[a-z]{1,6}_", fullmatch=True), min_size=1, max_size=12),
    in_models=st.booleans(),
)
def test_renaming_never_loses_an_origin(names: list[str], in_models: bool) -> None:
    """One column, renamed again and again, in CTEs of one model or in models of their own."""
    chain = ["x", *names]
    selects = [f"select {old} as {new}" for old, new in pairwise(chain)]
    if in_models:
        places = ["landing.t", *(f"m.s{i}" for i in range(len(selects)))]
        models = {f"s{i}": f"{select} from {places[i]}" for i, select in enumerate(selects)}
    else:
        places = ["landing.t", *(f"c{i}" for i in range(len(selects)))]
        ctes = ", ".join(f"c{i} as ({s} from {places[i]})" for i, s in enumerate(selects))
        models = {"s0": f"with {ctes} select * from c{len(selects) - 1}"}
    lineage = build(manifest(models), SOURCE)
    last = list(models)[-1]
    assert lineage.forms(last, chain[-1]) == {Ref("landing.t", "x"): Form.RAW}
    assert Ref(last, chain[-1]) in lineage.descendants([Ref("landing.t", "x")])
