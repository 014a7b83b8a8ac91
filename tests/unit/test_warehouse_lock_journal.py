"""One writer at a time, and multi-file work that is finished once begun."""

import os
import signal
import subprocess
import sys
import time

import pytest

from warehouse import journal, keys
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import KeyMissingError, UsageError
from warehouse.lock import writer_lock
from warehouse.publish import STEPS, before, publish

HOLD = "import time\nfrom warehouse.lock import writer_lock\nwith writer_lock('another'):\n print(flush=True)\n time.sleep(60)"  # noqa: E501


def _holder() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_second_writer_waits_and_is_told_for_whom(home):
    holder = _holder()
    told: list[str] = []
    try:
        with (
            pytest.raises(UsageError, match="another"),
            writer_lock("me", patience=0.3, on_wait=told.append),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    assert told == [f"another (process {holder.pid})"]


def test_the_lock_dies_with_its_process(home):
    holder = _holder()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    began = time.monotonic()
    with writer_lock("me", patience=5):
        assert time.monotonic() - began < 5


def test_what_a_killed_process_began_is_finished_in_order(home):
    journal.begin("one", {"n": 1})
    journal.begin("two", {"n": 2})
    done: list[int] = []
    steps = {"one": lambda p: done.append(p["n"]), "two": lambda p: done.append(p["n"])}
    assert journal.complete(steps) == ["one", "two"]
    assert done == [1, 2]
    assert journal.complete(steps) == []


def test_unknown_work_stops_the_run_and_stays(home):
    journal.begin("later", {})
    for _ in range(2):
        with pytest.raises(UsageError, match="can't do: later"):
            journal.complete({})


def test_a_step_that_fails_is_tried_again(home):
    journal.begin("one", {})

    def fail(_: dict[str, object]) -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        journal.complete({"one": fail})
    assert journal.complete({"one": lambda _: None}) == ["one"]


def _landed(value: int) -> None:
    with connected(warehouse_store()) as connection:
        connection.execute(f"create or replace table main.t as select {value} as x")


def _read(purpose: str) -> list[tuple[int]]:
    with connected(published_store(purpose)) as connection:
        return connection.execute("select x from t").fetchall()


def test_publishing_replaces_whole_files(home):
    _landed(1)
    tables = {p: {"t": "select * from warehouse.main.t"} for p in ("offers", "segments")}
    assert publish(tables) == {"offers": {"t": 1}, "segments": {"t": 1}}
    _landed(2)
    publish({"offers": tables["offers"]})
    assert (_read("offers"), _read("segments")) == ([(2,)], [(1,)])


def test_a_reader_keeps_what_it_opened_while_it_is_replaced(home):
    _landed(1)
    tables = {"offers": {"t": "select * from warehouse.main.t"}}
    publish(tables)
    with connected(published_store("offers")) as reader:
        _landed(2)
        publish(tables)
        assert reader.execute("select x from t").fetchall() == [(1,)]
    assert _read("offers") == [(2,)]


def test_a_swap_that_was_cut_short_is_completed(home, monkeypatch):
    _landed(1)
    tables = {p: {"t": "select * from warehouse.main.t"} for p in ("offers", "segments")}
    publish(tables)
    _landed(2)
    replace, calls = os.replace, []

    def killed(source, target):
        if str(target).endswith("segments.duckdb"):
            raise KeyboardInterrupt
        calls.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(tables)
    monkeypatch.setattr(os, "replace", replace)
    assert (_read("offers"), _read("segments")) == ([(2,)], [(1,)])
    assert journal.complete(STEPS) == ["publish"]
    assert (_read("offers"), _read("segments")) == ([(2,)], [(2,)])


def test_a_build_that_fails_leaves_what_was_published(home):
    _landed(1)
    publish({"offers": {"t": "select * from warehouse.main.t"}})
    with pytest.raises(Exception, match="missing"):
        publish({"offers": {"t": "select * from warehouse.main.missing"}})
    assert _read("offers") == [(1,)]
    assert journal.complete(STEPS) == []


def test_of_several_files_none_is_swapped_unless_all_are_built(home):
    _landed(1)
    tables = {p: {"t": "select * from warehouse.main.t"} for p in ("offers", "segments", "third")}
    publish(tables)
    _landed(2)
    with pytest.raises(Exception, match="missing"):
        publish(tables | {"segments": {"t": "select * from warehouse.main.missing"}})
    assert [_read(purpose) for purpose in tables] == [[(1,)]] * 3
    assert journal.complete(STEPS) == []
    built_over = {p: {"t": f"select x + 1 as x from {before(p)}.t"} for p in tables}
    publish(built_over, over=True)
    assert [_read(purpose) for purpose in tables] == [[(2,)]] * 3


def test_published_files_have_keys_of_their_own(home, monkeypatch):
    _landed(1)
    publish({p: {"t": "select 1 as x"} for p in ("offers", "segments")})
    monkeypatch.setenv("ASSENT_KEY_PUBLISHED_OFFERS", keys.get("published_segments"))
    with pytest.raises(KeyMissingError, match=r"doesn't fit the file offers\.duckdb"):
        _read("offers")
