"""Damaged files: one that can't be read is put aside before another takes its place.

Belongs here: copying it to where nothing reads or removes it, with what DuckDB writes beside it.
Does not belong here: telling whether a file can be read (``connect.whole``), what takes its place
(``governance.backup``).
"""

from pathlib import Path

from warehouse.backup import copy_file
from warehouse.clock import now
from warehouse.connect import COMPANIONS
from warehouse.home import Home
from warehouse.journal import sync_folder


def put_aside(path: Path) -> Path | None:
    """Copy a file of the state to where nothing removes it; return where, None if there is none."""
    found = [end for end in COMPANIONS if path.with_name(path.name + end).exists()]
    if not found:
        return None
    folder = Home.current().damaged
    folder.mkdir(mode=0o700, exist_ok=True)
    aside = folder / f"{path.name}-{now():%Y%m%dT%H%M%S}"
    for end in found:
        target = aside.with_name(aside.name + end)
        target.unlink(missing_ok=True)
        copy_file(path.with_name(path.name + end), target)
    sync_folder(folder)
    return aside
