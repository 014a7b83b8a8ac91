"""Which runs are alive: each holds a lock on a file of its own, which dies with its process.

Belongs here: saying that a run is alive, and finding those that are not. Does not belong here: who
may write (``warehouse.lock``), what is made of a run that is gone (``orchestration.writer``).
"""

import os

from warehouse.aside import begun
from warehouse.home import Home
from warehouse.lock import is_held

_held: dict[str, int] = {}


def begin(run: str) -> None:
    """Say that a run is alive, from now until this process ends or begins another.

    The lock isn't given back at the run's end, so that nobody takes a run that is about to be
    recorded as ended for one that never will.
    """
    if run in _held:
        return
    while _held:
        os.close(_held.popitem()[1])
    path = Home.current().make().running / run
    # Locked aside: at its own name, a file that isn't locked is that of a run that is gone.
    aside, descriptor = begun(path)
    os.replace(aside, path)
    _held[run] = descriptor


def gone() -> list[str]:
    """Return the runs whose process has ended, and that nobody has seen to since."""
    paths = Home.current().make().running.iterdir()
    return sorted(path.name for path in paths if path.name[0] != "." and not is_held(path))


def forget(run: str) -> None:
    """Take a run that is gone for seen to."""
    (Home.current().running / run).unlink(missing_ok=True)
