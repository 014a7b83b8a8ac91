"""DuckDB connections: the only door to the encrypted files.

Belongs here: settings that make a connection safe (encryption, encrypted spill, no network, no
other file), attaching files with their keys, and what DuckDB says when a key is wrong.
Does not belong here: SQL about rows.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import duckdb

from warehouse import keys, written_with
from warehouse.aside import folder_locked, hidden
from warehouse.clear import in_clear
from warehouse.errors import (
    DAMAGED,
    MISSING,
    NO_FILE,
    AssentError,
    KeyMissingError,
    UsageError,
    damaged,
    exchanged,
    is_damage,
    without_values,
)
from warehouse.extension import extension
from warehouse.home import Home
from warehouse.refused import HeldError, explained
from warehouse.sql import identifier, quoted

# What DuckDB writes beside a database file while it works on it.
COMPANIONS = ("", ".wal", ".wal.checkpoint", ".wal.recovery")

# Settings that are the user's, each with an example.
SET_BY = {"memory_limit": ("ASSENT_MEMORY", "8GB"), "threads": ("ASSENT_THREADS", "2")}

# A killed run's dbt holds the warehouse for moments longer than the run held the writer lock.
DYING_SECONDS, POLL_SECONDS = 5.0, 0.1

_CUT_SHORT = "Could not read enough bytes"  # DuckDB's, of a file that ends too early

_checked: set[Path] = set()  # extensions whose signature has been checked in this process

T = TypeVar("T")

_used: ContextVar[set[str] | None] = ContextVar("keys used", default=None)


@dataclass(frozen=True)
class Store:
    """A file to attach.

    Attributes
    ----------
    alias
        Its name in SQL.
    path, key_name
        Where it is, and what its key is called.
    read_only
        Whether it isn't written.
    patience
        Seconds to wait for another process that holds it.
    on_wait
        Called once, with the file's name, if it takes longer than a dying process does.
    begun_with
        Statements by which a new file is made; it isn't there before they are done.
    """

    alias: str
    path: Path
    key_name: str
    read_only: bool = False
    patience: float = DYING_SECONDS
    on_wait: Callable[[str], None] | None = None
    begun_with: tuple[str, ...] = ()

    @property
    def published(self) -> bool:
        """Whether it is a published file, which a run writes anew."""
        return self.key_name.startswith("published_")


def warehouse_store(*, read_only: bool = False) -> Store:
    """Return the working database as a store."""
    return Store("warehouse", Home.current().warehouse, "warehouse", read_only)


def published_store(
    purpose: str, *, path: Path | None = None, alias: str = "published", read_only: bool = True
) -> Store:
    """Return one purpose's published file as a store, or a file being built to replace it."""
    file = path or Home.current().published_file(purpose)
    return Store(alias, file, f"published_{purpose}", read_only)


