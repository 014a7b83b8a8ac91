"""Files for a recipient: where they may lie, what seals them, and writing them.

Belongs here: what every file that leaves has in common, whatever it holds: its act comes first.
Does not belong here: what an export, a receipt or an answer consists of (``governance.export``,
``governance.consent_receipt``, ``governance.rights``).
"""

import errno
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from governance import acts
from governance.policy.checks_law import is_age_key
from governance.policy.model import Policy
from warehouse import keys
from warehouse.errors import UsageError
from warehouse.home import PROJECT, Home

# How a text begins that a spreadsheet may take for one (OWASP, "CSV Injection"): full-width signs,
# and what it passes over before a sign, among them.
FORMULA = r"^([=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"


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
    return elsewhere(to.with_name(f"{to.name}.age") if encrypted else to, what)


def elsewhere(to: Path, what: str) -> Path:
    """Return where something goes that leaves, if it may lie there: parameters as of `target`.

    Raises
    ------
    UsageError
        If it may not, is there already, or has no folder to lie in.
    """
    # Resolved, so that neither a link nor `..` leads back into the home.
    found = to.parent.resolve() / to.name
    for folder, name in (
        (Home.current().root, "ASSENT_HOME"), (keys.folder(), "the keys"), (PROJECT, "the project"),
    ):  # fmt: skip
        if found.is_relative_to(folder.resolve()):
            raise UsageError(
                f"{what} doesn't belong under {name}", "name a place elsewhere", rule="target"
            )
    with _explained(found):
        there = found.exists()
    if there:
        raise UsageError(
            f"{found.name} exists already", "name another, or remove it", rule="target"
        )
    if not found.parent.is_dir():
        raise UsageError(f"there is no folder {found.parent}", "make it first", rule="target")
    return found


def without_formulas(table: Any) -> tuple[Any, int]:
    """Put an apostrophe before texts that a spreadsheet would run; return how many these were.

    As OWASP advises against CSV injection: customers choose what they are called.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = 0
    for place, field_ in enumerate(table.schema):
        if pa.types.is_string(field_.type) or pa.types.is_large_string(field_.type):
            column = table.column(place)
            found += pc.sum(pc.match_substring_regex(column, FORMULA)).as_py() or 0
            marked = pc.replace_substring_regex(column, FORMULA, r"'\1")
            table = table.set_column(place, field_, marked)
    return table, found


def encoded(table: Any, suffix: str) -> bytes:
    """Return an Arrow table as the file that holds it: ``.csv``, else Parquet."""
    import io

    import pyarrow.csv
    import pyarrow.parquet

    buffer = io.BytesIO()
    if suffix == ".csv":
        pyarrow.csv.write_csv(table, buffer)
    else:
        pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def sealed(content: bytes, key: str | None) -> bytes:
    """Return what a file holds, encrypted to an age public key if there is one."""
    if key is None:
        return content
    import pyrage

    encrypted: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(key)])
    return encrypted


def key_of_recipient(policy: Policy, name: str) -> str:
    """Return the age public key of a recipient.

    Raises
    ------
    UsageError
        If the policy doesn't list it, or gives it none.
    """
    listed = policy.recipients.get(name)
    if listed is None or not listed.public_key:
        raise UsageError(
            f"recipient '{name}' has no public key to encrypt to"
            if listed else "the policy lists no such recipient, so there is no key to encrypt to",
            f"set recipients.{name}.public_key (an age key, age1...), or pass --unencrypted"
            if listed else "list it under recipients, or pass --unencrypted",
            rule="recipient.public_key",
        )  # fmt: skip
    return listed.public_key


def key_given(key: str | None, whose: str = "the subject's own") -> str:
    """Return the age public key of whom a file is for, by default a subject, if it is one.

    Raises
    ------
    UsageError
        If there is none, or it isn't one (the message doesn't repeat it).
    """
    if key is None:
        raise UsageError(
            "there is no key to encrypt to",
            f"pass {whose} with --public-key age1..., or pass --unencrypted",
            rule="subject.public_key",
        )
    if not is_age_key(key):
        raise UsageError(
            "that is no age public key",
            "copy the whole line `age1...` that age-keygen prints",
            rule="subject.public_key",
        )
    return key


@contextmanager
def handing_over(
    name: str, **named: Any
) -> Iterator[tuple[dict[str, Any], Callable[[Path, bytes], None]]]:
    """Record an act that hands files over; yield it, and what takes each file with its content.

    Only once the act is on record are they put in their places: nothing leaves without it. Of an
    act that fails none is.

    Parameters
    ----------
    name, named
        As of :func:`governance.acts.acting`.

    Raises
    ------
    UsageError
        If a file can't be written there.
    """
    with ExitStack() as aside:
        puts: list[Callable[[], None]] = []
        with acts.acting(name, **named) as act:
            yield act, lambda *file: puts.append(aside.enter_context(set_aside(*file)))
        for put in puts:
            put()


@contextmanager
def set_aside(path: Path, content: bytes) -> Iterator[Callable[[], None]]:
    """Write a file aside; yield what puts it in its place, whole or not at all.

    So its act can be put on record in between: whatever could fail has been done by then. What
    isn't put there is gone at the end, and where the system has files without a name, with the
    process, however that ends.

    Raises
    ------
    UsageError
        If it can't be written there.
    """
    with _explained(path):
        descriptor, aside = _begun(path)

    def put() -> None:
        with _explained(path):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                # Which replaces nothing; with the folder named, a link by the number is followed.
                os.link(aside or f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder)
                try:
                    os.fsync(folder)
                except OSError:
                    path.unlink()
                    raise
            finally:
                os.close(folder)

    try:
        with _explained(path):
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
        yield put
    finally:
        os.close(descriptor)
        if aside:
            aside.unlink()


def _begun(path: Path) -> tuple[int, Path | None]:
    """Open a file beside another: one without a name where the system has such, else its name."""
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, 0o600), None
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
                raise
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    return os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), aside


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
