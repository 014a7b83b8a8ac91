"""What every connector hands over: a scannable source, its position column, its fingerprint.

Belongs here: the common shape, and the wording of a failure to read. Does not belong here: any
one connector.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from governance.policy.problems import nearest, shown
from ingest.connectors.csv_rows import mixed_ends
from ingest.expressions import columns_of, parsed
from ingest.model import FeedSource, Mapping
from warehouse.errors import UsageError
from warehouse.sql import identifier

POSITION = "source_position"  # 1-based row number, in relations that carry it
MALFORMED = "source_malformed"  # whether the row can't be split into columns
FEW = 20
LIKE_A_NAME = re.compile(r"(?!.*\d{3})[^\W\d][\w .-]{0,39}")  # no address, number or date
ALIKE = 0.85  # how much a source's name of a column must look like a mapped one to be told


@dataclass(frozen=True)
class Source:
    """One file, table, query or function result, ready to be scanned.

    Attributes
    ----------
    name
        File name without folder, table or entry point: what a person is told.
    columns
        DuckDB's type of every column.
    relation
        What stands behind ``from`` to scan it; the order of rows is not kept.
    numbered
        The same with the column ``POSITION``.
    marks_malformed
        Whether the relation has the column ``MALFORMED``.
    marks_keys
        Whether a row may lack a key that others have: the relation tells it by :func:`has_key`.
    misencoded
        How many of the malformed rows aren't written in the declared encoding.
    unchanged
        Tells whether the source still is what it was when it was opened.
    tolerant
        Makes a form of it in which rows that can't be split into columns are marked instead of
        failing the scan (:class:`MalformedRowsError`); None if it is that already.
    """

    name: str
    columns: dict[str, str]
    relation: str
    numbered: str
    marks_malformed: bool = False
    marks_keys: bool = False
    misencoded: int = 0
    unchanged: Callable[[], bool] = lambda: True
    tolerant: "Callable[[], Source] | None" = None

    def after(self, rows: int) -> "Source":
        """Return what comes after the first rows; positions stay those of the whole."""
        if not rows:
            return self
        rest = f"(select * from {self.numbered} where {POSITION} > {rows})"
        tolerant = self.tolerant
        return replace(
            self,
            relation=rest,
            numbered=rest,
            tolerant=(lambda: tolerant().after(rows)) if tolerant else None,
        )


@dataclass(frozen=True)
class Candidate:
    """Something that may have to be read.

    Attributes
    ----------
    name
        As :attr:`Source.name`.
    place
        Digest of where it is, so that files of one name in two folders are told apart.
    state
        What changes whenever a file is written (size and time), to skip a file unread; empty
        where nothing but a reading can tell.
    open
        Makes it ready to be scanned.
    content
        Returns a digest of an opened source's content; takes a reading.
    extends
        Tells, of an earlier state and content, whether whole rows were added to that and nothing
        else was changed; takes a reading.
    """

    name: str
    place: str
    state: str
    open: Callable[[], Source]
    content: Callable[[Source], str]
    extends: Callable[[str, str], bool] = lambda _state, _content: False


ENCODING = "save it as UTF-8, or declare `csv: {encoding: latin-1}`"


class MissingColumnError(UsageError):
    """A mapped column isn't in the source."""


class MalformedRowsError(UsageError):
    """Some row of a CSV file can't be split into columns."""


def mapped_columns(feed: FeedSource) -> tuple[str, ...]:
    """Return the company's columns that a feed's mapping reads, each once."""
    found = [name for mapping in feed.columns.values() for name in read_by(mapping)]
    return tuple(dict.fromkeys(found))


def read_by(mapping: Mapping) -> tuple[str, ...]:
    """Return the company's columns that the mapping of one of our columns reads."""
    if mapping.expression:
        return columns_of(parsed(mapping.expression))
    return (mapping.column,) if mapping.column else ()


def has_key(name: str) -> str:
    """Return the column of a relation that tells whether a row has a key (``marks_keys``)."""
    return identifier(f"has {name}")


@contextmanager
def reading(what: str, mend: str) -> Iterator[None]:
    """Turn any failure of DuckDB into one clear line: its own messages quote values and keys."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            f"{what}: not enough memory", "give more with ASSENT_MEMORY (for instance 8GB)"
        ) from None
    except duckdb.Error as error:
        if "CSV Error on Line" in str(error):
            raise MalformedRowsError(f"{what} has rows that can't be split into columns", mend
                                     ) from None  # fmt: skip
        if "CSV Parser state machine" in str(error):
            raise mixed_ends(what) from None
        if "unicode" in str(error).lower() or "utf-8" in str(error).lower():
            raise UsageError(
                f"{what} isn't written in the declared encoding",
                ENCODING,
            ) from None
        raise UsageError(f"{what} can't be read", mend) from None


def require_columns(
    what: str,
    wanted: Iterable[str],
    found: Iterable[str],
    *,
    trusted: bool = True,
    keyed: bool = False,
) -> None:
    """Stop unless every mapped column is there.

    A source's own names may be data (JSON keyed by customer, a CSV file without a header): they
    are counted, and only one that is spelled almost like a mapped column is told; all of them, if
    they are few, where at least half of the mapped ones are among them and they look like names.

    Parameters
    ----------
    what
        The source, for the message.
    wanted, found
        The company's columns that the mapping reads, and those that there are.
    trusted
        Whether ``found`` are surely columns. The first line of a CSV file may be data: if no wanted
        one is among them, that is said.
    keyed
        Whether each row may have names of its own: none is told then for being there.

    Raises
    ------
    MissingColumnError
        Naming each missing column, with one that it may be a misspelling of.
    """
    known, wanted = list(found), list(wanted)
    missing = [name for name in wanted if name not in known]
    if not missing:
        return
    names = ", ".join(f"'{shown(name)}'" for name in missing)
    what = f"{what} has no column {names}"
    if not trusted and len(missing) == len(wanted):
        raise MissingColumnError(
            what, "none of the mapped columns stands in its first line: check header and delimiter"
        )
    mend = f"compare the mapping with the source: {len(known)} column(s) are there"
    others = [name for name in known if name not in wanted]
    header = not keyed and 2 * len(missing) <= len(wanted)
    if header and 0 < len(others) <= FEW and all(map(LIKE_A_NAME.fullmatch, others)):
        mend += f"; not mapped: {', '.join(others)}"
    for name in reversed(missing):
        mend = nearest(name, map(shown, known), mend, alike=ALIKE)
    raise MissingColumnError(what, mend)


def content_digest(
    connection: duckdb.DuckDBPyConnection, source: Source, columns: Iterable[str], *, ordered: bool
) -> str:
    """Return a digest of the mapped columns of a source, for sources that have no bytes to hash.

    The digest is the sum of one 64-bit hash per row, so that rows may come in any order; where
    the order means something (``ordered``), the position is part of each row.
    """
    names = [identifier(name) for name in columns] + ([POSITION] if ordered else [])
    with reading(source.name, "look at what it delivers"):
        rows = connection.execute(
            f"select count(*), sum(hash({', '.join(names)})) from {source.numbered}"
        ).fetchall()
    return f"{rows[0][0]}-{rows[0][1]}"


def described(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return name and DuckDB type of each column of a relation."""
    rows = connection.execute(f"describe select * from {relation}").fetchall()
    return {name: kind for name, kind, *_ in rows}


def selected(relation: str, columns: Iterable[str], *more: str) -> str:
    """Return a relation narrowed to some columns, with further expressions."""
    names = [*map(identifier, columns), *more]
    return f"(select {', '.join(names)} from {relation})"
