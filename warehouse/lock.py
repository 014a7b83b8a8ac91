"""One writer at a time, by an operating-system file lock that dies with its process.

Belongs here: taking and waiting for the writer lock, and for that of a small file; who is told that
something is waited for. Does not belong here: queues of runs (Dagster orders those; this decides).
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from warehouse.errors import UsageError
from warehouse.home import Home

PATIENCE, POLL_SECONDS = 3600.0, 0.2
OnWait = Callable[[str], None]

_told: ContextVar[OnWait | None] = ContextVar("told", default=None)


@contextmanager
def waits_told(on_wait: OnWait) -> Iterator[None]:
    """Let somebody be told of each file that is waited for meanwhile, who has time then."""
    token = _told.set(on_wait)
    try:
        yield
    finally:
        _told.reset(token)


def told_of_waits() -> OnWait | None:
    """Return who is told by now, if anybody is."""
    return _told.get()


@contextmanager
def writer_lock(
    who: str, *, patience: float = PATIENCE, on_wait: OnWait | None = None
) -> Iterator[None]:
    """Hold the writer lock of this home.

    Parameters
    ----------
    who
        What the lock is held for; others that wait are shown it.
    patience
        Seconds to wait for another writer.
    on_wait
        Called once, with the holder's description, if there is something to wait for.

    Raises
    ------
    UsageError
        If the other writer hasn't finished within ``patience``.
    """
    path = Home.current().make().lock
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, patience, on_wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{who} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def writes() -> bool:
    """Tell whether somebody holds the writer lock of this home at this moment."""
    return is_held(Home.current().make().lock)


def is_held(path: Path) -> bool:
    """Tell whether a process has a file locked; one that nobody ever locked is made."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def file_lock(name: str) -> Iterator[Home]:
    """Hold the lock of a small file of this home, for the moment of reading or writing it."""
    home = Home.current().make()
    descriptor = os.open(home.root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield home
    finally:
        os.close(descriptor)


def _take(descriptor: int, patience: float, on_wait: Callable[[str], None] | None) -> None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another writer"
        if time.monotonic() > deadline:
            raise UsageError(
                f"{holder} has held the warehouse for {patience:.0f} s", "wait for it, or stop it"
            )
        if on_wait and not told:
            on_wait(holder)
            told = True
        time.sleep(POLL_SECONDS)
