"""Purging: deleted rows leave the disk, within the policy's days.

Belongs here: which files are written anew, when that is due, and since when they hold nothing
deleted. Does not belong here: writing them (``warehouse.rewrite``), judging how long deleted rows
have lain there (rule ``custody.purge``).
"""

from datetime import datetime

import duckdb

from governance import acts, identity, inbox, release
from governance.policy.model import Policy
from governance.rights import expiry, kept, notices
from governance.rights.leaving import NOTE, REWRITTEN, rewritten_at
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store, require_file, warehouse_store
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.publish import published_purposes, without_damaged
from warehouse.rewrite import rewrite


def purge(policy: Policy) -> None:
    """Write all files anew, without what was deleted.

    The caller holds the writer's lock. What notices told goes, if it was handed over longer ago
    than ``custody.purge_within_days``.

    Raises
    ------
    UsageError
        If a file is lost, or is an older copy: what it holds can't be told to be gone.
    """
    with acts.acting("rights.purge"):
        require_state()
        notices.forget_told(policy.custody.purge_within_days)
        write_anew()


def require_state() -> None:
    """Refuse to copy the state, or write it anew, where some is lost, or nothing has landed."""
    if not Home.current().written:
        raise UsageError("nothing has landed yet", "run `assent run`")
    release.require_recorded()
    identity.require_known()
    require_file(warehouse_store())


@without_damaged
def write_anew() -> None:
    """Write the files anew, and note when."""
    at = utc_naive(now())
    inbox.rewrite()  # first: it refuses an older copy
    with connected(*identity.stores()) as connection:
        identity.drop_unowned_salts(connection)
    published = [published_store(purpose) for purpose in published_purposes()]
    rewrite([warehouse_store(), *identity.stores(), *published])
    kept.rewrite()
    with connected(warehouse_store()) as connection:
        at = max([at, *_removals(connection)])  # by whatever clock they were noted
        connection.execute("create schema if not exists governance")
        connection.execute(
            f"create or replace table {REWRITTEN} as select ?::timestamp as at", [at]
        )


def due(policy: Policy) -> bool:
    """Tell whether deleted rows have lain in the files for half of the days that they may.

    Whoever is asked every day has the other half to try again in. How long rows have lain there
    that were deleted by a clock that was days ahead, nobody knows.
    """
    if not Home.current().warehouse.exists():
        return False
    with connected(warehouse_store(read_only=True)) as connection:
        first = first_removal(connection)
    if first is None:
        return False
    days = (utc_naive(now()) - first).days
    return days < -1 or days >= policy.custody.purge_within_days // 2


def first_removal(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return since when deleted rows lie in the files, UTC without a zone; None if none do."""
    return min(_removals(connection), default=None)


def _removals(connection: duckdb.DuckDBPyConnection) -> list[datetime]:
    """Return when what lies in the files still was deleted: the first and the last moment, if any.

    Landing notes every removal as a load that read nothing, ``kept`` by itself.
    """
    since = rewritten_at(connection)
    found = expiry.removed_since(since)
    if catalogue.columns(connection, "landing", "loads", "warehouse"):
        found += connection.execute(
            f"select min(loaded_at), max(loaded_at) from warehouse.landing.loads where {NOTE}"
            " and loaded_at > coalesce($since, timestamp '-infinity')",
            {"since": since},
        ).fetchall()[0]
    return [moment for moment in found if moment is not None]
