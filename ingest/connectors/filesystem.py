"""Opening files: what the readers of every format share.

Belongs here: gzip, failures of the operating system, quoting a path for DuckDB. Does not belong
here: any one format.
"""

import glob
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from warehouse.errors import UsageError
from warehouse.sql import quoted

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"  # what every gzip file begins with (RFC 1952)


@dataclass(frozen=True)
class FeedFile:
    """A file of a feed, and what it is called: as much of its path as tells it from the others."""

    path: Path
    called: str


def feed_files(paths: Sequence[Path]) -> list[FeedFile]:
    """Return the files of a feed, each with what it is called among them.

    >>> [file.called for file in feed_files([Path("a/1/x.csv"), Path("b/1/x.csv"), Path("y.csv")])]
    ['a/1/x.csv', 'b/1/x.csv', 'y.csv']
    """
    called: dict[Path, str] = {}
    for depth in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        ends = Counter(path.parts[-depth:] for path in paths)
        for path in paths:
            if path not in called and (ends[path.parts[-depth:]] == 1 or depth == len(path.parts)):
                called[path] = "/".join(path.parts[-depth:])
    return [FeedFile(path, called[path]) for path in paths]


def scan_of(function: str, path: Path, *options: str) -> str:
    """Return the call of one of DuckDB's readers; the path is taken literally, not as a glob."""
    return f"{function}({', '.join([quoted(glob.escape(str(path))), *options])})"


def opened_text(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    """Open a text file, gunzipped if its name ends in ``.gz``."""
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding, errors=errors, newline=""))
    return path.open(encoding=encoding, errors=errors, newline="")


def require_file(file: FeedFile) -> None:
    """Stop at what a feed's paths match and is no file: passed over, its rows would be missed."""
    if file.path.is_file():
        return
    if file.path.is_symlink():
        raise UsageError(
            f"{file.called} is a link that leads to no file", "mend or remove the link"
        )
    raise UsageError(f"{file.called} is no file", "narrow the feed's `paths` to files")


def require_whole(file: FeedFile) -> None:
    """Stop at a gzip file that was cut off: DuckDB would read what is left and say nothing."""
    if file.path.suffix != ".gz":
        return
    with readable(file), file.path.open("rb") as content:
        begins = content.read(len(GZIP))
    if not GZIP.startswith(begins):
        raise UsageError(
            f"{file.called} isn't gzipped, though its name ends in .gz",
            "gzip it, or let its name end without .gz",
        )
    with readable(file), gzip.open(file.path) as content:
        while content.read(CHUNK):
            pass


@contextmanager
def readable(file: FeedFile) -> Iterator[None]:
    """Turn a failure of the operating system or of gzip into one clear line."""
    try:
        file.path.open("rb").close()
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it isn't whole"
        raise UsageError(f"{file.called} can't be read: {why}", "check the file") from None