@contextmanager
def connected(*stores: Store, files: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection with stores attached; the first is the default database.

    Parameters
    ----------
    *stores
        Attached with their own keys, made when missing and not read-only: the default one last,
        as that of the warehouse says that something has landed, and the others are lost then.
    files
        Whether SQL may read other files (the feeds). Otherwise nothing but the stores is
        reachable, and the settings are locked.

    Raises
    ------
    KeyMissingError
        If a key is missing or wrong.
    UsageError
        If a file isn't there to be read, is damaged, or another process holds it.
    """
    connection = _begun()
    try:
        secure(connection, [store.path for store in stores], files=files)
        _let_be_there(stores)
        for store in stores:
            attach(connection, store)
        if stores:
            connection.execute(f"use {stores[0].alias}")
        with values_withheld():
            yield connection
    except duckdb.Error as error:
        if not is_damage(str(error)):
            raise
        connection.close()
        raise _damaged(stores) from None
    finally:
        connection.close()


def asked(store: Store, ask: Callable[[duckdb.DuckDBPyConnection], T]) -> T | None:
    """Return what a file answers that is read alone; None if it isn't there."""
    if not store.path.exists():
        return None
    with connected(store) as connection:
        return ask(connection)


@contextmanager
def values_withheld() -> Iterator[None]:
    """Let no fault of DuckDB's leave with a row quoted in it: faults are logged, and shown."""
    try:
        yield
    except duckdb.Error as error:
        told = type(error)(without_values(type(error).__name__, str(error)))
        raise told.with_traceback(error.__traceback__) from None


def _damaged(stores: Sequence[Store]) -> UsageError:
    """Find out which file is damaged; DuckDB doesn't say."""
    found = [s for s in stores if not whole(s)] if len(stores) > 1 else stores
    return damaged({store.path.name: store.published for store in found or stores})


def whole(store: Store) -> bool:
    """Read all rows of a file; false if one of them can't be, as it is damaged."""
    try:
        with _begun() as connection:
            secure(connection, [store.path], files=False)
            attach(connection, replace(store, read_only=True))
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = ?",
                [store.alias],
            ).fetchall()
            for schema, table in tables:
                name = f"{store.alias}.{identifier(schema)}.{identifier(table)}"
                connection.execute(f"select max(hash(rows)) from {name} as rows").fetchall()
    except duckdb.Error as error:
        return not (is_damage(str(error)) or _CUT_SHORT in str(error))
    except UsageError as error:
        return error.rule != DAMAGED
    return True


@contextmanager
def keys_used() -> Iterator[set[str]]:
    """Collect the names of the keys that files are opened with meanwhile."""
    names: set[str] = set()
    token = _used.set(names)
    try:
        yield names
    finally:
        _used.reset(token)


def secure(connection: duckdb.DuckDBPyConnection, paths: list[Path], *, files: bool) -> None:
    """Apply the settings of every connection, dbt's included (``warehouse.dbt_plugin``)."""
    spill = Home.current().make().spill
    encrypting = extension("httpfs")
    connection.execute(f"load {quoted(encrypting)}")
    connection.execute("set allow_unsigned_extensions = false")
    _checked.add(encrypting)
    memory = os.environ.get("ASSENT_MEMORY", "5GB")
    if memory.strip().startswith("-"):  # which DuckDB takes for no limit
        raise _unset("memory_limit")
    settings: dict[str, str] = {
        "temp_file_encryption": "true",
        "temp_directory": quoted(spill),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        "preserve_insertion_order": "false",
        "memory_limit": quoted(memory),
    }
    if os.environ.get("ASSENT_THREADS"):
        settings["threads"] = quoted(os.environ["ASSENT_THREADS"])
    if in_clear():
        settings["force_compression"] = "'uncompressed'"
    for name, value in settings.items():
        try:
            # For its cursors too, which threads have: some would begin with what DuckDB takes.
            connection.execute(f"set global {name} = {value}")
        except duckdb.Error:
            if name not in SET_BY:
                raise
            raise _unset(name) from None
    if not files:
        allowed = ", ".join(quoted(f"{path}{end}") for path in paths for end in COMPANIONS)
        connection.execute(f"set allowed_paths = [{allowed}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")


def _unset(setting: str) -> UsageError:
    """Return the error for a setting that DuckDB doesn't take."""
    variable, example = SET_BY[setting]
    return UsageError(
        f"{variable} can't be '{os.environ[variable]}'", f"write it as {example}, or unset it"
    )


