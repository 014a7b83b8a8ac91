"""Time and memory of a command and everything that it starts.

Belongs here: running a command as users do and watching it. Does not belong here: which command.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds; the greatest resident memory of the whole process tree in GiB."""

    seconds: float
    peak_gib: float


def measure(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails; its output is in ``log``.
    """
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
        watcher = _Watcher(process.pid)
        watcher.start()
        status = process.wait()
    watcher.done.set()
    watcher.join()
    if status:
        raise RuntimeError(f"{' '.join(command[:4])} ... ended with {status}; see {log}")
    return Cost(time.monotonic() - began, watcher.peak / 2**30)


class _Watcher(threading.Thread):
    """Adds up the resident memory of a process and its descendants, again and again."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.done = root, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(EVERY_SECONDS):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _tree(self.root)))


def _tree(root: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            parents[int(folder.name)] = _parent(folder)
    found, frontier = [root], [root]
    while frontier:
        frontier = [pid for pid, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0
