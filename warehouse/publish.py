"""Publishing: build a purpose's file aside, sync it, swap it in.

Belongs here: the mechanics of replacing published files so that a reader never meets a writer
and never sees a half. Does not belong here: which tables a purpose publishes and whether it may
(``governance.release``).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from warehouse.connect import connected, published_store, warehouse_store
from warehouse.home import Home
from warehouse.journal import Step, begin, sync_file, sync_folder
from warehouse.sql import identifier

BEFORE = "before"  # what is published until then, in SQL


def publish(
    tables: Mapping[str, Mapping[str, str]], *, over: bool = False
) -> dict[str, dict[str, int]]:
    """Replace the published files of several purposes; all are built before any is swapped.

    Parameters
    ----------
    tables
        By purpose, the tables of its file: name to the ``select`` over the warehouse that
        fills it.
    over
        Whether the selects read what is published until then, too, as ``before``.

    Returns
    -------
    dict
        By purpose and table, the number of rows.
    """
    home = Home.current().make()
    for leftover in home.published.glob(".*.duckdb*"):
        leftover.unlink()
    counts = {purpose: _build(purpose, selects, over) for purpose, selects in tables.items()}
    entry = begin("publish", {"purposes": sorted(tables)})
    swap(entry.payload)
    entry.close()
    return counts


def swap(payload: dict[str, Any]) -> None:
    """Swap in every file built aside; done twice, the second time finds nothing to do."""
    home = Home.current()
    for purpose in payload["purposes"]:
        aside = _aside(home, purpose)
        if aside.exists():
            os.replace(aside, home.published_file(purpose))
    sync_folder(home.published)


def published_purposes() -> list[str]:
    """Return the names of all published files."""
    names = (path.stem for path in Home.current().make().published.glob("*.duckdb"))
    return sorted(name for name in names if name.isidentifier())


def withdraw(purposes: Sequence[str]) -> None:
    """Remove the published files of purposes that the policy no longer has."""
    if not purposes:
        return
    entry = begin("withdraw", {"purposes": sorted(purposes)})
    remove(entry.payload)
    entry.close()


def remove(payload: dict[str, Any]) -> None:
    """Remove every file that is to go; done twice, the second time finds nothing to do."""
    home = Home.current()
    for purpose in payload["purposes"]:
        home.published_file(purpose).unlink(missing_ok=True)
    sync_folder(home.published)


STEPS: Mapping[str, Step] = {"publish": swap, "withdraw": remove}


def _aside(home: Home, purpose: str) -> Path:
    return home.published / f".{purpose}.duckdb"


def _build(purpose: str, selects: Mapping[str, str], over: bool) -> dict[str, int]:
    aside = _aside(Home.current(), purpose)
    target = published_store(purpose, path=aside, read_only=False)
    before = [published_store(purpose, alias=BEFORE)] if over else []
    counts = {}
    with connected(warehouse_store(read_only=True), target, *before) as connection:
        for table, select in selects.items():
            name = f"published.{identifier(table)}"
            connection.execute(f"create table {name} as {select}")
            counts[table] = connection.execute(f"select count(*) from {name}").fetchall()[0][0]
        connection.execute("checkpoint published")
    sync_file(aside)
    return counts
