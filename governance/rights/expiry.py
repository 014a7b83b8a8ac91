"""Expiry: what is kept of requests, exports and the erased leaves ``kept`` when it is too old.

Belongs here: how old each row of that file is, whose rows nothing may leave of, and letting go what
is older than the policy's block ``evidence`` allows. All that is kept of one request goes together,
counted from when its last word landed, its last step was taken or its subject left, whichever was
last; an entry that stops an erased subject counts from when a feed may have delivered the subject
for the last time, since without it the next delivery would bring them back. A restriction that
stands, an open request and a legal hold beat it. Does not belong here: what landing holds
(``custody``), whom the door stops (``ingest.suppression``), judging that nothing is too old
(``expectations.custody``).

GDPR Art. 5(1)(e).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb

from governance import acts, identity, inbox
from governance.clocks import Clocks, last_instant
from governance.consent_relations import RESTRICTED, requests_sql
from governance.policy.model import Policy
from governance.rights import kept, leaving
from governance.rights.published import note_kept
from warehouse.catalogue import columns
from warehouse.clock import now, utc_naive
from warehouse.connect import warehouse_store
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

Word = tuple[str, str, datetime]  # number and type of a request, and when its word landed, or came

SUPPRESSED = "suppressed"
# By table: of which type the request is that a row is kept of; a proof, of the subject's leaving.
_OF_REQUESTS = {"steps": "type", "proofs": f"'{leaving.ERASURE}'", "receipts": "type"}


def _of_request(table: str) -> str:
    return (
        "select t.position, t.handle, e.moment from (select rowid as position, handle, request_id,"
        f" {_OF_REQUESTS[table]} as type from kept.{table}) as t"
        " join ended as e using (handle, request_id, type)"
    )


# By table: each row with its handle and the moment from which its days count; null: not yet.
AGES: Mapping[str, str] = {
    **{table: _of_request(table) for table in _OF_REQUESTS},
    "handed_over": 'select rowid as position, handle, "at" as moment from kept.handed_over',
    "notices": (
        "select rowid as position, handle, coalesce(confirmed_at, handed_at) as moment"
        " from kept.notices"
    ),
    SUPPRESSED: (
        "select rowid as position, handle, greatest(since, coalesce(delivered_at, since)) as moment"
        " from kept.suppressed"
    ),
}


# Words on requests, and when each request ended.
_KNOWN = (
    "create or replace temp table known"
    " (handle uuid, request_id varchar, type varchar, moment timestamp, stands boolean)"
)
_ENDED = (
    "create or replace temp table ended as"
    " select handle, request_id, type, max(moment) as moment"
    " from (select handle, request_id, type, taken_at as moment from kept.steps union all"
    f" select handle, request_id, {_OF_REQUESTS['proofs']}, left_at from kept.proofs"
    " union all select handle, request_id, type, moment from known) group by all"
)


def days_of(policy: Policy, table: str) -> int:
    """Return for how many days the rows of a table of ``kept`` are kept."""
    evidence = policy.evidence
    return evidence.suppression_days if table == SUPPRESSED else evidence.retention_days


def let_expire(policy: Policy, clocks: Clocks) -> dict[str, int]:
    """Let go what is too old on the newest complete day; the caller holds the writer's lock.

    Done again on the same day, it finds nothing. A past ``as_of`` never comes here.

    Returns
    -------
    dict
        Rows that left by table; what there is none of isn't named.
    """
    if not Home.current().kept.exists():
        return {}
    words, at = words_known(), leaving.noted_at(utc_naive(now()))
    with kept.opened() as connection:
        _prepare(connection, words, clocks.newest_day)
        old = {table: _too_old(policy, table, clocks.newest_day) for table in AGES}
        found = {
            table: connection.execute(f"select count(*) from {which}").fetchall()[0][0]
            for table, which in old.items()
        }
        found = {table: rows for table, rows in found.items() if rows}
        if not found:
            return {}
        with acts.acting("custody.evidence", as_of=clocks.newest_day, tables=sorted(found)):
            _delete(connection, {table: old[table] for table in found}, at)
    kept.require_newest()  # notes that it has come further: an older copy isn't taken for this one
    note_kept()
    return found


def oldest(connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, datetime]:
    """Return by table of ``kept`` from when its oldest row counts that nothing holds.

    Parameters
    ----------
    connection
        With the warehouse as its current database.
    as_of
        The day on which holds are looked at.

    Returns
    -------
    dict
        UTC without a zone; a table without such a row isn't named.
    """
    if not Home.current().kept.exists():
        return {}
    waiting, landed = inbox.waiting(), _landed(connection)
    with identity.opened() as vault:
        words = _named(vault, landed, waiting)
    with kept.opened() as connection:
        _prepare(connection, words, as_of)
        found = {
            table: connection.execute(f"select min(moment) from ({_free(table)})").fetchall()[0][0]
            for table in AGES
        }
    return {table: moment for table, moment in found.items() if moment is not None}


def words_known() -> "pa.Table | None":
    """Return everybody's words on requests; None where none could have landed.

    The caller holds the writer's lock, and hasn't opened ``kept``.
    """
    waiting = inbox.waiting()
    with _landing() as connection:
        return None if connection is None else _named(connection, _landed(connection), waiting)


def words_of(customer_id: str) -> list[Word]:
    """Return the words on one customer's requests, for :func:`kept_until`.

    The caller holds the writer's lock, and hasn't opened ``kept``.
    """
    landed = identity.as_landed(customer_id)
    waiting = inbox.waiting().of(landed).rights_requests
    words: list[Word] = [(word["request_id"], word["type"], word["received_at"])
                         for word in waiting]  # fmt: skip
    with _landing() as connection:
        if connection is not None:
            words += connection.execute(
                "select request_id, type, max(loaded_at)"
                " from landing.rights_requests join vault.subjects using (subject_key)"
                " left join landing.loads using (load_id) where customer_id = ? group by all",
                [landed],
            ).fetchall()
    return words


@contextmanager
def _landing() -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Open warehouse and vault; None where no request could have landed."""
    store = warehouse_store(read_only=True)
    if not store.path.exists():
        yield None
        return
    with identity.opened(store) as connection:
        connection.execute(f"use {store.alias}")
        yield connection if columns(connection, "landing", "rights_requests") else None


