"""Who may not come back: rows of the erased are stopped at the door, and counted.

Belongs here: telling, among the ids that a source holds, those whose handle is on the suppression
list and whom the vault doesn't know to have returned; and noting there that they were met: an entry
goes only when no feed delivers its subject any more. Does not belong here: the list
(``governance.rights.suppressed``), when an entry goes (``governance.rights.expiry``), what such a
row counts as (``land``).
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from governance.rights import expiry, kept, suppressed

SUPPRESSED = "suppressed_ids"  # temporary table: customer_id
_RETURNED = "suppressed_rows_ids"  # of who has returned: some rows of theirs were stopped
_LIST, _STANDING, _SECRET = "suppression_list", "suppression_standing", "suppression_secret"
OF_HANDLES = f"(select secret from {_SECRET})"  # SQL of the secret of the handles, once prepared


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the list as it is now into temporary tables, which never reach a disk in clear."""
    connection.execute(f"create or replace temp table {SUPPRESSED} (customer_id varchar)")
    connection.execute(f"create or replace temp table {_RETURNED} (customer_id varchar)")
    secret, handles = suppressed.entries()
    connection.register("handles", handles)
    connection.execute(f"create or replace temp table {_LIST} as select handle::uuid as handle"
                       " from handles")  # fmt: skip
    connection.execute(f"create or replace temp table {_SECRET} as select ?::blob as secret",
                       [secret])  # fmt: skip
    connection.execute(
        f"create or replace temp table {_STANDING} as {suppressed.standing('handles', OF_HANDLES)}"
    )
    connection.unregister("handles")


def note(connection: duckdb.DuckDBPyConnection, ids: str) -> None:
    """Note which ids of a relation (column ``customer_id``) are suppressed."""
    handle = kept.handle_sql("customer_id", OF_HANDLES)
    if connection.execute(f"select count(*) from {_STANDING}").fetchall()[0][0]:
        connection.execute(
            f"insert into {SUPPRESSED} select customer_id from {ids}"
            f" anti join {SUPPRESSED} using (customer_id)"
            f" where customer_id is not null and {handle} in (select handle from {_STANDING})"
        )


def note_stopped(connection: duckdb.DuckDBPyConnection, ids: str) -> None:
    """Note of whom, though they have returned, rows of a relation were stopped."""
    connection.execute(
        f"insert into {_RETURNED} select distinct customer_id from {ids}"
        f" anti join {_RETURNED} using (customer_id)"
    )


def note_met(
    connection: duckdb.DuckDBPyConnection, unread: Sequence[tuple[str, str]], at: datetime
) -> None:
    """Note on the list whom the door has stopped, and whom it may not have met again.

    Parameters
    ----------
    connection
        Of the load, once all has landed.
    unread
        Feed and place of the sources that are there and weren't read, or not from the beginning.
    at
        When, UTC without a zone.
    """
    if not connection.execute(f"select count(*) from {_LIST}").fetchall()[0][0]:
        return
    # A source's rows were read by the last load of all of them, and by those that added to it.
    feeds, places = zip(*unread, strict=True) if unread else ((), ())
    (since,) = connection.execute(
        """
        with unread as (
            select unnest($feeds::varchar[]) as feed, unnest($places::varchar[]) as place
        )
        select min(loaded_at) from (
            select loaded_at, load_id, max(case when rows_read = (fingerprint->>'rows')::bigint
                then load_id end) over (partition by l.feed, place) as whole
            from landing.loads as l join unread as u
                on u.feed = l.feed and u.place = (l.fingerprint->>'place')
        ) where load_id >= coalesce(whole, 0)
        """,
        {"feeds": list(feeds), "places": list(places)},
    ).fetchall()[0]
    met = connection.execute(f"from {SUPPRESSED} union from {_RETURNED}").to_arrow_table()
    expiry.note_delivered(met, since, at)


def admitted(customer_id: str = "customer_id") -> str:
    """Return the condition that an id isn't suppressed; it is never null."""
    return f"coalesce({customer_id} not in (select customer_id from {SUPPRESSED}), true)"
