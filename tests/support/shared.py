"""What several workers need, made once for all of them.

Belongs here: who makes it, and that the others wait for it. Does not belong here: what is made.
"""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Any:
    """Return what is made in a folder of that name; the first worker that asks makes it.

    Each worker gets its own equal of it, but the folder is everybody's: whoever changes something
    there changes a copy.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # a worker's own folder lies in the one of the whole session
    kept = root / f"{name}.pickle"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            folder = root / f"shared_{name}"
            shutil.rmtree(folder, ignore_errors=True)  # left by one who failed
            folder.mkdir()
            kept.write_bytes(pickle.dumps(make(folder)))
    return pickle.loads(kept.read_bytes())  # noqa: S301  # our own
