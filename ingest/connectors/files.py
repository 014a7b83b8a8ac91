"""Files: Parquet, CSV and JSON lines, by path or glob, the last two also gzipped.

Belongs here: finding files, reading a CSV header, DuckDB's readers and their options. Does not
belong here: what the columns mean (``projection``).
"""

import csv
import glob
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import duckdb

from ingest.connectors.source import (
    MALFORMED,
    POSITION,
    Candidate,
    Source,
    described,
    mapped_columns,
    reading,
    require_columns,
    selected,
)
from ingest.model import CsvOptions, FeedSource
from warehouse.connect import identifier, quoted
from warehouse.errors import UsageError

REJECTS, REJECT_SCANS = "source_rejects", "source_reject_scans"
CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}
LONGEST_HEADER = 1_000_000
CHUNK = 1 << 20


def file_candidates(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, folder: Path
) -> list[Candidate]:
    """Return the files that a feed's patterns match, ready to be opened."""
    return [_candidate(connection, feed, path, folder) for path in matching_files(feed, folder)]


def matching_files(feed: FeedSource, folder: Path) -> list[Path]:
    """Return the files that a feed's patterns match, by path, each once."""
    found = {
        Path(match)
        for pattern in feed.paths
        for match in glob.glob(str(folder / pattern), recursive=True)
    }
    return [path for path in sorted(found) if path.is_file()]


def relative_place(path: Path, folder: Path) -> str:
    """Return a digest of a path: relative, so that a project may move as a whole."""
    relative = os.path.relpath(path, folder).encode(errors="surrogateescape")
    return hashlib.sha256(relative).hexdigest()[:32]


def state_of(path: Path) -> str:
    """Return size and time of the last change of a file."""
    try:
        status = path.stat()
    except OSError:
        return "gone"
    return f"{status.st_size}-{status.st_mtime_ns}"


def _candidate(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, path: Path, folder: Path
) -> Candidate:
    state = state_of(path)

    def opened() -> Source:
        _require_whole(path)
        openers: dict[str, Callable[..., Source]] = {
            "parquet": _parquet, "csv": _csv, "jsonl": _json_lines,
        }  # fmt: skip
        return openers[str(feed.format)](connection, feed, path, lambda: state_of(path) == state)

    def content(_: Source) -> str:
        digest = hashlib.sha256()
        with _readable(path), path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    return Candidate(path.name, relative_place(path, folder), state, opened, content)


def _scan(function: str, path: Path, *options: str) -> str:
    return f"{function}({', '.join([quoted(glob.escape(str(path))), *options])})"


def _mend(feed: FeedSource) -> str:
    return f"check that it is whole, readable and of the format {feed.format}"


def _parquet(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    path: Path,
    unchanged: Callable[[], bool],
) -> Source:
    wanted = mapped_columns(feed)
    plain = _scan("read_parquet", path, "hive_partitioning = false")
    with _readable(path), reading(path.name, _mend(feed)):
        columns = described(connection, plain)
    require_columns(path.name, wanted, columns)
    numbered = _scan("read_parquet", path, "hive_partitioning = false", "file_row_number = true")
    return Source(
        path.name,
        columns,
        relation=plain,
        numbered=selected(numbered, wanted, f"file_row_number + 1 as {POSITION}"),
        unchanged=unchanged,
    )


def _csv(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    path: Path,
    unchanged: Callable[[], bool],
) -> Source:
    options = feed.csv or CsvOptions()
    names = _header(path, options)
    wanted = mapped_columns(feed)
    require_columns(path.name, wanted, names, trusted=False)
    for name in wanted:
        if names.count(name) > 1:
            raise UsageError(
                f"{path.name} has the column '{name}' more than once", "rename one of them"
            )
    shared = _csv_options(options, names, wanted)
    tolerant = _scan("read_csv", path, *shared, "ignore_errors = true")
    noting = (f"store_rejects = true, rejects_table = '{REJECTS}', "
              f"rejects_scan = '{REJECT_SCANS}', rejects_limit = 0")  # fmt: skip
    return Source(
        path.name,
        dict.fromkeys(names, "VARCHAR"),
        relation=tolerant,
        numbered=selected(tolerant, wanted, f"row_number() over () as {POSITION}"),
        rejecting=_scan("read_csv", path, *shared, noting),
        unchanged=unchanged,
    )


def _csv_options(options: CsvOptions, names: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Return the reader's options; nothing is guessed from the content.

    Columns that bear a name twice, or one that differs from another in capitals only, are read
    under a number: DuckDB's names make no difference between capitals.
    """
    taken = {name.lower() for name in wanted}
    columns = []
    for i, name in enumerate(names):
        free = name in wanted or (name and name.lower() not in taken)
        read_as = name if free else f"column {i + 1} of the file"
        taken.add(read_as.lower())
        columns.append(f"{quoted(read_as)}: 'VARCHAR'")
    return [
        "auto_detect = false",
        f"columns = {{{', '.join(columns)}}}",
        f"header = {str(options.header).lower()}",
        f"delim = {quoted(options.delimiter)}",
        f"quote = {quoted(options.quote)}",
        f"escape = {quoted(options.quote)}",
        f"encoding = {quoted(options.encoding)}",
        f"nullstr = [{', '.join(map(quoted, ('', *options.null)))}]",
    ]


def _header(path: Path, options: CsvOptions) -> list[str]:
    """Return the columns of a CSV file: its first line, or numbers if it has no header."""
    with _readable(path), _text(path, CODECS[options.encoding]) as file:
        try:
            # strict: an open quote must not swallow the file.
            first = next(
                csv.reader(
                    [file.readline(LONGEST_HEADER)],
                    delimiter=options.delimiter, quotechar=options.quote, strict=True,
                ),
                [],
            )  # fmt: skip
        except UnicodeError:
            raise UsageError(
                f"{path.name} isn't written in {options.encoding}",
                "save it as UTF-8, or declare `csv: {encoding: latin-1}`",
            ) from None
        except csv.Error:
            raise UsageError(
                f"the first line of {path.name} can't be split into columns",
                "check delimiter and quotes",
            ) from None
    if not first:
        raise UsageError(f"{path.name} is empty", "a CSV file without rows still has its header")
    return first if options.header else [f"column{i + 1}" for i in range(len(first))]


def _json_lines(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    path: Path,
    unchanged: Callable[[], bool],
) -> Source:
    with _readable(path), _text(path, "utf-8", errors="replace") as file:
        if file.read(1) == "\ufeff":
            raise UsageError(
                f"{path.name} begins with a byte order mark", "save it as UTF-8 without one"
            )
    wanted = mapped_columns(feed)
    lines = _scan("read_ndjson_objects", path, "ignore_errors = true")
    with _readable(path), reading(path.name, _mend(feed)):
        keys = connection.execute(
            f"select distinct unnest(json_keys(json)) from {lines} where json_type(json) = 'OBJECT'"
        ).fetchall()
        rows = connection.execute(f"select count(*) from {lines}").fetchall()[0][0]
    found = sorted(key for (key,) in keys)
    if found or rows:
        require_columns(path.name, wanted, found)
    extracted = [f"json ->> {quoted(_pointer(name))} as {identifier(name)}" for name in wanted]
    malformed = f"coalesce(json_type(json), '') <> 'OBJECT' as {MALFORMED}"
    inner = ", ".join([*extracted, malformed])
    return Source(
        path.name,
        dict.fromkeys(wanted, "VARCHAR"),
        relation=f"(select {inner} from {lines})",
        numbered=f"(select {inner}, row_number() over () as {POSITION} from {lines})",
        marks_malformed=True,
        unchanged=unchanged,
    )


def _pointer(key: str) -> str:
    """Return the JSON pointer of a key (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _text(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding, errors=errors, newline=""))
    return path.open(encoding=encoding, errors=errors, newline="")


def _require_whole(path: Path) -> None:
    """Stop at a gzip file that was cut off: DuckDB would read what is left and say nothing."""
    if path.suffix == ".gz":
        with _readable(path), gzip.open(path) as file:
            while file.read(CHUNK):
                pass


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a failure of the operating system or of gzip into one clear line."""
    try:
        path.open("rb").close()
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it isn't whole"
        raise UsageError(f"{path.name} can't be read: {why}", "check the file") from None
