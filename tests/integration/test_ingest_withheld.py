"""What the code of a feed writes while it runs is kept nowhere, and is spoken of."""

import sys

import pytest

from ingest.check import check_sources
from tests.support.feeds import (
    EVENT,
    EVENTS,
    UTC_POLICY,
    declared,
    load,
    sources_in,
    totals,
    write_csv,
)

pytestmark = pytest.mark.usefixtures("home")

TALKATIVE = """
import logging, os, subprocess, sys, warnings
from datetime import datetime
import pyarrow as pa
print("imported for Jane")
ROWS = {"customer_id": ["ann"], "occurred_at": [datetime(2024, 5, 1)], "value": [1]}
def say():
    print("Jane bought")
    print("Jane paid", file=sys.stderr)
    logging.basicConfig(level="INFO")
    logging.getLogger("till").warning("Jane owes")
    warnings.warn("Jane left")
    os.write(2, b"Jane returned\\n")
    print("Jane in the buffer", file=sys.__stdout__)
    subprocess.run(["echo", "Jane outside"])
def table():
    say()
    return pa.table(ROWS)
def reader():
    def batches():
        say()
        yield from pa.table(ROWS).to_batches()
    return pa.RecordBatchReader.from_batches(pa.table(ROWS).schema, batches())
def quiet():
    return pa.table(ROWS)
def wrong():
    print("Jane, and no end of line", end="")
    raise ValueError("Jane")
"""


def entry(name: str) -> dict:
    columns = {name: name for name in ("customer_id", "occurred_at", "value")}
    made = declared("transactions", connector="python", entry_point=name, columns=columns)
    return {k: v for k, v in made.items() if k not in ("paths", "format")}


@pytest.fixture
def talkative(tmp_path):
    (tmp_path / "till_talks.py").write_text(TALKATIVE)
    write_csv(tmp_path / "consent_events.csv", EVENTS, [EVENT])
    yield "till_talks"
    sys.modules.pop("till_talks", None)


@pytest.mark.parametrize("function", ["table", "reader"])
def test_what_an_entry_point_writes_is_kept_nowhere(tmp_path, talkative, function, capfd, caplog):
    load(sources_in(tmp_path, transactions=entry(f"{talkative}:{function}")))
    out, err = capfd.readouterr()
    assert "Jane" not in out + err + caplog.text
    assert f"till_talks:{function} wrote " in err
    assert " lines, which may hold values, so they aren't kept" in err
    # One of each kind, and of the import, for each time that it is read.
    told = sum(int(line.split(" wrote ")[1].split()[0]) for line in err.splitlines())
    assert told >= 8
    assert totals("transactions") == (1, 1, 0, 0, 0)
    sys.stdout.write("heard again\n")
    assert capfd.readouterr().out == "heard again\n"


def test_a_failing_entry_point_is_withheld_too_also_while_checking(tmp_path, talkative, capfd):
    sources = sources_in(tmp_path, transactions=entry(f"{talkative}:wrong"))
    found = check_sources(sources, UTC_POLICY)
    out, err = capfd.readouterr()
    assert "Jane" not in out + err + str(found)
    assert "till_talks:wrong wrote 2 lines, which may hold values, so they aren't kept" in err


def test_a_quiet_entry_point_is_not_spoken_of(tmp_path, talkative, capfd):
    sources = sources_in(tmp_path, transactions=entry("till_talks:quiet"))
    load(sources)
    assert "wrote 1 line, which may hold values, so it isn't kept" in capfd.readouterr().err
    load(sources)  # the import is over
    assert "wrote" not in capfd.readouterr().err
