"""Python entry points: what they return lands, and each way to fail is one clear line."""

import sys
from datetime import datetime

import pyarrow as pa
import pytest

from ingest.check import check_sources
from tests.support.feeds import (
    EVENT,
    EVENTS,
    UTC_POLICY,
    declared,
    load,
    must_reconcile,
    sources_in,
    totals,
    write_csv,
)
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")

MODULE = """
import sys
import numpy as np
import pyarrow as pa
from datetime import datetime
from warehouse.errors import UsageError
ROWS = {"customer_id": ["ann", "bob"], "occurred_at": [datetime(2024, 5, 1)] * 2, "value": [1, 2]}
def table(): return pa.table(ROWS)
def reader(): return pa.table(ROWS).to_reader(max_chunksize=1)
def rows(): return [1]
def wrong(): raise ValueError("secret value of Jane")
def leaves(): sys.exit(0)
def halves(): return pa.table(ROWS | {"value": np.ones(2, dtype=np.float16)})
def wide(): return pa.table(ROWS | {"value": pa.array([1, 2]).cast(pa.decimal256(50, 2))})
def ending():
    def batches():
        yield from pa.table(ROWS).to_batches()
        sys.exit(0)
    return pa.RecordBatchReader.from_batches(pa.table(ROWS).schema, batches())
def ours(): raise UsageError("the till is closed", "open it")
number = 5
"""


@pytest.fixture
def module(tmp_path):
    (tmp_path / "till_module.py").write_text(MODULE)
    write_csv(tmp_path / "consent_events.csv", EVENTS, [EVENT])
    yield "till_module"
    sys.modules.pop("till_module", None)


def entry(name: str) -> dict:
    columns = {name: name for name in ("customer_id", "occurred_at", "value")}
    made = declared("transactions", connector="python", entry_point=name, columns=columns)
    return {k: v for k, v in made.items() if k not in ("paths", "format")}


@pytest.mark.parametrize("function", ["table", "reader"])
def test_a_python_entry_point_beside_the_sources_file(tmp_path, module, function):
    sources = sources_in(tmp_path, transactions=entry(f"{module}:{function}"))
    load(sources)
    assert totals("transactions") == (2, 2, 0, 0, 0)
    assert str(tmp_path) not in sys.path
    assert load(sources).skipped == {"transactions": 1, "consent_events": 1}
    rows = sys.modules[module].ROWS
    rows |= {"customer_id": ["ann", "bob", "cy"], "occurred_at": [datetime(2024, 5, 1)] * 3,
             "value": [1, 2, 3]}  # fmt: skip
    load(sources)
    assert totals("transactions") == (5, 3, 0, 2, 0)
    must_reconcile()


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("till_module:rows", "returned a list"),
        ("till_module:wrong", "failed with ValueError"),
        ("till_module:leaves", "failed with SystemExit"),
        ("till_module:halves", "the types of its columns"),
        ("till_module:wide", "the types of its columns"),
        ("till_module:ending", "the batches that it yields"),
        ("till_module:ours", "the till is closed"),
        ("till_module:number", "no function 'number'"),
        ("till_module:none", "no function 'none'"),
        ("no_such_module:f", "no module 'no_such_module'"),
    ],
)
def test_an_entry_point_that_fails_is_one_clear_line(tmp_path, module, point, said):
    with pytest.raises(UsageError) as caught:
        load(sources_in(tmp_path, transactions=entry(point)))
    assert said in str(caught.value)
    assert "Jane" not in str(caught.value)
    (found,) = check_sources(sources_in(tmp_path, transactions=entry(point)), UTC_POLICY)
    assert found.blocking
    assert said in str(found)


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_a_module_that_cannot_be_imported(tmp_path, module, error):
    (tmp_path / "till_broken.py").write_text(f"raise {error}('secret')")
    with pytest.raises(UsageError, match=f"importing the module failed with {error}"):
        load(sources_in(tmp_path, transactions=entry("till_broken:f")))


def test_a_table_with_a_missing_or_double_column(tmp_path, module, monkeypatch):
    sources = sources_in(tmp_path, transactions=entry(f"{module}:table"))
    load(sources)
    rows = sys.modules[module]
    less = pa.table({"customer_id": ["a"], "value": [1]})
    monkeypatch.setattr(rows, "table", lambda: less)
    with pytest.raises(UsageError, match="no column 'occurred_at'"):
        load(sources)
    twice = pa.table([["a"], ["b"], [1], [datetime(2024, 5, 1)]],
                     names=["customer_id", "customer_id", "value", "occurred_at"])  # fmt: skip
    monkeypatch.setattr(rows, "table", lambda: twice)
    with pytest.raises(UsageError, match="more than once"):
        load(sources, UTC_POLICY)
