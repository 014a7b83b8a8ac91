"""How far the vault has come, as the file ``kept`` notes it.

Belongs here: counting what the vault alone has of a subject and no feed brings again, which is what
a rectification says is right and that somebody who was erased has returned; and telling by that
number an older vault, where all that would be undone though the requests stay fulfilled. The vault
counts in the transaction that decides, and ``kept`` notes the number after it, so that of a process
that was killed in between the vault is further, never behind. Does not belong here: when ``kept``
is asked (``rights.kept``), what a restore opens again instead (``rights.recall``).
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import duckdb

from warehouse.catalogue import columns
from warehouse.errors import UsageError
from warehouse.home import Home

TABLE = "decisions"
OLDER = "vault.older"
P = ParamSpec("P")
T = TypeVar("T")
SHAPE = "number bigint not null"


def decide(connection: duckdb.DuckDBPyConnection) -> None:
    """Count what is decided; within the transaction that writes it in the vault."""
    _put(connection, "vault", _number(connection, "vault") + 1)


def come(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return how far the vault, which is attached, has come; None if nobody is in it.

    It has been begun anew then: nothing in it was decided, nor can it be undone.
    """
    if not columns(connection, "main", "subjects", "vault"):
        return None
    if not connection.execute("select 1 from vault.subjects limit 1").fetchall():
        return None
    return _number(connection, "vault")


def require(keeping: duckdb.DuckDBPyConnection, found: int | None) -> None:
    """Refuse a vault that is from before what ``kept``, which is open, knows was decided.

    Parameters
    ----------
    found
        How far the vault has come.

    Raises
    ------
    UsageError
        If it is an older copy.
    """
    if found is not None and found < _number(keeping, "kept"):
        raise UsageError(
            f"{Home.current().vault} is an older copy: it is from before a rectification, or before"
            " somebody who was erased was admitted again, which it would undo",
            "put back the newest; if it is lost, `assent restore` puts a backup in its place, and"
            " opens such rectifications again",
            rule=OLDER,
        )


def again_if_older(ask: Callable[P, T]) -> Callable[P, T]:
    """Let a reader ask once more before it refuses: it opens the vault before ``kept``.

    Both may have come further in between, by a rectification or a readmission.
    """

    @wraps(ask)
    def asked(*args: P.args, **given: P.kwargs) -> T:
        try:
            return ask(*args, **given)
        except UsageError as error:
            if error.rule != OLDER:
                raise
        return ask(*args, **given)

    return asked


def hold(connection: duckdb.DuckDBPyConnection, keeping: duckdb.DuckDBPyConnection) -> None:
    """Hold the vault to what ``kept`` notes, and note there how far it has come by now.

    Raises
    ------
    UsageError
        If it is an older copy.
    """
    require(keeping, come(connection))
    take(connection, keeping)


def take(connection: duckdb.DuckDBPyConnection, keeping: duckdb.DuckDBPyConnection) -> None:
    """Let each know of what the other does, whichever is the older."""
    of_vault, of_kept = _number(connection, "vault"), _number(keeping, "kept")
    if of_vault < of_kept:
        _put(connection, "vault", of_kept)
    elif of_kept < of_vault:
        _put(keeping, "kept", of_vault)


def _number(connection: duckdb.DuckDBPyConnection, database: str) -> int:
    """Return the number that an attached file holds, by its alias; 0 if nothing was decided."""
    if not columns(connection, "main", TABLE, database):
        return 0  # as of a file that an earlier version wrote
    query = f"select coalesce(max(number), 0) from {database}.main.{TABLE}"
    return int(connection.execute(query).fetchall()[0][0])


def _put(connection: duckdb.DuckDBPyConnection, database: str, number: int) -> None:
    table = f"{database}.main.{TABLE}"
    connection.execute(f"create table if not exists {table} ({SHAPE})")
    connection.execute(f"insert into {table} values (?)", [number])
    connection.execute(f"delete from {table} where number < ?", [number])