def attach(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Attach one store with its key."""
    _let_be_there([store])
    began, told = time.monotonic(), False
    while not _attached(connection, store, store.path, last=_since(began) > store.patience):
        if store.on_wait and not told and _since(began) > DYING_SECONDS:
            store.on_wait(store.path.name)
            told = True
        time.sleep(POLL_SECONDS)
    if not store.read_only:
        store.path.chmod(0o600)
    names = _used.get()
    if names is not None:
        names.add(store.key_name)


def require_file(store: Store) -> None:
    """Refuse to go on without a file; a published one is written anew by the next run.

    Raises
    ------
    UsageError
        If it isn't there: as nothing has landed yet, or because it is lost.
    """
    if store.path.exists():
        return
    if Home.current().written and not store.published:
        raise UsageError(
            f"{store.path} is missing", "put it back; docs/operating.md says under Backup what to"
            " do without it", rule=MISSING,
        )  # fmt: skip
    Home.current().require_no_restore_begun()
    raise UsageError(
        f"nothing has been written yet: {store.path.name}", "run `assent run`", rule=NO_FILE
    )


def _let_be_there(stores: Sequence[Store]) -> None:
    """Refuse to go on without a file that is read; make what is missing of those to be written.

    What is built aside needs no such care: it takes its name when it is whole.
    """
    if Home.current().restoring.exists():
        raise UsageError(
            "a restore was stopped while it moved files", "any command of `assent` finishes it",
            rule="restoring",
        )  # fmt: skip
    for store in stores:
        if store.read_only:
            require_file(store)
    while missing := [
        s for s in reversed(stores) if not (s.path.exists() or s.path.name.startswith("."))
    ]:
        _make({hidden(store.path): store for store in missing})


def _make(asides: Mapping[Path, Store]) -> None:
    """Make files aside, each with what it begins with, then let them take their names in order.

    DuckDB writes a new file's headers one by one, under its name: half of them is as good as a
    damaged file.
    """
    try:
        with _begun() as connection:
            secure(connection, list(asides), files=False)
            for aside, store in asides.items():
                _attached(connection, store, aside, last=True)
                for statement in store.begun_with:
                    connection.execute(statement)
                connection.execute(f"detach {store.alias}")  # which writes all of it
        for aside, store in asides.items():
            _take_name(aside, store.path)
    finally:
        for path in (aside.with_name(aside.name + end) for aside in asides for end in COMPANIONS):
            path.unlink(missing_ok=True)


def _take_name(aside: Path, path: Path) -> None:
    """Let a new file take its name; what DuckDB wrote beside one that was lost isn't of this one.

    Meanwhile a run may have cleared what is aside, or a restore have brought the file.
    """
    with folder_locked(path.parent), suppress(FileNotFoundError, FileExistsError):
        if not path.exists():
            for end in COMPANIONS[1:]:
                path.with_name(path.name + end).unlink(missing_ok=True)
            aside.chmod(0o600)
            os.link(aside, path)


def _since(began: float) -> float:
    return time.monotonic() - began


def _attached(
    connection: duckdb.DuckDBPyConnection, store: Store, path: Path, *, last: bool
) -> bool:
    """Try once, with each key that may fit; false if another process holds the file.

    Unless this was the last try.
    """
    wrong: AssentError | None = None
    for key in keys.fitting(store.key_name):
        options = [] if in_clear() else [f"encryption_key {quoted(key)}"]
        options += ["read_only"] if store.read_only else []
        given = f" ({', '.join(options)})" if options else ""
        try:
            connection.execute(f"attach {quoted(path)} as {store.alias}{given}")
        except duckdb.Error as error:
            wrong = explained(store.path, store.key_name, error, published=store.published)
            if isinstance(wrong, HeldError) and not last:
                return False
            if not isinstance(wrong, KeyMissingError):
                break
        else:
            return True
    if isinstance(wrong, KeyMissingError) and store.published and written_with.fits(store.key_name):
        raise exchanged(store.path.name, store.key_name)
    if wrong:
        raise wrong
    return False


def _begun() -> duckdb.DuckDBPyConnection:
    """Begin with an empty database, which isn't secure yet.

    An extension's signature, over 20 MB, takes longer to check than most of what a connection is
    opened for. It is checked once in a process, which has that library loaded from then on.
    """
    unsigned = extension("httpfs") in _checked
    return duckdb.connect(":memory:", config={"allow_unsigned_extensions": unsigned})
