"""Building published files: whoever stops it isn't kept waiting."""

import os
import signal
import threading
import time

import pytest

from warehouse.connect import connected, warehouse_store
from warehouse.publish import publish

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
