"""CSV files: read strictly, and once more with tolerance where a row can't be split into columns.

Belongs here: the header, DuckDB's CSV reader and its options. Does not belong here: other formats,
what the columns mean (``projection``).

Nothing is guessed from the content: DuckDB's sniffer isn't used, and every column is text. Its
tolerant mode (DuckDB 1.5.5) loses good rows or fails where a query reads some columns only; read
whole into a temporary table, it told good rows from bad in every trial.
"""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest.connectors.filesystem import opened_text, readable, scan_of
from ingest.connectors.source import (
    ENCODING,
    MALFORMED,
    POSITION,
    Source,
    mapped_columns,
    reading,
    require_columns,
    selected,
)
from ingest.model import CsvOptions, FeedSource
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted

CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}
LONGEST_HEADER = 1_000_000
REJECTS, REJECT_SCANS = "source_rejects", "source_reject_scans"
NOTING = (
    f"store_rejects = true, rejects_limit = 0, rejects_table = '{REJECTS}',"
    f" rejects_scan = '{REJECT_SCANS}'"
)


def csv_source(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    path: Path,
    unchanged: Callable[[], bool],
) -> Source:
    """Open a CSV file for strict reading; its ``tolerant`` form is made if that fails.

    Raises
    ------
    UsageError
        If the file is empty, or its first line can't be read or lacks a mapped column.
    """
    options = feed.csv or CsvOptions()
    names = _header(path, options)
    wanted = mapped_columns(feed)
    require_columns(path.name, wanted, names, trusted=False)
    for name in wanted:
        if names.count(name) > 1:
            raise UsageError(
                f"{path.name} has the column '{name}' more than once", "rename one of them"
            )
    shared = _reader_options(options, names, wanted)
    strict = scan_of("read_csv", path, *shared)
    noting = scan_of("read_csv", path, *shared, NOTING)
    return Source(
        path.name,
        dict.fromkeys(names, "VARCHAR"),
        relation=strict,
        numbered=selected(strict, wanted, f"row_number() over () as {POSITION}"),
        unchanged=unchanged,
        tolerant=lambda: _tolerant(connection, path, noting, wanted, options, unchanged),
    )


def _tolerant(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    noting: str,
    wanted: tuple[str, ...],
    options: CsvOptions,
    unchanged: Callable[[], bool],
) -> Source:
    """Copy a file with malformed rows into a temporary table, each in its place and marked.

    Raises
    ------
    UsageError
        If a quote that isn't closed has swallowed lines: how many rows they were can't be told.
    """
    table = "csv_" + hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:16]
    with reading(path.name, "check that it is a CSV file, its delimiter and its quotes"):
        connection.execute(
            "create or replace temp table csv_rows as"
            f" select *, row_number() over () as row_of_good from {noting}"
        )
        _require_closed_quotes(connection, path)
        # A reject counts lines with the header; row i of the good ones stands after every reject
        # that has fewer than i good rows before it.
        connection.execute(
            "create or replace temp table csv_rejects as select position,"
            " row_number() over (order by position) as number from"
            f" (select distinct line - {int(options.header)} as position from {REJECTS})"
        )
        columns = ", ".join(map(identifier, wanted))
        connection.execute(
            f"create or replace temp table {table} as select {columns}, false as {MALFORMED},"
            f" row_of_good + coalesce(rejected, 0) as {POSITION} from csv_rows asof left join"
            " (select position - number as good_before, max(number) as rejected from csv_rejects"
            " group by all) on row_of_good > good_before"
        )
        connection.execute(
            f"insert into {table} by name select true as {MALFORMED}, position as {POSITION}"
            " from csv_rejects"
        )
        misencoded = connection.execute(
            f"select count(distinct line) from {REJECTS} where error_type = 'INVALID ENCODING'"
        ).fetchall()[0][0]
    for leftover in ("csv_rows", "csv_rejects", REJECTS, REJECT_SCANS):
        connection.execute(f"drop table {leftover}")
    return Source(
        path.name,
        dict.fromkeys(wanted, "VARCHAR"),
        relation=table,
        numbered=table,
        marks_malformed=True,
        misencoded=misencoded,
        unchanged=unchanged,
    )


def _require_closed_quotes(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    swallowed = connection.execute(
        f"select min(line) from {REJECTS}"
        " where error_type in ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM')"
        " and regexp_matches(trim(csv_line, chr(10) || chr(13)), '[\\n\\r]')"
    ).fetchall()[0][0]
    if swallowed is not None:
        raise UsageError(
            f"{path.name}: the quote that opens in line {swallowed} isn't closed",
            "close it: what follows can't be told apart",
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


def _require_byte_order(path: Path, options: CsvOptions) -> None:
    """Stop at UTF-16 that isn't declared, or of which DuckDB would find no row and say nothing.

    It begins with a mark, or has a zero byte in each of its first two characters.
    """
    with readable(path), opened_text(path, "latin-1") as file:
        start = file.read(4)
    if start.startswith("\xfe\xff") or start[::2] == "\0\0":
        raise UsageError(f"{path.name} is written in big-endian UTF-16", "save it as UTF-8")
    if options.encoding != "utf-16" and (start.startswith("\xff\xfe") or start[1::2] == "\0\0"):
        raise UsageError(
            f"{path.name} isn't written in {options.encoding}, but in UTF-16",
            "declare `csv: {encoding: utf-16}`",
        )


def _header(path: Path, options: CsvOptions) -> list[str]:
    """Return the columns of a CSV file: its first line, or numbers if it has no header."""
    _require_byte_order(path, options)
    # Tolerant of what stands further down in the same buffer: that is for the reader to judge.
    with readable(path), opened_text(path, CODECS[options.encoding], errors="replace") as file:
        try:
            line = file.readline(LONGEST_HEADER)
            if "\ufffd" in line:
                raise UnicodeError
            # strict: an open quote must not swallow the file.
            reader = csv.reader(
                [line], delimiter=options.delimiter, quotechar=options.quote, strict=True
            )
            first = next(reader, [])
        except UnicodeError:
            raise UsageError(
                f"{path.name} isn't written in {options.encoding}",
                ENCODING,
            ) from None
        except csv.Error:
            raise UsageError(
                f"the first line of {path.name} can't be split into columns",
                "check delimiter and quotes",
            ) from None
    if not first:
        raise UsageError(f"{path.name} is empty", "a CSV file without rows still has its header")
    return first if options.header else [f"column{i + 1}" for i in range(len(first))]
