"""Writing files anew: what was deleted leaves the disk, not only the tables.

Belongs here: copying what a file still holds into a new one and swapping it in. A row that SQL no
longer sees lies in the file's blocks until they are written over. Does not belong here: deleting
rows (``governance.rights``, ``publish.thin_out``).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from warehouse import written_with
from warehouse.connect import Store, connected
from warehouse.home import Home
from warehouse.journal import Step, begin, sync_file, sync_folder
from warehouse.sql import identifier

KIND = "rewrite"


def rewrite(stores: Sequence[Store]) -> None:
    """Write files anew with what they hold, and with the newest key that is supplied for each.

    One that isn't there isn't made. The caller holds the writer's lock.

    All are built aside before any is swapped in; a process that is killed before leaves the old
    ones, and one that is killed later, what the journal finishes.
    """
    there = [store for store in stores if store.path.exists()]
    for store in there:
        _build(store)
    root = Home.current().root
    files = [str(store.path.relative_to(root)) for store in there]
    keys = written_with.notes(store.key_name for store in there if store.published)
    entry = begin(KIND, {"files": files, "keys": keys})
    swap(entry.payload)
    entry.close()


def swap(payload: dict[str, Any]) -> None:
    """Swap in every file built aside; done twice, the second time finds nothing to do."""
    root = Home.current().root
    for name in payload["files"]:
        aside = _aside(root / name)
        if aside.exists():
            os.replace(aside, root / name)
            sync_folder(aside.parent)
    written_with.note(payload.get("keys", {}))  # an entry of an earlier version has none


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.rewritten")


def _build(store: Store) -> None:
    aside = _aside(store.path)
    for leftover in aside.parent.glob(f"{aside.name}*"):
        leftover.unlink()
    target = replace(store, alias="rewritten", path=aside, read_only=False)
    with connected(store, target) as connection:
        connection.execute(f"copy from database {identifier(store.alias)} to rewritten")
        connection.execute("checkpoint rewritten")
    sync_file(aside)


STEPS: Mapping[str, Step] = {KIND: swap}
