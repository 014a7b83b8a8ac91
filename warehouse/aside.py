"""Files on their way: written aside, under a hidden name, until each takes its own.

Belongs here: beginning one, so that it is known whether anybody is still at it, and removing what
killed processes left. Does not belong here: what is written, and when it takes its name
(``journal``, ``keys``, ``publish``, ``rewrite``).
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.home import Home

_MADE = f".*.{'[0-9a-f]' * 8}"


def begun(path: Path) -> tuple[Path, int]:
    """Begin a file beside another; return its path and a descriptor, which says that it is alive.

    Parameters
    ----------
    path
        The file whose name it is to take.
    """
    while True:
        aside = hidden(path)
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if aside.exists():  # nobody took it for left over before it was locked
            return aside, descriptor
        os.close(descriptor)


def hidden(path: Path) -> Path:
    """Return a new hidden name beside a file's own, which :func:`clear` knows."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Let one process at a time give a name of a folder away that others want, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def clear(*folders: Path) -> None:
    """Remove what killed processes left aside; the caller holds the lock, the journal is complete.

    A database that was being built is whole rows of people, which no erasure looks for there.

    Parameters
    ----------
    *folders
        Where files are written aside beside the home.
    """
    home = Home.current()
    for built in (*home.root.glob(".*.rewritten*"), *home.published.glob(".*")):
        built.unlink()
    found = [*home.root.rglob(_MADE), *(path for folder in folders for path in folder.glob(_MADE))]
    for path in found:
        if path.is_file():
            _remove_unless_alive(path)


def _remove_unless_alive(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # it has taken its name
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
