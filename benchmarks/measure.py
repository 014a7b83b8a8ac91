"""Time and memory of a command and everything that it starts.

Belongs here: running a command as users do and watching it. Does not belong here: which command.
"""

import os
import re
import resource
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
    """What a command took.

    Attributes
    ----------
    seconds
        Wall time.
    cpu_seconds
        Processor time, user and system, of the whole process tree: what other work on the machine
        changes least.
    peak_gib
        The greatest resident memory of the whole process tree.
    steps
        Seconds by step, the longest first, of a command that prints them (`assent run`).
    """

    seconds: float
    cpu_seconds: float
    peak_gib: float
    steps: tuple[tuple[str, float], ...] = ()


def measure(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails; its output is in ``log``.
    """
    began, used = time.monotonic(), _cpu()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
        watcher = Watcher(process.pid)
        watcher.start()
        status = process.wait()
    watcher.done.set()
    watcher.join()
    if status:
        raise RuntimeError(f"{' '.join(command[:4])} ... ended with {status}; see {log}")
    seconds, cpu = time.monotonic() - began, _cpu() - used
    return Cost(seconds, cpu, watcher.peak / 2**30, _steps(log.read_text(errors="replace")))


def _cpu() -> float:
    """Return the processor time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _steps(output: str) -> tuple[tuple[str, float], ...]:
    found = re.findall(r"^  done +([\d.]+) s  (.+)$", output, re.MULTILINE)
    return tuple(sorted(((step, float(s)) for s, step in found), key=lambda pair: -pair[1]))


class Watcher(threading.Thread):
    """Adds up the resident memory of a process and its descendants, again and again.

    ``peak`` is the greatest in bytes, until ``done`` is set.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.done = root, 0, threading.Event()

    def run(self) -> None:
        """Look on until ``done`` is set."""
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
