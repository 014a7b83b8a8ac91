"""Opening files: what the readers of every format share.

Belongs here: gzip, failures of the operating system, quoting a path for DuckDB. Does not belong
here: any one format.
"""

import glob
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from warehouse.errors import UsageError
from warehouse.sql import quoted

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"  # what every gzip file begins with (RFC 1952)


def scan_of(function: str, path: Path, *options: str) -> str:
    """Return the call of one of DuckDB's readers; the path is taken literally, not as a glob."""
    return f"{function}({', '.join([quoted(glob.escape(str(path))), *options])})"


def opened_text(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    """Open a text file, gunzipped if its name ends in ``.gz``."""
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding, errors=errors, newline=""))
    return path.open(encoding=encoding, errors=errors, newline="")


def require_file(path: Path) -> None:
    """Stop at what a feed's paths match and is no file: passed over, its rows would be missed."""
    if path.is_file():
        return
    if path.is_symlink():
        raise UsageError(f"{path.name} is a link that leads to no file", "mend or remove the link")
    raise UsageError(f"{path.name} is no file", "narrow the feed's `paths` to files")


def require_whole(path: Path) -> None:
    """Stop at a gzip file that was cut off: DuckDB would read what is left and say nothing."""
    if path.suffix != ".gz":
        return
    with readable(path), path.open("rb") as file:
        begins = file.read(len(GZIP))
    if not GZIP.startswith(begins):
        raise UsageError(
            f"{path.name} isn't gzipped, though its name ends in .gz",
            "gzip it, or let its name end without .gz",
        )
    with readable(path), gzip.open(path) as file:
        while file.read(CHUNK):
            pass


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn a failure of the operating system or of gzip into one clear line."""
    try:
        path.open("rb").close()
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it isn't whole"
        raise UsageError(f"{path.name} can't be read: {why}", "check the file") from None
