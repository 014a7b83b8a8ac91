"""Files for a recipient: a process that is killed leaves them whole or not at all."""

import signal
import subprocess
import sys

import pytest

from governance import handover
from warehouse.home import PROJECT

# Killed once a file is aside, or between the first and the second being put there.
KILLED = """
import os, sys
from contextlib import ExitStack
from pathlib import Path
from governance.handover import set_aside
folder = Path(sys.argv[1])
with ExitStack() as aside:
    puts = [aside.enter_context(set_aside(folder / n, b"x" * 1_000_000)) for n in ("a", "b")]
    for put in puts[:int(sys.argv[2])]:
        put()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("put", "left"), [("0", []), ("1", ["a"]), ("2", ["a", "b"])])
def test_a_kill_leaves_no_half_written_file(tmp_path, put, left):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), put], cwd=PROJECT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert sorted(p.name for p in tmp_path.iterdir()) == left
    assert {p.stat().st_size for p in tmp_path.iterdir()} <= {1_000_000}
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} <= {0o600}


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_not_put_there_is_gone(tmp_path, monkeypatch, nameless):
    if not nameless:  # as on a system without such files
        monkeypatch.delattr("os.O_TMPFILE")
    with handover.set_aside(tmp_path / "a", b"1"):
        assert bool(list(tmp_path.iterdir())) is not nameless
    assert list(tmp_path.iterdir()) == []
    with handover.set_aside(tmp_path / "a", b"1") as put:
        put()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"1"]