def kept_until(
    connection: duckdb.DuckDBPyConnection, policy: Policy, handle: Any, words: Sequence[Word]
) -> dict[str, date]:
    """Return until when the last of what each table has of a customer is kept, as things stand.

    A delivery, a step, its landing or a hold that is yet to come makes it later.

    Parameters
    ----------
    connection
        As :func:`governance.rights.kept.opened` yields it.
    words
        As of :func:`words_of`.
    """
    connection.execute(_KNOWN)
    for word in words:  # a few
        connection.execute("insert into known values (?, ?, ?, ?, true)", [handle, *word])
    connection.execute(_ENDED)
    found = {}
    for table in AGES:
        ((moment,),) = connection.execute(
            f"select max(moment) from ({AGES[table]}) where handle = ?", [handle]
        ).fetchall()
        if moment is not None:
            day = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(policy.time_zone)).date()
            found[table] = day + timedelta(days=days_of(policy, table))
    return found


def removed_since(since: datetime | None) -> list[datetime | None]:
    """Return when the first and the last row left after a moment (None: ever), if any did."""
    if not Home.current().kept.exists():
        return []
    with kept.opened() as connection:
        found = connection.execute(
            'select min("at"), max("at") from kept.removals'
            " where \"at\" > coalesce($since, timestamp '-infinity')",
            {"since": since},
        ).fetchall()[0]
    return [*found]


def removals() -> list[dict[str, Any]]:
    """Return from which tables rows have left for their age, and on which days (in UTC).

    Not how many: mostly they are of one request.
    """
    with kept.opened() as connection:
        rows = connection.execute(
            'select distinct "table", "at"::date::varchar from kept.removals order by all'
        ).fetchall()
    return [dict(zip(("table", "day"), row, strict=True)) for row in rows]


