"""Published files: whoever stops a building isn't kept waiting, and rows leave by themselves."""

import os
import signal
import threading
import time

import pytest

from warehouse.clear import IN_CLEAR
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import UsageError
from warehouse.publish import publish, thin_out
from warehouse.rewrite import rewrite

FOR_MINUTES = "select sum(hash(a.range * b.range)) from range(1_000_000) a, range(200_000) b"


@pytest.fixture
def heeded():
    """Heed Ctrl-C, which workers of the tests don't."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_who_stops_it_waits_for_no_file_that_is_being_filled(home):
    with connected(warehouse_store()) as connection:
        connection.execute("create table done as select 1 as x")
    stop = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    stop.start()
    with pytest.raises(KeyboardInterrupt):
        publish({"offers": {"mart": FOR_MINUTES}, "segmentation": {"mart": "select * from done"}})
    assert time.monotonic() - began < 30
    assert not list(home.published.glob("[!.]*"))
    assert publish({"offers": {"mart": "select * from done"}}) == {"offers": {"mart": 1}}


GONE = b"canary of row 7,"


def test_rows_that_go_leave_the_others_as_they_are_and_the_disk_once_it_is_written_anew(
    home, monkeypatch
):
    monkeypatch.setenv(IN_CLEAR, "1")
    with connected(warehouse_store()) as connection:
        connection.execute(
            "create table made as select range as x, 'canary of row ' || range || ',' as said"
            " from range(5000)"
        )
    publish({
        name: {"mart": "select * from made", "about": "select 1 as x"}
        for name in ("offers", "segmentation")
    })  # fmt: skip
    file, other = (home.published_file(name) for name in ("segmentation", "offers"))
    before = other.read_bytes()
    assert GONE in file.read_bytes()
    thin_out({"segmentation": {"mart": "x in (7)"}}, {"segmentation": {"noted": "select 2 as x"}})
    with connected(published_store("segmentation")) as connection:
        rows = connection.execute("select x, said from mart order by x").fetchall()
        assert connection.execute("select x from about").fetchall() == [(1,)]
        assert connection.execute("select x from noted").fetchall() == [(2,)]
    assert rows == [(x, f"canary of row {x},") for x in range(5000) if x != 7]
    assert other.read_bytes() == before
    assert sorted(path.name for path in home.published.iterdir()) == [
        "offers.duckdb", "segmentation.duckdb",
    ]  # fmt: skip
    rewrite([published_store("segmentation")])
    assert GONE not in file.read_bytes()
    with connected(published_store("segmentation")) as connection:
        assert connection.execute("select x, said from mart order by x").fetchall() == rows


def test_rows_leave_all_files_or_none(home):
    with connected(warehouse_store()) as connection:
        connection.execute("create table made as select range as x from range(10)")
    publish({name: {"mart": "select * from made"} for name in ("offers", "segmentation")})
    content = home.published_file("segmentation").read_bytes()
    content = content[:9000] + bytes(200) + content[9200:]
    home.published_file("segmentation").write_bytes(content)
    with pytest.raises(UsageError):
        thin_out({name: {"mart": "x = 7"} for name in ("offers", "segmentation")})
    with connected(published_store("offers")) as connection:
        assert connection.execute("select count(*) from mart").fetchall() == [(10,)]
