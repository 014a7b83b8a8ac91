"""What a killed process was writing aside is removed by the next that writes; nobody else's is."""

import os
import signal
import subprocess
import sys

import pytest

from governance import identity
from orchestration.writer import begin_writing
from warehouse import aside, connect, keys
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.journal import write_durably

# Each is killed with something written aside: a file of facts, a key, the sign that a run is alive,
# a published file, a database.
KILLED = """
import os, signal, sys
import warehouse.alive, warehouse.journal, warehouse.keys, warehouse.publish, warehouse.rewrite
from pathlib import Path
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

what = sys.argv[1]
home = Home.current().make()
with connected(warehouse_store()) as connection:
    connection.execute("create or replace table main.t as select 1 as x")
if what == "facts":
    os.replace = kill
    warehouse.journal.write_durably(home.evidence / "status.json", b"{}")
elif what == "alive":
    os.replace = kill
    warehouse.alive.begin("42b7a143-37fc-4cd3-b9d5-55c107ed7146")
elif what == "key":
    os.link = kill
    warehouse.keys.get("salts")
elif what == "published":
    warehouse.publish.sync_file = kill
    warehouse.publish.publish({"offers": {"t": "select * from warehouse.main.t"}})
elif what == "rewritten":
    warehouse.rewrite.sync_file = kill
    warehouse.rewrite.rewrite([warehouse_store()])
"""


# A write that makes a file longer than so many bytes kills: of a new database's three headers, each
# of 4096 bytes, it is the first, the second or the third.
BEGINS = """
import resource, signal, sys
from warehouse import keys
from warehouse.connect import connected, warehouse_store

keys.get("warehouse")
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
with connected(warehouse_store()) as connection:
    pass
"""


def hidden(home: Home) -> list[str]:
    found = [path for folder in (home.root, keys.folder()) for path in folder.rglob(".*")]
    return sorted(path.name for path in found)


@pytest.mark.parametrize("longest", [100, 4096, 8192])
def test_a_kill_while_a_database_is_begun_leaves_no_damaged_one(home, longest):
    process = subprocess.run([sys.executable, "-c", BEGINS, str(longest)], check=False)
    assert process.returncode == -signal.SIGXFSZ
    left = hidden(home)
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.t as select 1 as x")
    assert left  # positive control
    begin_writing()
    assert hidden(home) == []


def test_what_is_left_beside_a_lost_database_is_not_of_the_next(home):
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.t as select 1 as x")
        left = home.warehouse.with_name(home.warehouse.name + ".wal")
        of_killed = left.read_bytes()
    assert of_killed  # positive control
    home.warehouse.unlink()
    left.write_bytes(of_killed)
    with connected(warehouse_store()) as connection:
        assert not connection.execute("from duckdb_tables()").fetchall()


def test_the_database_that_says_that_something_has_landed_is_made_last(home, monkeypatch):
    made = []
    monkeypatch.setattr(connect, "_take_name", lambda aside, path, take=connect._take_name:
                        made.append(path.stem) or take(aside, path))  # fmt: skip
    with connected(warehouse_store(), *identity.stores()) as connection:
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert made == ["salts", "vault", "warehouse"]
    assert sorted(tables) == [("salts",), ("subjects",)]  # by now neither is there without


@pytest.mark.parametrize("what", ["facts", "alive", "key", "published", "rewritten"])
def test_what_a_kill_leaves_aside_is_removed(home, what):
    process = subprocess.run([sys.executable, "-c", KILLED, what], check=False)
    assert process.returncode == -signal.SIGKILL
    assert hidden(home)  # positive control
    begin_writing()
    assert hidden(home) == []


def test_what_somebody_is_writing_is_left_alone(home):
    path, descriptor = aside.begun(home.evidence / "status.json")
    begin_writing()
    assert path.exists()
    os.close(descriptor)
    begin_writing()
    assert not path.exists()


def test_a_file_that_is_cleared_before_it_was_locked_is_begun_again(home, monkeypatch):
    lock, first = aside.fcntl.flock, []

    def too_late(descriptor, how):
        if not first:
            (path,) = home.evidence.iterdir()
            first.append(path)
            path.unlink()
        lock(descriptor, how)

    monkeypatch.setattr(aside.fcntl, "flock", too_late)
    write_durably(home.evidence / "status.json", b"{}")
    assert first
    assert (home.evidence / "status.json").read_bytes() == b"{}"
    assert hidden(home) == []
