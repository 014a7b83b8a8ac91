"""CSV files row by row: which rows can be split into columns, and which are malformed.

Belongs here: splitting the text of a file as DuckDB's strict reader splits it where that finds no
fault, so that both count the same rows (properties hold them to that). Does not belong here:
opening files, DuckDB (``csv_files``).

Nobody else's reader would do. DuckDB's tolerant mode (1.5.5) tells rejected rows by a line number
that counts empty lines, which are no rows, and is wrong where a file is read in several buffers;
Python's ``csv`` takes a quote behind a space for a part of the value.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.model import CsvOptions
from warehouse.errors import UsageError

LONGEST_ROW = 2_000_000  # characters; also what a quote that isn't closed may swallow
LINE_ENDS = "\r\n"


@dataclass(frozen=True)
class Row:
    """One row of a CSV file.

    Attributes
    ----------
    values
        Its columns; None if it can't be split into as many as there are.
    misencoded
        Whether it isn't written in the declared encoding.
    """

    values: list[str] | None
    misencoded: bool = False


def csv_rows(name: str, lines: Iterable[str], options: CsvOptions, width: int) -> Iterator[Row]:
    """Yield the rows of a CSV file in their order; an empty line is none.

    Parameters
    ----------
    name
        Of the file, for errors.
    lines
        Its lines with their ends as they are; what can't be decoded, as surrogates.
    options
        Delimiter, quote, and whether the first line is a header.
    width
        How many columns a row has.

    Raises
    ------
    UsageError
        If a quote that isn't closed has swallowed lines, or lines end in several ways: which rows
        there are can't be told then.
    """
    reader = _Reader(name, iter(lines), options)
    if options.header:
        reader.split()
    while (found := reader.split()) is not None:
        text, values = found
        if not text and width > 1:
            continue
        if values is not None and (len(values) < width or any(values[width:])):
            values = None
        if len(text) > LONGEST_ROW:
            values = None
        misencoded = not text.isascii() and bool(re.search("[\ud800-\udfff]", text))
        yield Row(None if misencoded or values is None else values[:width], misencoded)


class _Reader:
    """Splits lines into rows, and rows into columns."""

    def __init__(self, name: str, lines: Iterator[str], options: CsvOptions) -> None:
        self._name, self._lines = name, lines
        self._delimiter, self._quote = options.delimiter, options.quote
        q = re.escape(options.quote)
        self._opening = re.compile(f" ?{q}")
        self._quoted = re.compile(f" ?{q}((?:[^{q}]|{q}{q})*+){q} *")
        self._number = 0  # of the line that was read last
        self._end = ""  # what the first line ends with

    def split(self) -> tuple[str, list[str] | None] | None:
        """Return the next row and its columns, None if it has no shape; None after the last."""
        line = self._next()
        if line is None:
            return None
        if self._quote not in line:
            text = self._without_end(line)
            return text, text.split(self._delimiter)
        first, at, values = self._number, 0, []
        while True:
            if self._opening.match(line, at):
                while not (found := self._quoted.match(line, at)):
                    line += self._until_quote(first, len(line))
                values.append(found[1].replace(self._quote * 2, self._quote))
                at = found.end()
            else:
                end = line.find(self._delimiter, at)
                end = end if end >= 0 else len(line.rstrip(LINE_ENDS))
                values.append(line[at:end])
                at = end
            if line[at:] in ("", "\n", "\r", "\r\n"):
                return self._without_end(line), values
            if not line.startswith(self._delimiter, at):
                # Behind a second quote, DuckDB would go on with the value.
                if self._number > first or line.startswith(self._quote, at):
                    raise self._unclosed(first)
                return self._without_end(line), None
            at += len(self._delimiter)

    def _next(self) -> str | None:
        self._number += 1
        return next(self._lines, None)

    def _until_quote(self, first: int, before: int) -> str:
        """Return the lines that a quoted value goes on over, up to one that has a quote."""
        found: list[str] = []
        while not found or self._quote not in found[-1]:
            line = self._next()
            before += len(line or "")
            if line is None or before > LONGEST_ROW:
                raise self._unclosed(first)
            found.append(line)
        return "".join(found)

    def _without_end(self, line: str) -> str:
        text = line.rstrip(LINE_ENDS)
        end = line[len(text) :]
        self._end = self._end or end
        if self._end == "\r" or end not in ("", self._end):
            raise mixed_ends(self._name)
        return text

    def _unclosed(self, line: int) -> UsageError:
        return UsageError(
            f"{self._name}: the quote that opens in line {line} isn't closed",
            "close it: what follows can't be told apart",
        )


def mixed_ends(name: str) -> UsageError:
    """Return the error for a file whose lines end in several ways."""
    return UsageError(
        f"{name} can't be split into lines: some end otherwise than the first"
        " (LF or CR LF), or with CR alone",
        "write it with one kind of line end throughout",
    )
