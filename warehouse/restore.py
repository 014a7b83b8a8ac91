"""Restoring: a state that was made ready aside takes the place of the present one.

Belongs here: where it is made ready, and moving it in so that a killed process leaves the old state
or what the next command finishes. Does not belong here: what has to hold before (``governance``).
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from warehouse.home import PASSING, RECORDS, RESTORING, Home
from warehouse.journal import Step, begin, sync_folder

KIND = "restore"


@contextmanager
def aside() -> Iterator[Home]:
    """Yield an empty home to make a state ready in; it is gone at the end, unless moved in."""
    clear()
    home = Home(Home.current().root / f"{RESTORING}{secrets.token_hex(4)}")
    home.root.mkdir(mode=0o700)
    try:
        yield home
    finally:
        shutil.rmtree(home.root, ignore_errors=True)


def clear() -> None:
    """Remove what a killed restore left aside; the caller holds the writer's lock."""
    for leftover in Home.current().root.glob(f"{RESTORING}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def move_in(ready: Home) -> None:
    """Let the state that is ready take the present one's place; the caller holds the lock.

    What only grows (``RECORDS``) stays, and gets what it lacks.
    """
    home = Home.current()
    comes = [entry.name for entry in sorted(ready.root.iterdir()) if _of_state(entry)]
    here = [entry.name for entry in sorted(home.root.iterdir()) if _of_state(entry)]
    # What is published goes first: readers find nothing until a run has judged the state anew.
    goes = ["published", "dbt", *(name for name in here if name not in (*comes, *RECORDS))]
    superseded = [path.name for path in home.journal.glob("*.json")]
    entry = begin(
        KIND, {"ready": ready.root.name, "comes": comes, "goes": goes, "superseded": superseded}
    )
    swap(entry.payload)
    entry.close()


def _of_state(entry: Path) -> bool:
    return entry.name not in PASSING and not entry.name.startswith(".") and entry.suffix != ".lock"


def swap(payload: dict[str, Any]) -> None:
    """Move the state in; done again after a kill, it finds what is left to do."""
    home = Home.current()
    if (home.root / payload["ready"]).exists():
        os.rename(home.root / payload["ready"], home.restoring)  # now nobody opens anything
        sync_folder(home.root)
    if not home.restoring.exists():
        return
    for name in payload["superseded"]:  # work on files that are replaced
        (home.journal / name).unlink(missing_ok=True)
    for name in payload["goes"]:
        _remove(home.root / name)
    for name in payload["comes"]:
        source, target = home.restoring / name, home.root / name
        if name in RECORDS:
            _fill_in(source, target)
        elif source.exists():
            _remove(target)
            os.rename(source, target)
    sync_folder(home.root)
    shutil.rmtree(home.restoring)
    home.make()


def _fill_in(source: Path, target: Path) -> None:
    """Move the files, or the one, that aren't there; those that are stay."""
    for path in (source, *sorted(source.rglob("*"))):
        place = target / path.relative_to(source)
        if path.is_file() and not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.rename(path, place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


STEPS: Mapping[str, Step] = {KIND: swap}
