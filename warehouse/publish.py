"""Publishing: build a purpose's file aside, or thin a copy of it out, sync it, swap it in.

Belongs here: the mechanics of replacing published files so that a reader never meets a writer
and never sees a half. Does not belong here: which tables a purpose publishes and whether it may
(``governance.release``).
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import duckdb

from warehouse import written_with
from warehouse.connect import connected, published_store, warehouse_store, whole
from warehouse.errors import DAMAGED, UsageError
from warehouse.home import Home
from warehouse.journal import Step, begin, sync_file, sync_folder
from warehouse.sql import identifier

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 2  # files that are built at the same time


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
        Whether the selects read what is published until then, too: as :func:`before` calls it.

    Returns
    -------
    dict
        By purpose and table, the number of rows.
    """
    _clear_aside()
    counts = _build(tables, over)
    names = [published_store(purpose).key_name for purpose in tables]
    _swap_in(tables, written_with.notes(names))
    return counts


def thin_out(
    rows: Mapping[str, Mapping[str, str]], filled: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Delete rows of published files: in copies, which replace them once all are done.

    To fill a file anew takes many times as long. What was deleted lies in the new one, where no
    SQL sees it, until it is written anew (``warehouse.rewrite``).

    Parameters
    ----------
    rows
        By purpose and table, SQL that is true for the rows that go.
    filled
        By purpose, small tables that are made anew: name to the ``select``, over no other table.
    """
    home, filled = _clear_aside(), filled or {}
    purposes = sorted({*rows, *filled})
    stores = []
    for purpose in purposes:
        shutil.copyfile(home.published_file(purpose), aside := _aside(home, purpose))
        stores.append(published_store(purpose, path=aside, alias=_alias(purpose), read_only=False))
    with connected(*stores) as connection:
        for purpose in purposes:
            within = f"{_alias(purpose)}.main"
            for table, which in rows.get(purpose, {}).items():
                connection.execute(f"delete from {within}.{identifier(table)} where {which}")
            for table, select in filled.get(purpose, {}).items():
                name = f"{within}.{identifier(table)}"
                connection.execute(f"create or replace table {name} as {select}")
            connection.execute(f"checkpoint {_alias(purpose)}")
    for store in stores:
        sync_file(store.path)
    _swap_in(purposes, {})  # a copy opens with the key of the file that it is of


def swap(payload: dict[str, Any]) -> None:
    """Swap in every file built aside; done twice, the second time finds nothing to do."""
    home = Home.current()
    for purpose in payload["purposes"]:
        aside = _aside(home, purpose)
        if aside.exists():
            os.replace(aside, home.published_file(purpose))
    sync_folder(home.published)
    written_with.note(payload.get("keys", {}))  # an entry of an earlier version has none


def before(purpose: str) -> str:
    """Return where a purpose's tables are, in SQL, while another file is built over them."""
    return f"{_before(purpose)}.main"  # in two parts it could be a schema of the warehouse


def published_purposes() -> list[str]:
    """Return the names of all published files."""
    names = (path.stem for path in Home.current().make().published.glob("*.duckdb"))
    return sorted(name for name in names if name.isidentifier())


def withdraw(purposes: Sequence[str]) -> None:
    """Remove published files, such as of purposes that the policy no longer has."""
    if not purposes:
        return
    entry = begin("withdraw", {"purposes": sorted(purposes)})
    remove(entry.payload)
    entry.close()


def without_damaged(work: Callable[P, T]) -> Callable[P, T]:
    """Let work that may be done again be done without published files that are damaged.

    They are removed: who has to leave them can't be taken out of them, nor would their bytes be
    written anew. A run makes them anew. Nothing is removed while nothing stops the work. A file
    that isn't the one that its key has written is taken for damaged (``warehouse.written_with``).
    """

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except UsageError as error:
            if error.rule != DAMAGED:
                raise
            damaged = [p for p in published_purposes() if not whole(published_store(p))]
            if not damaged:
                raise
            withdraw(damaged)
        return work(*args, **kwargs)

    return done


def remove(payload: dict[str, Any]) -> None:
    """Remove every file that is to go; done twice, the second time finds nothing to do."""
    home = Home.current()
    for purpose in payload["purposes"]:
        home.published_file(purpose).unlink(missing_ok=True)
    sync_folder(home.published)


STEPS: Mapping[str, Step] = {"publish": swap, "withdraw": remove}


def _clear_aside() -> Home:
    """Remove what a process that was killed has left aside."""
    home = Home.current().make()
    for leftover in home.published.glob(".*.duckdb*"):
        leftover.unlink()
    return home


def _swap_in(purposes: Iterable[str], keys: written_with.Notes) -> None:
    entry = begin("publish", {"purposes": sorted(purposes), "keys": keys})
    swap(entry.payload)
    entry.close()


def _aside(home: Home, purpose: str) -> Path:
    return home.published / f".{purpose}.duckdb"


def _build(tables: Mapping[str, Mapping[str, str]], over: bool) -> dict[str, dict[str, int]]:
    """Fill the files aside, some at once: much of what one takes is the work of one core."""
    home = Home.current()
    purposes = sorted(tables, key=lambda purpose: _size(home.published_file(purpose)), reverse=True)
    stores = [
        published_store(purpose, path=_aside(home, purpose), alias=_alias(purpose), read_only=False)
        for purpose in purposes
    ]
    if over:
        stores += [published_store(purpose, alias=_before(purpose)) for purpose in purposes]
    with connected(warehouse_store(read_only=True), *stores) as connection:
        with ExitStack() as own, ThreadPoolExecutor(AT_ONCE) as threads:
            cursors = [own.enter_context(connection.cursor()) for _ in purposes]
            try:
                fills = threads.map(_fill, cursors, purposes, [tables[name] for name in purposes])
                found = dict(zip(purposes, fills, strict=True))
            except BaseException:  # such as by Ctrl-C: those that are at work would be waited for
                for cursor in cursors:
                    cursor.interrupt()
                raise
        for purpose in purposes:  # not beside one that still writes: DuckDB refuses that at times
            connection.execute(f"checkpoint {_alias(purpose)}")
    for purpose in purposes:
        sync_file(_aside(home, purpose))
    return found


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _alias(purpose: str) -> str:
    return f"aside_{purpose}"


def _before(purpose: str) -> str:
    return f"before_{purpose}"


def _fill(
    cursor: duckdb.DuckDBPyConnection, purpose: str, selects: Mapping[str, str]
) -> dict[str, int]:
    """Fill one file, by a cursor of its own: other threads have others to fill."""
    counts = {}
    cursor.execute("use warehouse")
    for table, select in selects.items():
        name = f"{_alias(purpose)}.main.{identifier(table)}"
        cursor.execute(f"create table {name} as {select}")
        counts[table] = cursor.execute(f"select count(*) from {name}").fetchall()[0][0]
    return counts