def note_delivered(met: "pa.Table", unread_since: datetime | None, at: datetime) -> None:
    """Note whom feeds have delivered, or may have, though they may not come back.

    Parameters
    ----------
    met
        One column, ``customer_id``: whom the door stopped.
    unread_since
        When the oldest of the rows was read that still lie in a source, unread this time: they may
        be of whoever was erased, or last stopped, after that.
    at
        When, UTC without a zone.
    """
    with kept.opened() as connection:
        connection.register("met", met)
        stopped = f"handle in (select {kept.handle_sql('customer_id')} from met)"
        connection.execute(f"update kept.suppressed set stopped_at = $at where {stopped}",
                           {"at": at})  # fmt: skip
        connection.unregister("met")
        connection.execute(
            "update kept.suppressed set delivered_at = $at where stopped_at = $at"
            " or greatest(since, coalesce(stopped_at, since)) >= $unread",
            {"at": at, "unread": unread_since},
        )


def _landed(connection: duckdb.DuckDBPyConnection) -> "pa.Table":
    """Return the requests that have landed, and restrictions, as :func:`_named` takes them."""
    return connection.execute(
        f"""
        select subject_key, request_id, type, max(loaded_at) as moment,
            bool_or(unanswered) as stands
        from landing.rights_requests left join landing.loads using (load_id)
        left join {requests_sql("landing.rights_requests")} using (subject_key, request_id, type)
        group by subject_key, request_id, type
        union all select subject_key, null, null, null, true from {RESTRICTED}
        """
    ).to_arrow_table()


def _named(
    connection: duckdb.DuckDBPyConnection, landed: "pa.Table", waiting: inbox.Waiting
) -> "pa.Table":
    """Return the requests that have landed or wait, and restrictions, by customer id.

    Columns: ``customer_id``, ``request_id``, ``type``, ``moment`` (when its last word landed) and
    ``stands``: whether nothing that is kept of the customer may leave. ``connection`` has the vault
    attached.
    """
    connection.register("landed", landed)
    waiting.register(connection)
    return connection.execute(
        "select customer_id, request_id, type, moment, stands"
        " from landed join vault.subjects using (subject_key)"
        " union all select customer_id, request_id, type, received_at, true from waiting_requests"
    ).to_arrow_table()


def _prepare(connection: duckdb.DuckDBPyConnection, words: "pa.Table | None", as_of: date) -> None:
    """Make temporary tables of when each request ended, and of whom nothing leaves."""
    connection.execute(_KNOWN)
    if words is not None:
        connection.register("words", words)
        connection.execute(
            f"insert into known select {kept.handle_sql('customer_id')}, request_id, type, moment,"
            " stands from words"
        )
        connection.unregister("words")
    connection.execute(_ENDED)
    # A hold on who was erased stands here alone: its request was stopped at the door.
    connection.execute(
        "create or replace temp table holding as select handle from known where stands"
        f" union select handle from {kept.HOLDS} where until >= $day",
        {"day": as_of},
    )


def _free(table: str) -> str:
    """Return the rows of a table that nothing holds: position and moment."""
    return f"select * from ({AGES[table]}) where handle not in (select handle from holding)"


def _too_old(policy: Policy, table: str, as_of: date) -> str:
    """Return the rows that are too old; what is of the day itself is 1 day old."""
    newest = as_of - timedelta(days=days_of(policy, table))
    until = last_instant(newest, policy.time_zone)
    return f"(select position from ({_free(table)}) where moment <= timestamp '{until}')"


def _delete(connection: duckdb.DuckDBPyConnection, old: Mapping[str, str], at: datetime) -> None:
    connection.execute("begin")
    for table, which in old.items():  # how old a row is depends on the rows of others
        connection.execute(f"create or replace temp table old_{table} as from {which}")
    for table in old:
        these = f"from kept.{table} where rowid in (select position from old_{table})"
        come = "max(come)" if table == SUPPRESSED else "null"
        connection.execute(
            f"insert into kept.removals select ?, ?, count(*), {come} {these}",
            [at, table],
        )
        connection.execute(f"delete {these}")
    connection.execute("commit")
