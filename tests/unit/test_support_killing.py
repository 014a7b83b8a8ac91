"""What a killed command leaves behind is ended, and nothing that is of others."""

import signal
import subprocess
import sys
import time

from tests.support.killing import end_tails

LEAVES = """
import os, signal, subprocess, sys
os.setpgid(0, 0)
print(subprocess.Popen(["tail", "-F", sys.argv[1]], stdout=subprocess.DEVNULL).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def ended(process):
    """Tell whether a process is gone, or waits only for somebody to be told of it."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


def test_only_what_follows_logs_for_the_killed_is_ended(tmp_path):
    log = tmp_path / "log"
    log.touch()
    command = [sys.executable, "-c", LEAVES, str(log)]
    ours, others = (subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2))
    tails = {process: int(process.stdout.readline()) for process in (ours, others)}
    for process in tails:
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert not ended(tails[ours])  # positive control
    end_tails(ours.pid)
    assert not ended(tails[others])
    end_tails(others.pid)
    deadline = time.monotonic() + 10
    while not all(map(ended, tails.values())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
