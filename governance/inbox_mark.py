"""How far the inbox has come: the mark that it bears.

Belongs here: the count that every change of the inbox raises, and refusing an inbox that is
another, or hasn't come as far as is noted beside it (``marks``). The note is of no vault: a run
holds the vault, and who records a word waits for no run. Does not belong here: the words
(``inbox``).
"""

import secrets

import duckdb

from governance.marks import Mark
from warehouse.errors import UsageError
from warehouse.home import Home

TABLE = "come"


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


def require_newest(home: Home, found: Mark | None, noted: Mark | None) -> None:
    """Refuse an inbox that is another's, or an older copy.

    Raises
    ------
    UsageError
        If it is: whoever withdrew since would be exported again.
    """
    if noted and (found is None or found.is_older(noted)):
        raise UsageError(
            f"{home.inbox} isn't the newest: words that were recorded since then aren't in it",
            "put back the newest; if it is lost for good, put this one aside, and keep it:"
            " `assent consent new-inbox` begins an empty one, and what the lost one held has to be"
            " recorded again",
            rule="inbox.missing",
        )
