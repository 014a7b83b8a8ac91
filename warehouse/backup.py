"""Backups: copies of the state's files in a folder elsewhere, with a manifest of their hashes.

Belongs here: copying files out and checking them, without a key: each stays encrypted as it is.
Does not belong here: what an ordinary backup leaves out and why, holding still what others may
write (``governance.backup``), bringing a state back (``warehouse.restore``).
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from warehouse.errors import UsageError
from warehouse.home import PASSING, SEPARATE, Home
from warehouse.journal import read_json, sync_folder, write_durably
from warehouse.schema import VERSION, of_state

MANIFEST = "manifest.json"
FORMAT = 1  # rises when a backup comes to look otherwise
STATE, APART = "state", "separate"
_SQLITE = b"SQLite format 3\x00"  # Dagster's storage, which a running UI writes to
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; no personal data.

    Attributes
    ----------
    kind : str
        ``state`` or ``separate``.
    at : str
        When it was made, in UTC.
    kept : dict
        What the file of what is kept of the erased was by then: which one, and how far it had come.
    schema_version : int
        By which version of its shape the state is written.
    files : dict
        By path, SHA-256 and size.
    """

    kind: str
    at: str
    kept: dict[str, Any]
    schema_version: int
    files: dict[str, dict[str, Any]]
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.at)


def files_of(home: Home, kind: str) -> Iterator[Path]:
    """Yield the files that belong in one kind of backup, in order."""
    for path in sorted(home.root.rglob("*")):
        parts = path.relative_to(home.root).parts
        apart = parts[0].partition(".")[0] in SEPARATE  # with what DuckDB writes beside them
        if (
            path.is_file() and apart == (kind == APART) and parts[0] not in PASSING
            and not parts[0].startswith(".") and path.suffix != ".lock"
            and not path.name.endswith(("-wal", "-shm", "-journal"))  # SQLite's
        ):  # fmt: skip
            yield path


def unfinished(to: Path) -> Path:
    """Return where a backup lies while it is made."""
    return to.with_name(f".{to.name}.unfinished")


@contextlib.contextmanager
def written(
    to: Path, kind: str, *, at: datetime, kept: Any
) -> Iterator[tuple[Manifest, Callable[[], None]]]:
    """Copy a kind of files aside; yield the manifest, and what puts the backup in its place.

    It is there whole or not at all.

    The caller sees to it that nobody writes them meanwhile.

    Parameters
    ----------
    to
        A folder that isn't there yet, in one that is.
    kind, at, kept
        As the manifest says.
    """
    home = Home.current()
    aside = unfinished(to)
    shutil.rmtree(aside, ignore_errors=True)  # left by one who was killed
    aside.mkdir(mode=0o700)
    try:
        files = {}
        for path in files_of(home, kind):
            name = path.relative_to(home.root)
            (aside / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files[str(name)] = _copied(path, aside / name)
        manifest = Manifest(kind, at.isoformat(), asdict(kept), of_state(), files)
        write_durably(aside / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        for folder in (p for p in aside.rglob("*") if p.is_dir()):
            sync_folder(folder)

        def put() -> None:
            os.rename(aside, to)
            sync_folder(to.parent)

        yield manifest, put
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copied(source: Path, target: Path) -> dict[str, Any]:
    """Copy one file, durably; return its hash and size."""
    with source.open("rb") as file:
        sqlite = file.read(len(_SQLITE)) == _SQLITE
    if sqlite:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as before,
            contextlib.closing(sqlite3.connect(target)) as after,
        ):
            before.backup(after)
        source = target
    return copy_file(source, target)


def copy_file(source: Path, target: Path) -> dict[str, Any]:
    """Copy one file, durably, and return its hash and size; onto itself, only those."""
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        read = stack.enter_context(source.open("rb"))
        write = None
        if source != target:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            write = stack.enter_context(os.fdopen(descriptor, "wb"))
        while block := read.read(_CHUNK):
            digest.update(block)
            size += len(block)
            if write:
                write.write(block)
        if write:
            write.flush()
            os.fsync(write.fileno())
        else:
            os.fsync(read.fileno())
    return {"sha256": digest.hexdigest(), "bytes": size}


def manifest_of(folder: Path, kind: str) -> Manifest:
    """Return the manifest of a backup.

    Raises
    ------
    UsageError
        If there is none of that kind in the folder, or of another version.
    """
    path = folder / MANIFEST
    option = {STATE: "assent backup", APART: "assent backup --separate"}[kind]
    wrong = UsageError(
        f"{folder} is no backup of this kind", f"name a folder that `{option}` has written"
    )
    if not path.is_file():
        raise wrong
    content = read_json(path, "take another backup")
    if content.get("format") != FORMAT:
        raise UsageError(
            f"{folder} was written by another version of Assent", "restore it with that version"
        )
    if content.get("kind") != kind:
        raise wrong
    if content["schema_version"] > VERSION:
        raise UsageError(
            f"{folder} was written by a newer version of Assent", "restore it with that version"
        )
    return Manifest(**content)


def taken_in(folder: Path, manifest: Manifest, target: Path) -> None:
    """Copy what a backup holds to a folder, checking each file.

    Raises
    ------
    UsageError
        If a file is missing, or isn't as it was written.
    """
    for name, said in manifest.files.items():
        source, place = folder / name, target / name
        if not place.resolve().is_relative_to(target.resolve()) or not source.is_file():
            raise UsageError(f"the backup {folder} lacks {name}", "take another backup")
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if copy_file(source, place) != said:
            raise UsageError(
                f"{name} in the backup {folder} isn't as it was written", "take another backup"
            )
