"""The journal: multi-file work that must be finished once it has begun.

Belongs here: entries, their steps, and completing what a killed process left. Does not belong
here: work within one DuckDB file; that is a transaction. No transaction spans two files, so an
entry is written first, each step is idempotent, and every run begins with :func:`complete`.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.aside import begun
from warehouse.errors import UsageError
from warehouse.home import Home

Step = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Entry:
    """One piece of work: its kind names the function that does or finishes it."""

    path: Path
    kind: str
    payload: dict[str, Any]

    def close(self) -> None:
        """Mark the work as finished."""
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)


def begin(kind: str, payload: dict[str, Any]) -> Entry:
    """Write an entry to disk, durably, before the work begins."""
    folder = Home.current().make().journal
    order = max((int(p.name.split("-")[0]) for p in folder.glob("*.json")), default=0) + 1
    path = folder / f"{order:06d}-{secrets.token_hex(4)}.json"
    write_durably(path, json.dumps({"kind": kind, "payload": payload}).encode())
    return Entry(path, kind, payload)


def waits() -> bool:
    """Tell whether work isn't finished: by whoever does it still, or one who was killed."""
    return any(Home.current().journal.glob("*.json"))


def complete(steps: Mapping[str, Step]) -> list[str]:
    """Finish, in order, whatever an earlier process began; return the kinds of work finished.

    Raises
    ------
    UsageError
        If an entry's kind is not known to this version.
    """
    finished = []
    for path in sorted(Home.current().make().journal.glob("*.json")):
        content = read_json(path, "restore it from a backup: work on several files waits in it")
        if content["kind"] not in steps:
            raise UsageError(
                f"the journal holds unfinished work that this version can't do: {content['kind']}",
                "run the version of Assent that began it",
            )
        steps[content["kind"]](content["payload"])
        Entry(path, content["kind"], content["payload"]).close()
        finished.append(content["kind"])
    return finished


def read_json(path: Path, mend: str) -> dict[str, Any]:
    """Return the object that a small file of ours holds.

    Parameters
    ----------
    path
        The file.
    mend
        What to do if it isn't whole.

    Raises
    ------
    UsageError
        If it holds no JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UsageError(f"{path} isn't whole: it holds no JSON object", mend)
    return content


def write_durably(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and see it to the disk."""
    aside, descriptor = begun(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.replace(aside, path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """See a closed file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """See a folder's entries to the disk."""
    sync_file(folder)
