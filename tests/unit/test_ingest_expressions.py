"""Mapping expressions: one scalar expression, made so that no value can make it fail."""

import duckdb
import pytest

from ingest.expressions import ExpressionError, columns_of, parsed, safe_sql

TYPES = {"a": "VARCHAR", "n": "DOUBLE", "my col": "VARCHAR"}


def value(expression: str, a: object = "17", n: object = 2.0) -> object:
    sql = safe_sql(expression, TYPES)
    query = f"select {sql} from (select ?::varchar as a, ?::double as n, 'x' as \"my col\")"
    return duckdb.execute(query, [a, n]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a * n", 34),
        ("-(a) + 1", -16),
        ("cast(a as integer)", 17),
        ("case when a > 16 then 'old' else 'young' end", "old"),
        ("if(starts_with(a, '1'), 'one', 'other')", "one"),
        ('"my col" || a', "x17"),
        ("coalesce(nullif(a, '17'), 'none')", "none"),
        ("strptime(a, '%d')::date is not null", True),
        ("lpad(upper(trim(a)), 4, '0')", "0017"),
        ("substring(a, 1, 1)", "1"),
        ("round(n / 3, 2)", 0.67),
    ],
)
def test_what_may_be_written(expression, expected):
    found = value(expression)
    assert found == (pytest.approx(expected) if isinstance(found, float) else expected)


@pytest.mark.parametrize(
    "expression",
    [
        "(select 1)", "a in (select 1)", "getenv('HOME')", "read_text('/etc/passwd')", "t.a",
        "sum(a)", "row_number() over ()", "random()", "a; drop table x", "a, n", "*", "", "1 + 1",
        "a +", "$1", "[a]", "{'x': a}", "current_date", "nextval('s')", "unnest(a)",
        "a -> 'x'", "list_transform([1], x -> x)", "(" * 500 + "a" + ")" * 500,
        "(" * 9000 + "a" + ")" * 9000, "a" + " + a" * 100, "a" + " " * 2000,
    ],
    ids=lambda expression: expression[:20],
)  # fmt: skip
def test_what_may_not(expression):
    with pytest.raises(ExpressionError):
        safe_sql(expression, TYPES)


@pytest.mark.parametrize(
    "expression", ["a * n", "cast(a as integer)", "strptime(a, '%Y')", "cast(a as date)"]
)
def test_no_value_makes_it_fail(expression):
    assert value(expression, a="Jane O'Hara'; drop table x") is None


def test_an_overflow_is_null_too():
    assert value("cast(a as decimal(18,2)) * cast(a as decimal(18,2))", a="9" * 16) is None


def test_columns_are_listed_once_in_order():
    assert columns_of(parsed('n * a + n + "my col"')) == ("n", "a", "my col")
