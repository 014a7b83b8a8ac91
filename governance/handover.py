"""Files for a recipient: where they may lie, what seals them, and writing them.

Belongs here: what every file that leaves has in common, whatever it holds. Does not belong here:
what an export or a receipt consists of (``governance.export``, ``governance.consent_receipt``).
"""

import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse import keys
from warehouse.errors import UsageError
from warehouse.home import PROJECT, Home
from warehouse.journal import sync_file, sync_folder


def target(to: Path, formats: Collection[str], what: str, *, encrypted: bool) -> Path:
    """Return where a file for a recipient goes, if it may lie there.

    Parameters
    ----------
    to
        A file outside ``ASSENT_HOME``, the folder of keys and the project (where it would be one
        `git add` from being passed on); encrypted, ``.age`` is added.
    formats
        How its name may end.
    what
        What it is, for messages: ``an export``.

    Raises
    ------
    UsageError
        If it may not, exists already, or has no folder to lie in.
    """
    if to.suffix not in formats:
        raise UsageError(
            f"unknown kind of file: '{to.name}'", f"end it in {' or '.join(formats)}", rule="target"
        )
    # Resolved, so that neither a link nor `..` leads back into the home.
    found = to.parent.resolve() / (f"{to.name}.age" if encrypted else to.name)
    for folder, name in (
        (Home.current().root, "ASSENT_HOME"), (keys.folder(), "the keys"), (PROJECT, "the project"),
    ):  # fmt: skip
        if found.is_relative_to(folder.resolve()):
            raise UsageError(
                f"{what} doesn't belong under {name}", "name a file elsewhere", rule="target"
            )
    if found.exists():
        raise UsageError(
            f"{found.name} exists already", "name another file, or remove it", rule="target"
        )
    if not found.parent.is_dir():
        raise UsageError(f"there is no folder {found.parent}", "make it first", rule="target")
    return found


def sealed(content: bytes, key: str | None) -> bytes:
    """Return what a file holds, encrypted to an age public key if there is one."""
    if key is None:
        return content
    import pyrage

    encrypted: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(key)])
    return encrypted


@contextmanager
def set_aside(path: Path, content: bytes) -> Iterator[Callable[[], None]]:
    """Write a file beside its place; yield what puts it there, whole or not at all.

    So its act can be put on record in between: whatever could fail has been done by then. What
    isn't put there is gone at the end.

    Raises
    ------
    UsageError
        If it can't be written there.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")

    def put() -> None:
        with _explained(path):
            os.link(aside, path)  # which replaces nothing
            try:
                sync_folder(path.parent)
            except OSError:
                path.unlink()
                raise

    with _explained(path):
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with _explained(path):
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            sync_file(aside)
        yield put
    finally:
        aside.unlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {error.strerror}",
            "name a file in a folder that you may write to, on a disk that has room",
            rule="target",
        ) from None
