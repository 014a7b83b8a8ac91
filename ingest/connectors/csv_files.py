"""CSV files: read strictly, and once more with tolerance where a row can't be split into columns.

Belongs here: the header, DuckDB's CSV reader and its options. Does not belong here: other formats,
which row is malformed (``csv_rows``), what the columns mean (``projection``).

Nothing is guessed from the content: DuckDB's sniffer isn't used, and every column is text. A row's
position is its number among all rows, good or malformed, in both forms: a file that is added to
goes on behind as many rows as were counted before.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import duckdb

from ingest.connectors.csv_rows import Row, csv_rows
from ingest.connectors.filesystem import FeedFile, opened_text, readable, scan_of
from ingest.connectors.source import (
    ENCODING,
    MALFORMED,
    POSITION,
    Source,
    mapped_columns,
    require_columns,
    selected,
)
from ingest.model import CsvOptions, FeedSource
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted

if TYPE_CHECKING:
    import pyarrow as pa

CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}
LONGEST_HEADER = 1_000_000
BATCH = 50_000
# Each tells what can't be decoded by surrogates, which no text has otherwise.
UNDECODED = {"utf-8": "surrogateescape", "utf-16": "surrogatepass", "latin-1": "strict"}


def csv_source(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    file: FeedFile,
    unchanged: Callable[[], bool],
) -> Source:
    """Open a CSV file for strict reading; its ``tolerant`` form is made if that fails.

    Raises
    ------
    UsageError
        If the file is empty, or its first line can't be read or lacks a mapped column.
    """
    options = feed.csv or CsvOptions()
    names = _header(file, options)
    wanted = mapped_columns(feed)
    require_columns(file.called, wanted, names, trusted=False)
    for name in wanted:
        if names.count(name) > 1:
            raise UsageError(
                f"{file.called} has the column '{name}' more than once", "rename one of them"
            )
    strict = scan_of("read_csv", file.path, *_reader_options(options, names, wanted))
    return Source(
        file.called,
        dict.fromkeys(names, "VARCHAR"),
        relation=strict,
        numbered=selected(strict, wanted, f"row_number() over () as {POSITION}"),
        unchanged=unchanged,
        tolerant=lambda: _tolerant(connection, file, names, wanted, options, unchanged),
    )


def _tolerant(
    connection: duckdb.DuckDBPyConnection,
    file: FeedFile,
    names: list[str],
    wanted: tuple[str, ...],
    options: CsvOptions,
    unchanged: Callable[[], bool],
) -> Source:
    """Copy a file with malformed rows into a temporary table, each in its place and marked."""
    import pyarrow as pa

    digest = hashlib.sha256(str(file.path).encode(errors="surrogateescape")).hexdigest()[:16]
    table, places = f"csv_{digest}", [names.index(name) for name in wanted]
    nothing = {"", *options.null}
    schema = pa.schema([
        *((name, pa.string()) for name in wanted), (MALFORMED, pa.bool_()), (POSITION, pa.int64()),
    ])  # fmt: skip
    misencoded = 0

    def batches(rows: Iterator[Row]) -> "Iterator[pa.RecordBatch]":
        nonlocal misencoded
        position = 0
        while batch := list(islice(rows, BATCH)):
            misencoded += sum(row.misencoded for row in batch)
            columns: list[list[object]] = [
                [
                    None if row.values is None or row.values[place] in nothing
                    else row.values[place] for row in batch
                ] for place in places
            ]  # fmt: skip
            columns.append([row.values is None for row in batch])
            columns.append(list(range(position + 1, position + len(batch) + 1)))
            position += len(batch)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    connection.execute(
        f"create or replace temp table {table}"
        f" ({', '.join(f'{identifier(name)} varchar' for name in wanted)},"
        f" {MALFORMED} boolean, {POSITION} bigint)"
    )
    codec, errors = CODECS[options.encoding], UNDECODED[options.encoding]
    with readable(file), opened_text(file.path, codec, errors=errors) as lines:
        try:
            for batch in batches(csv_rows(file.called, lines, options, len(names))):
                connection.register("csv_batch", pa.Table.from_batches([batch]))
                connection.execute(f"insert into {table} from csv_batch")
                connection.unregister("csv_batch")
        except UnicodeError:
            raise UsageError(
                f"{file.called} isn't written in {options.encoding}", ENCODING
            ) from None
    return Source(
        file.called,
        dict.fromkeys(wanted, "VARCHAR"),
        relation=table,
        numbered=table,
        marks_malformed=True,
        misencoded=misencoded,
        unchanged=unchanged,
    )


def _reader_options(options: CsvOptions, names: list[str], wanted: tuple[str, ...]) -> list[str]:
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


def _require_byte_order(file: FeedFile, options: CsvOptions) -> None:
    """Stop at UTF-16 that isn't declared, or of which DuckDB would find no row and say nothing.

    It begins with a mark, or has a zero byte in each of its first two characters.
    """
    with readable(file), opened_text(file.path, "latin-1") as content:
        start = content.read(4)
    if start.startswith("\xfe\xff") or start[::2] == "\0\0":
        raise UsageError(f"{file.called} is written in big-endian UTF-16", "save it as UTF-8")
    if options.encoding != "utf-16" and (start.startswith("\xff\xfe") or start[1::2] == "\0\0"):
        raise UsageError(
            f"{file.called} isn't written in {options.encoding}, but in UTF-16",
            "declare `csv: {encoding: utf-16}`",
        )


def _header(file: FeedFile, options: CsvOptions) -> list[str]:
    """Return the columns of a CSV file: its first line, or numbers if it has no header."""
    _require_byte_order(file, options)
    # Tolerant of what stands further down in the same buffer: that is for the reader to judge.
    with (
        readable(file),
        opened_text(file.path, CODECS[options.encoding], errors="replace") as content,
    ):
        try:
            line = content.readline(LONGEST_HEADER)
            if "\ufffd" in line:
                raise UnicodeError
            # strict: an open quote must not swallow the file.
            reader = csv.reader(
                [line], delimiter=options.delimiter, quotechar=options.quote, strict=True
            )
            first = next(reader, [])
        except UnicodeError:
            raise UsageError(
                f"{file.called} isn't written in {options.encoding}",
                ENCODING,
            ) from None
        except csv.Error:
            raise UsageError(
                f"the first line of {file.called} can't be split into columns",
                "check delimiter and quotes",
            ) from None
    if not first:
        raise UsageError(f"{file.called} is empty", "a CSV file without rows still has its header")
    return first if options.header else [f"column{i + 1}" for i in range(len(first))]
