"""Ending a command by `kill -9` at a moment within its work that can be found again.

Belongs here: what counts as a step of the work, rehearsing a command to count its steps, spreading
moments over them, and the kill. Does not belong here: what has to hold afterwards (the tests).

A step is a call that changes what lies on the disk, or starts dbt. The process kills itself just
before the n-th of them, or some time after it, in the middle of what follows.
"""

import functools
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import util
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tests.support.installation import Installation, started

CALLS: tuple[tuple[Any, str], ...] = (
    (os, "fsync"), (os, "replace"), (os, "rename"), (os, "link"), (os, "unlink"),
    (shutil, "rmtree"), (duckdb.DuckDBPyConnection, "execute"),
)  # fmt: skip
CHANGING = re.compile(
    r"\s*(attach|begin|commit|checkpoint|copy|create|insert|update|delete|drop|alter)"
    r"(?!.* if not exists )",  # which most often changes nothing
    re.I | re.S,
)
STARTING = "start"
LONG = 0.02  # seconds; within less there is nothing to hit


@dataclass(frozen=True)
class Step:
    """A step of a rehearsed command, and the seconds until the next."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Moment:
    """Before the n-th step, counted from 1; or some seconds after it."""

    step: int
    after: float | None = None

    def __str__(self) -> str:
        """Say it as the message of a failed test does."""
        return f"step {self.step}" + ("" if self.after is None else f" and {self.after:.3f} s")


def rehearsed(one: Installation, log: Path, *arguments: str) -> list[Step]:
    """Let a command come to its end, and return its steps."""
    kept = log.with_suffix(".steps")
    process = started(one, log, *arguments, before=partial(_count, str(kept)))
    process.join()
    assert process.exitcode == 0, log.read_text()
    steps = [tuple(line) for line in json.loads(kept.read_text())]
    return [Step(name, following - at) for (name, at), (_, following) in itertools.pairwise(steps)]


def killed(one: Installation, log: Path, moment: Moment, *arguments: str) -> bool:
    """Kill a command at a moment; whether it hadn't come to its end by then."""
    process = started(one, log, *arguments, before=partial(_kill, moment))
    process.join()
    end_tails(process.pid)
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    return bool(process.exitcode)


def end_tails(group: int) -> None:
    """End what Dagster lets follow the output of a step, where it was killed in between.

    That is before it had started what ends them with it. Nothing else of the group of processes is
    ended: what dbt does once its process is gone is part of what is tested.
    """
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            process, _, rest = path.read_text().partition(" (")
        except OSError:  # it has ended meanwhile
            continue
        name, _, rest = rest.rpartition(") ")
        if (name, rest.split()[2]) == ("tail", str(group)):
            os.kill(int(process), signal.SIGKILL)


def spread(steps: Sequence[Step], count: int, *, among: str | None = None) -> list[Moment]:
    """Choose moments: every other one is before a step, evenly over these; the rest within them.

    Those lie evenly over the time that the rehearsal took, so most of them in what takes longest.

    Parameters
    ----------
    among
        The name of the steps within which all of them are to lie.
    """
    chosen = [n for n, step in enumerate(steps) if step.name == among or among is None]
    before = [] if among else chosen
    long = [n for n in chosen if steps[n].seconds >= LONG]
    at = (count + 1) // 2 if before else 0
    moments = [Moment(before[int(len(before) * (n + 0.5) / at)] + 1) for n in range(at)]
    ends = np.cumsum([steps[n].seconds for n in long])
    for n in range(count - at):
        when = float(ends[-1]) * (n + 0.5) / (count - at)
        place = int(np.searchsorted(ends, when))
        after = steps[long[place]].seconds - (float(ends[place]) - when)
        moments.append(Moment(long[place] + 1, after))
    return moments


def _count(kept: str) -> None:
    """Note the name and the time of each step until the end."""
    seen: list[tuple[str, float]] = []

    def end() -> None:
        seen.append(("end", time.monotonic()))
        Path(kept).write_text(json.dumps(seen))

    _at_each_step(lambda name: seen.append((name, time.monotonic())))
    util.Finalize(None, end, exitpriority=100)


def _kill(moment: Moment) -> None:
    """Kill this process at a moment; what it leaves behind is of its own group."""
    os.setpgid(0, 0)
    seen = 0

    def end() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def step(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == moment.step:
            if moment.after is None:
                end()
            timer = threading.Timer(moment.after or 0, end)
            timer.daemon = True
            timer.start()

    _at_each_step(step)


def _at_each_step(at: Any) -> None:
    """Call something before every step of this process."""

    def told(place: Any, name: str) -> None:
        original = getattr(place, name)

        @functools.wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            if name != "execute":
                if "dir_fd" not in options:  # not one by one of a folder that goes
                    at(name)
            elif CHANGING.match(str(arguments[1])):
                at(str(arguments[1]).split()[0].lower())
            return original(*arguments, **options)

        setattr(place, name, call)

    for place, name in CALLS:
        told(place, name)
    make = subprocess.Popen.__init__  # of a class that others derive from

    @functools.wraps(make)
    def start(self: Any, *arguments: Any, **options: Any) -> None:
        at(STARTING)
        make(self, *arguments, **options)

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
