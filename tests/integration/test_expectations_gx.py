"""The adapter to Great Expectations: inside DuckDB, over a lent connection, without a trace."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations import gx
from tests.support.checked import CANARY
from warehouse.connect import connected, warehouse_store
from warehouse.home import PROJECT, Home

MART = (
    "create schema marts;"
    " create table marts.mart_x as select range::integer as number,"
    f" case when range = 7 then '{CANARY}' when range = 8 then null else 'plain' end as word,"
    " map {'A': 0.5} as mix from range(100)"
)


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse; use warehouse;" + MART)
    return connection


def expected(*names: str) -> Any:
    """Return a suite; each expectation finds the canary, or fails to be evaluated."""
    library = gx.great_expectations()
    of = library.expectations
    made = {
        "set": lambda meta: of.ExpectColumnValuesToBeInSet(
            column="word", value_set=["plain"], meta=meta
        ),
        "filled": lambda meta: of.ExpectColumnValuesToNotBeNull(column="word", meta=meta),
        "mostly": lambda meta: of.ExpectColumnValuesToNotBeNull(
            column="word", mostly=0.98, meta=meta
        ),
        "query": lambda meta: of.UnexpectedRowsExpectation(
            unexpected_rows_query="select word, number from {batch} where number between 6 and 8",
            meta=meta,
        ),
        "cast": lambda meta: of.UnexpectedRowsExpectation(
            unexpected_rows_query="select 1 from {batch} where word::integer > 1", meta=meta
        ),
        "mean": lambda meta: of.ExpectColumnMeanToBeBetween(
            column="number", max_value=1, meta=meta
        ),
        "missing": lambda meta: of.ExpectColumnValuesToNotBeNull(column="nonesuch", meta=meta),
    }
    return library.ExpectationSuite(
        "x", expectations=[made[name]({"rule": f"rule.{name}", "what": name}) for name in names]
    )


def run(connection: duckdb.DuckDBPyConnection, *names: str) -> dict[str, gx.Outcome]:
    found = gx.run(connection, expected(*names), schema="marts", table="mart_x")
    return {outcome.what: outcome for outcome in found}


def test_counts_come_back(connection: duckdb.DuckDBPyConnection) -> None:
    found = run(connection, "set", "filled", "mostly", "query")
    assert found["set"] == gx.Outcome("rule.set", "set", "word", False, 100, 1, False)
    assert found["filled"] == gx.Outcome("rule.filled", "filled", "word", False, 100, 1, False)
    assert found["mostly"].met
    assert (found["query"].met, found["query"].unexpected) == (False, 3)


def test_what_can_not_be_evaluated_is_not_met(connection: duckdb.DuckDBPyConnection) -> None:
    found = run(connection, "set", "cast", "missing", "mean")
    assert {w for w, o in found.items() if o.failed} == {"cast", "missing", "mean"}
    assert not any(o.met for o in found.values())
    # What isn't met, and has no count, would be no fault to who goes by counts.
    assert found["mean"].unexpected is None
    assert found["set"].unexpected == 1


def test_no_value_is_told(
    connection: duckdb.DuckDBPyConnection,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        found = run(connection, "set", "filled", "query", "cast", "missing")
    captured = capfd.readouterr()
    told = json.dumps([vars(o) for o in found.values()]) + captured.out + captured.err + caplog.text
    assert CANARY not in told
    assert "Calculating Metrics" not in captured.err


def test_the_connection_stays_the_callers(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create temp table mine as select 1 as one")
    for _ in range(2):
        run(connection, "set")
        connection.execute("begin")
        connection.execute("insert into mine values (2)")
        connection.execute("commit")
    assert connection.execute("select count(*) from mine").fetchone() == (3,)
    assert connection.execute("select current_database()").fetchone() == ("warehouse",)


def test_a_transaction_stays_the_callers(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("begin")
    connection.execute("insert into marts.mart_x by name select 'other' as word")
    assert run(connection, "set", "missing")["set"].unexpected == 2
    connection.execute("rollback")
    assert run(connection, "set")["set"].unexpected == 1


def test_another_database_with_the_same_names_is_left_alone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute(
        "attach ':memory:' as published; create schema published.marts;"
        " create table published.marts.mart_x as select 1 as nonesuch"
    )
    assert run(connection, "missing")["missing"].failed
    assert run(connection, "set")["set"].rows == 100


def test_an_encrypted_warehouse_with_locked_settings(home: Home) -> None:
    with connected(warehouse_store()) as connection:
        connection.execute(MART)
        assert run(connection, "set", "query")["query"].unexpected == 3


def test_nothing_is_written_and_import_waits(tmp_path: Path) -> None:
    """In a process of its own: with an empty home and folder, which stay empty."""
    script = f"""
import sys
import duckdb
import expectations.marts, expectations.feeds, expectations.segments, expectations.schemas
assert not {{"great_expectations", "pandera", "pandas"}} & set(sys.modules)
from expectations import gx
library = gx.great_expectations()
connection = duckdb.connect()
connection.execute({MART!r})
suite = library.ExpectationSuite("x", expectations=[
    library.expectations.ExpectColumnValuesToNotBeNull(
        column="word", meta={{"rule": "r", "what": "w"}})])
found, = gx.run(connection, suite, schema="marts", table="mart_x")
assert found.unexpected == 1, found
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == []
