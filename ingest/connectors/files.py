"""Files: Parquet, CSV and JSON lines, by path or glob, the last two also gzipped.

Belongs here: finding files, reading Parquet and JSON lines. Does not belong here: CSV
(``csv_files``), what the columns mean (``projection``).
"""

import glob
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from ingest.connectors.csv_files import csv_source
from ingest.connectors.filesystem import (
    CHUNK,
    FeedFile,
    feed_files,
    opened_text,
    readable,
    require_file,
    require_whole,
    scan_of,
)
from ingest.connectors.source import (
    MALFORMED,
    POSITION,
    Candidate,
    Source,
    described,
    has_key,
    mapped_columns,
    reading,
    require_columns,
    selected,
)
from ingest.exact import float_text_sql
from ingest.model import FeedSource
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted


def file_candidates(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, folder: Path
) -> list[Candidate]:
    """Return the files that a feed's patterns match, ready to be opened."""
    files = feed_files(matching_files(feed, folder))
    return [_candidate(connection, feed, file, folder) for file in files]


def matching_files(feed: FeedSource, folder: Path) -> list[Path]:
    """Return what a feed's patterns match, by path, each once; to open what is no file fails.

    A last ``**`` means the files at any depth: the folders that it matches too are left out.
    """
    found = {
        path
        for pattern in feed.paths
        for path in map(Path, glob.glob(str(folder / pattern), recursive=True))
        if Path(pattern).name != "**" or not path.is_dir()
    }
    return sorted(found)


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
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, file: FeedFile, folder: Path
) -> Candidate:
    state = state_of(file.path)

    def opened() -> Source:
        require_file(file)
        require_whole(file)
        openers: dict[str, Callable[..., Source]] = {
            "parquet": _parquet, "csv": csv_source, "jsonl": partial(_json_lines, folder=folder),
        }  # fmt: skip
        return openers[str(feed.format)](
            connection, feed, file, lambda: state_of(file.path) == state
        )

    def content(_: Source) -> str:
        return _digest(file, os.path.getsize(file.path))[0]

    def extends(known_state: str, known_content: str) -> bool:
        if not _may_be_added_to(feed, file.path):
            return False
        digest, last = _digest(file, int(known_state.partition("-")[0]))
        return digest == known_content and last == b"\n"

    return Candidate(
        file.called, relative_place(file.path, folder), state, opened, content, extends
    )


def _digest(file: FeedFile, size: int) -> tuple[str, bytes]:
    """Return a digest of the first bytes of a file, and the last of them."""
    digest, last = hashlib.sha256(), b""
    with readable(file), file.path.open("rb") as content:
        while chunk := content.read(min(CHUNK, size)):
            digest.update(chunk)
            size -= len(chunk)
            last = chunk[-1:]
    return digest.hexdigest(), last


def _may_be_added_to(feed: FeedSource, path: Path) -> bool:
    """Tell whether whole rows can be added at the end, one or more lines of plain text each."""
    encoding = feed.csv.encoding if feed.csv else "utf-8"
    return feed.format in ("csv", "jsonl") and path.suffix != ".gz" and encoding != "utf-16"


def _mend(feed: FeedSource) -> str:
    return f"check that it is whole, readable and of the format {feed.format}"


def _parquet(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    file: FeedFile,
    unchanged: Callable[[], bool],
) -> Source:
    wanted = mapped_columns(feed)
    plain = scan_of("read_parquet", file.path, "hive_partitioning = false")
    with readable(file), reading(file.called, _mend(feed)):
        columns = described(connection, plain)
    require_columns(file.called, wanted, columns)
    numbered = scan_of(
        "read_parquet", file.path, "hive_partitioning = false", "file_row_number = true"
    )
    return Source(
        file.called,
        columns,
        relation=plain,
        numbered=selected(numbered, wanted, f"file_row_number + 1 as {POSITION}"),
        unchanged=unchanged,
    )


def _json_lines(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    file: FeedFile,
    unchanged: Callable[[], bool],
    folder: Path,
) -> Source:
    with readable(file), opened_text(file.path, "utf-8", errors="replace") as content:
        if content.read(1) == "\ufeff":
            raise UsageError(
                f"{file.called} begins with a byte order mark", "save it as UTF-8 without one"
            )
    wanted = mapped_columns(feed)
    lines = scan_of("read_ndjson_objects", file.path, "ignore_errors = true")
    found = _json_keys(connection, feed, file)
    with readable(file), reading(file.called, _mend(feed)):
        rows = connection.execute(f"select count(*) from {lines}").fetchall()[0][0]
    if rows and not found:
        raise UsageError(
            f"no line of {file.called} is a JSON object with keys",
            "write one object a line: no list of them, and none over several lines",
        )
    if rows and not found.issuperset(wanted):
        # No row of this file may have a value there; that none of any file has is a misspelling.
        others = _keys_of_others(connection, feed, file, folder) & set(wanted)
        require_columns(file.called, wanted, sorted(found | others), keyed=True)
    id_ = feed.columns["customer_id"].column
    extracted = [
        f"{(_json_id if name == id_ else _json_text)(name)} as {identifier(name)}"
        for name in wanted
    ]
    # Of a key that a line has twice, DuckDB takes the first and says nothing.
    malformed = (
        "coalesce(json_type(json), '') <> 'OBJECT'"
        f" or len(json_keys(json)) <> len(list_distinct(json_keys(json))) as {MALFORMED}"
    )
    there = [
        f"coalesce(json_exists(json, {quoted(_pointer(name))}), false) as {has_key(name)}"
        for name in wanted
    ]
    inner = ", ".join([*extracted, *there, malformed])
    return Source(
        file.called,
        dict.fromkeys(wanted, "VARCHAR"),
        relation=f"(select {inner} from {lines})",
        numbered=f"(select {inner}, row_number() over () as {POSITION} from {lines})",
        marks_malformed=True,
        marks_keys=True,
        unchanged=unchanged,
    )


def _json_keys(connection: duckdb.DuckDBPyConnection, feed: FeedSource, file: FeedFile) -> set[str]:
    lines = scan_of("read_ndjson_objects", file.path, "ignore_errors = true")
    with readable(file), reading(file.called, _mend(feed)):
        keys = connection.execute(
            f"select distinct unnest(json_keys(json)) from {lines} where json_type(json) = 'OBJECT'"
        ).fetchall()
    return {key for (key,) in keys}


def _keys_of_others(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, file: FeedFile, folder: Path
) -> set[str]:
    others = [other for other in feed_files(matching_files(feed, folder)) if other != file]
    return {key for other in others for key in _json_keys(connection, feed, other)}


def _json_text(key: str) -> str:
    return f"json ->> {quoted(_pointer(key))}"


def _json_id(key: str) -> str:
    """Return an id: a text, or a number as other formats hold it; anything else is none."""
    number = float_text_sql(f"try_cast({_json_text(key)} as double)", "DOUBLE")
    return (
        f"case json_type(json, {quoted(_pointer(key))}) when 'DOUBLE' then {number}"
        f" when 'VARCHAR' then {_json_text(key)} when 'UBIGINT' then {_json_text(key)}"
        f" when 'BIGINT' then {_json_text(key)} end"
    )


def _pointer(key: str) -> str:
    """Return the JSON pointer of a key (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
