"""Great Expectations: the one adapter to it.

Belongs here: running a suite inside DuckDB over a connection that is already open, and bringing
back counts. Does not belong here: which suites there are (``suites``), verdicts (``result``).

Three things are peculiar. Great Expectations has no DuckDB datasource, and through duckdb-engine
it closes the connection before it fetches (upstream issue 10738), so the engine here keeps the
one connection that it was given, and never closes it: it is the caller's. Nothing is written
anywhere: no context, no store, no data docs. And no value comes back: results are counts, lists
of unexpected values have length 0, and of an error only the fact is kept, for its message may
quote a row.

The import takes seconds, so it happens when the first suite is built.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# Counts without the values that were counted.
COUNTS_ONLY = {
    "result_format": "SUMMARY",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
}


@dataclass(frozen=True)
class Outcome:
    """What one expectation found.

    Attributes
    ----------
    rule : str
        The rule that it stands for.
    what : str
        What was expected, in words.
    column : str or None
        The column that it is about, if about one.
    met : bool
        Whether the expectation was met.
    rows : int or None
        Rows that were looked at, where it counts rows.
    unexpected : int or None
        Rows that were not as expected.
    failed : bool
        Whether it could not be evaluated, or wasn't met and can't say by how many; then not met.
    """

    rule: str
    what: str
    column: str | None
    met: bool
    rows: int | None
    unexpected: int | None
    failed: bool


def great_expectations() -> Any:
    """Import Great Expectations: quiet, with analytics and progress bars off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

    return great_expectations


def run(
    connection: duckdb.DuckDBPyConnection, suite: "ExpectationSuite", *, schema: str, table: str
) -> list[Outcome]:
    """Run a suite over one table or view; every computation happens inside DuckDB.

    Parameters
    ----------
    connection
        Open, with the database of the table as its current one; left as it is, in the midst of a
        transaction too.
    suite
        Its expectations carry ``rule`` and ``what`` in their ``meta``.

    Returns
    -------
    list of Outcome
        One for each expectation, in no particular order.
    """
    great_expectations()
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.validator.validator import Validator

    with warnings.catch_warnings(), _engine(connection) as engine:
        warnings.simplefilter("ignore")
        data = SqlAlchemyBatchData(
            execution_engine=engine, table_name=table, schema_name=schema, create_temp_table=False
        )
        validator = Validator(
            execution_engine=engine, batches=[Batch(data=data)], interactive_evaluation=False
        )
        validator.metrics_calculator.show_progress_bars = False
        found = validator.graph_validate(
            configurations=[expectation.configuration for expectation in suite.expectations],
            runtime_configuration={"result_format": COUNTS_ONLY, "catch_exceptions": True},
        )
    return [_outcome(result) for result in found]


@contextmanager
def _engine(connection: duckdb.DuckDBPyConnection) -> Iterator[Any]:
    """Wrap a connection for Great Expectations, which may neither close it nor open another."""
    import sqlalchemy
    from duckdb_engine import ConnectionWrapper
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    class Lent(ConnectionWrapper):
        """The caller's connection: neither it nor a transaction upon it is anybody else's."""

        def begin(self) -> None:
            """Begin nothing: what is only read needs no transaction, or has the caller's."""

        def commit(self) -> None:
            """Leave the caller's transaction alone."""

        def rollback(self) -> None:
            """Leave the caller's transaction alone."""

        def close(self) -> None:
            """Leave the connection open."""

    class Keeping(SqlAlchemyExecutionEngine):
        _connection: Any

        @contextmanager
        def get_connection(self) -> Iterator[Any]:
            """Return the same connection every time, still open when results are fetched."""
            if self._connection is None:
                self._connection = self.engine.connect()
            yield self._connection

    engine = sqlalchemy.create_engine(
        "duckdb:///:memory:", creator=lambda: Lent(connection), poolclass=sqlalchemy.StaticPool
    )
    keeping = Keeping(engine=engine, create_temp_table=False)
    try:
        yield keeping
    finally:
        if keeping._connection is not None:
            keeping._connection.close()
        engine.dispose()


def _outcome(result: Any) -> Outcome:
    meta = result.expectation_config.meta
    counts = result.result or {}
    unexpected = counts.get("unexpected_count")
    if unexpected is None and isinstance(counts.get("observed_value"), int):
        unexpected = counts["observed_value"]
    # Verdicts go by counts: what isn't met without one would pass for kept.
    failed = _failed(result.exception_info or {}) or not (result.success or unexpected)
    return Outcome(
        rule=meta["rule"],
        what=meta["what"],
        column=result.expectation_config.kwargs.get("column"),
        met=bool(result.success) and not failed,
        rows=counts.get("element_count"),
        unexpected=unexpected,
        failed=failed,
    )


def _failed(info: dict[str, Any]) -> bool:
    """Tell whether evaluation failed, from the report on one exception or on several."""
    reports = [info] if "raised_exception" in info else list(info.values())
    return any(report.get("raised_exception") for report in reports)
