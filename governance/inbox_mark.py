"""How far the inbox has come, noted beside it: an older copy of it is told from the newest.

Belongs here: the count that every change of the inbox raises, its note in ``inbox.mark``, and
refusing an inbox that is another, or hasn't come as far as is noted. The note is of no vault, as
that of ``kept`` is: a run holds the vault, and who records a word waits for no run. The inbox is
written first, so that one whose process was killed in between is further than its note, never
behind it. Does not belong here: the words (``inbox``).
"""

import json
import secrets
from dataclasses import asdict, dataclass

import duckdb

from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import read_json, write_durably

TABLE = "come"
_MEND = "if `inbox` is the newest, remove this file: it is written anew"


@dataclass(frozen=True)
class Mark:
    """Which inbox it is, whatever its key, and how often it has been changed."""

    of: str
    steps: int


def of(connection: duckdb.DuckDBPyConnection, alias: str = "inbox") -> Mark | None:
    """Return the mark of an attached inbox; None if an earlier version wrote it."""
    try:  # to look the table up first would take longer than all else that an inbox is opened for
        rows = connection.execute(f"select of, steps from {alias}.{TABLE}").fetchall()
    except duckdb.CatalogException:
        return None
    return Mark(*rows[0]) if rows else None


def made(connection: duckdb.DuckDBPyConnection) -> Mark:
    """Return the mark of the attached inbox, which gets one if it has none."""
    found = of(connection)
    if found is None:
        found = Mark(secrets.token_hex(16), 0)
        _write(connection, found)
    return found


def raise_(connection: duckdb.DuckDBPyConnection) -> None:
    """Count a change; in its transaction."""
    connection.execute(f"update inbox.{TABLE} set steps = steps + 1")


def surpass(connection: duckdb.DuckDBPyConnection, noted: Mark | None, theirs: Mark | None) -> None:
    """Let the inbox take the place of another: it is that one, and further than any copy of it.

    Parameters
    ----------
    noted, theirs
        What is noted of the other, and its own mark, as far as there are any.
    """
    ours = made(connection)
    steps = max(mark.steps for mark in (ours, noted, theirs) if mark) + 1
    _write(connection, Mark((noted or theirs or ours).of, steps))


def _write(connection: duckdb.DuckDBPyConnection, mark: Mark) -> None:
    connection.execute(
        f"create or replace table inbox.{TABLE} (of varchar not null, steps bigint not null)"
    )
    connection.execute(f"insert into inbox.{TABLE} values (?, ?)", [mark.of, mark.steps])


def noted(home: Home) -> Mark | None:
    """Return what is noted; None if nothing is, as by an earlier version.

    Raises
    ------
    UsageError
        If the note isn't whole: an older copy couldn't be told by it.
    """
    if not home.inbox_mark.exists():
        return None
    said = read_json(home.inbox_mark, _MEND)
    of, steps = said.get("of"), said.get("steps")
    if not (isinstance(of, str) and of and type(steps) is int and steps >= 0):
        raise UsageError(
            f"{home.inbox_mark} isn't whole: it doesn't say how far which inbox had come", _MEND
        )
    return Mark(of, steps)


def note(home: Home, mark: Mark) -> None:
    """Note how far the inbox has come; whoever does holds it."""
    write_durably(home.inbox_mark, json.dumps(asdict(mark)).encode())


def require_newest(home: Home, found: Mark | None, noted: Mark | None) -> None:
    """Refuse an inbox that is another's, or an older copy.

    Raises
    ------
    UsageError
        If it is: whoever withdrew since would be exported again.
    """
    if noted and (found is None or found.of != noted.of or found.steps < noted.steps):
        raise UsageError(
            f"{home.inbox} isn't the newest: words that were recorded since then aren't in it",
            "put back the newest; if it is lost for good, put this one aside, and keep it:"
            " `assent consent new-inbox` begins an empty one, and what the lost one held has to be"
            " recorded again",
            rule="inbox.missing",
        )
