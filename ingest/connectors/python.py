"""Python entry points: a function that returns Arrow data.

Belongs here: finding and calling the function, handing its rows to DuckDB. Does not belong here:
any particular feed (those are the company's, or under ``examples/``).
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from ingest.connectors.source import (
    POSITION,
    Candidate,
    Source,
    content_digest,
    described,
    mapped_columns,
    reading,
    require_columns,
)
from ingest.connectors.withheld import withheld
from ingest.model import FeedSource
from warehouse.errors import AssentError, UsageError

TYPES = "look at the types of its columns: DuckDB has no half floats, for one"
# A feed's code that ends the process hasn't delivered anything, whatever status it ends it with.
FAILURES = (Exception, SystemExit)


def python_candidate(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, name: str, folder: Path
) -> Candidate:
    """Return a feed's entry point; ``folder`` (of ``sources.yaml``) is searched for its module."""
    entry_point = str(feed.entry_point)
    wanted = mapped_columns(feed)

    def opened() -> Source:
        return arrow_source(connection, _called(entry_point, folder), f"feed_{name}", entry_point,
                            wanted)  # fmt: skip

    def content(source: Source) -> str:
        return content_digest(connection, source, wanted, ordered=True)

    return Candidate(entry_point, entry_point, "", opened, content)


def arrow_source(
    connection: duckdb.DuckDBPyConnection,
    data: Any,
    relation: str,
    name: str,
    wanted: tuple[str, ...],
) -> Source:
    """Make an Arrow table or reader scannable; only the wanted columns are kept.

    Parameters
    ----------
    data
        ``pyarrow.Table`` (stays where it is) or ``RecordBatchReader`` (can be read once, so its
        rows are put into a temporary table, encrypted where it spills).
    relation
        The name to give it in ``connection``.
    name
        What a person is told.

    Raises
    ------
    UsageError
        If it is neither, or a column is missing.
    """
    import numpy as np
    import pyarrow as pa

    if not isinstance(data, pa.Table | pa.RecordBatchReader):
        raise UsageError(
            f"{name} returned a {type(data).__name__}",
            "return a pyarrow.Table or a pyarrow.RecordBatchReader",
        )
    require_columns(name, wanted, data.schema.names)
    for column in wanted:
        if data.schema.names.count(column) > 1:
            raise UsageError(f"{name} has the column '{column}' more than once", "rename one")
    if isinstance(data, pa.Table):
        # In a total order by itself: DuckDB scans a table with several threads.
        positions = pa.array(np.arange(1, data.num_rows + 1, dtype=np.int64))
        data = data.select(list(wanted)).append_column(POSITION, positions)
        with reading(name, TYPES):
            connection.register(relation, data)
    else:
        _copied(connection, data, relation, name)
    with reading(name, TYPES):
        columns = described(connection, relation)
    return Source(name, columns, relation=relation, numbered=relation)


def _copied(connection: duckdb.DuckDBPyConnection, reader: Any, relation: str, name: str) -> None:
    connection.register(f"{relation}_reader", reader)
    with reading(name, "look at the batches that it yields"), withheld(name):
        connection.execute(
            f"create or replace temp table {relation} as"
            f" select *, row_number() over () as {POSITION} from {relation}_reader"
        )
    connection.unregister(f"{relation}_reader")


def _called(entry_point: str, folder: Path) -> Any:
    """Call an entry point; of what it says only the kind of its error is shown.

    Its messages and what it writes may quote a row.
    """
    try:
        with withheld(entry_point), _importable(folder):
            return _found(entry_point, folder)()
    except AssentError:
        raise
    except FAILURES as error:
        raise UsageError(
            f"{entry_point} failed with {type(error).__name__}",
            "call it by itself to see why (the message may hold values, so it isn't shown here)",
        ) from None


def _found(entry_point: str, folder: Path) -> Callable[[], Any]:
    module_name, _, function_name = entry_point.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{entry_point}: there is no module '{error.name}'",
            "install it, or put it beside sources.yaml",
        ) from None
    except FAILURES as error:
        raise UsageError(
            f"{entry_point}: importing the module failed with {type(error).__name__}",
            f"import it by itself to see why: python -c 'import {module_name}'",
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(
            f"{entry_point}: the module has no function '{function_name}'", "correct entry_point"
        )
    return function  # type: ignore[no-any-return]


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
