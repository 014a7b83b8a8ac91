"""Recalling: what the newest `kept` knows, and a state that was put back from before doesn't.

Belongs here: legal holds that stand by their steps though the state has no word of them, which get
it again; rectifications that the state is from before, which are opened again, since what was right
stands nowhere else; and which other requests have to be recorded anew. Does not belong here: who
has left (``replay``), bringing files back (``governance.backup``), whom a restriction keeps
(``restricted``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

import duckdb

from governance import acts, identity, inbox
from governance.consent_relations import listed, requests_sql
from governance.policy.words import (
    HELD,
    HOLDING_STATES,
    REOPENED,
    REQUEST_STATES,
    STOPPING_REQUESTS,
    TAKEN_BACK,
)
from governance.rights import kept, suppressed
from governance.rights.rectification import RECTIFICATION
from governance.rights.requests import OPEN, RESTRICTION, day_everywhere
from warehouse.clock import TICK, now, utc_naive
from warehouse.connect import warehouse_store

if TYPE_CHECKING:
    import pyarrow as pa

_HANDLE = kept.handle_sql("customer_id", "($secret::blob)")
_WORDS = """(
    select customer_id, request_id, type from landing.rights_requests
        join vault.subjects using (subject_key)
    union select customer_id, request_id, type from waiting_requests
)"""
# Of each request its first step, the last that ended it, and when Assent itself corrected by it.
_TAKEN = f"""(
    select handle, request_id, type, min(taken_at) as first_at, bool_or(step = '{HELD}') as is_hold,
        last(step order by taken_at, rowid) filter (step in {listed(REQUEST_STATES[1:])})
            as ended_by,
        max(taken_at) filter (step = 'fulfilled' and (details->>'columns') is not null)
            as corrected_at
    from kept.steps group by handle, request_id, type
)"""


@dataclass(frozen=True)
class Recalled:
    """What a state lacked: legal holds and rectifications by number, and the other requests' names.

    ``holds`` were put back, ``reopened`` rectifications have to be fulfilled again, and ``missing``
    requests, of a number that was drawn here, have to be opened again.
    """

    holds: int
    reopened: int
    missing: tuple[str, ...]


class LostHold(NamedTuple):
    """A legal hold that stands, of whose request the state knows nothing."""

    customer_id: str
    subject_key: UUID
    request_id: str
    since: datetime


def recall(state_of: datetime, opened: Collection[str]) -> Recalled:
    """Let a state from before know what still stands; the caller holds the writer's lock.

    Parameters
    ----------
    state_of
        When the state was as it is, UTC without a zone.
    opened
        The numbers of requests that were opened here since then, as far as that is on record.
    """
    holds = put_back_holds()
    reopened = _reopen(state_of)
    return Recalled(holds, reopened, tuple(_missing(state_of, opened)))


def opened_since(moment: datetime) -> set[str]:
    """Return the numbers of the requests that were opened here since a moment, by the record."""
    return {
        act["request_id"] for act in acts.recorded("rights.open")
        if act["act"] == "rights.open" and "request_id" in act and "refused" not in act
        and datetime.fromisoformat(act["at"]) >= moment
    }  # fmt: skip


def lost_holds(connection: duckdb.DuckDBPyConnection) -> list[LostHold]:
    """Return the legal holds that stand by their steps alone, of whom the vault knows.

    Parameters
    ----------
    connection
        With the warehouse as its current database, the vault attached, and what waits in the inbox
        (``Waiting.register``).
    """
    standing, secret = _standing()
    worded = _worded(connection, secret, [number for _, number, _ in standing])
    lost = [hold for hold in standing if (*hold[:2], RESTRICTION) not in worded]
    known = _subjects(connection, secret, {handle for handle, *_ in lost})
    return [
        LostHold(*known[handle], number, since) for handle, number, since in lost if handle in known
    ]


def _standing() -> tuple[list[tuple[Any, str, datetime]], bytes]:
    """Return the handle, number and first moment of each hold that stands, and the secret."""
    with kept.opened() as file:
        rows = file.execute(
            f"select handle, request_id, since from {kept.HOLDS} where until >= ?",
            [day_everywhere()],
        ).fetchall()
        return rows, kept.secret_of(file)


def put_back_holds() -> int:
    """Let holds that stand by their steps alone count again; they land with the next words.

    Returns
    -------
    int
        How many these were.
    """
    if not _standing()[0]:
        return 0
    with _opened() as connection:
        lost = lost_holds(connection)
    for hold in lost:
        _say_open(hold.customer_id, hold.request_id, RESTRICTION, hold.since, "legal hold")
    return len(lost)


def _reopen(state_of: datetime) -> int:
    """Open rectifications again that were fulfilled since; what was right isn't kept."""
    with kept.opened() as file:
        undone = file.execute(
            f"select handle, request_id from {_TAKEN} where type = '{RECTIFICATION}'"
            " and ended_by = 'fulfilled' and corrected_at >= $of order by all", {"of": state_of},
        ).fetchall()  # fmt: skip
        secret = kept.secret_of(file)
    with _opened() as connection:
        known = _subjects(connection, secret, {handle for handle, _ in undone})
    requests = [
        (known[handle][0], number, RECTIFICATION) for handle, number in undone if handle in known
    ]
    _drop_ends(requests)
    said = _said(requests)
    at = utc_naive(now())
    with kept.opened() as file:
        steps = kept.steps_of(file, {customer_id for customer_id, *_ in requests})
        kept.add_steps(
            file, requests, REOPENED, at=at, actor=acts.actor(),
            ground="the state was put back from before",
        )  # fmt: skip
    for request in requests:
        words = said.get(request)
        if words is None:
            _say_open(*request, _begun(steps[request]))
        elif not words.reopened:
            _say_open(*request, words.reopens_at, words.channel)
    return len(requests)


class Said(NamedTuple):
    """What the words of a request say that the state has."""

    received_at: datetime
    said_at: datetime
    unanswered: bool
    reopened: bool
    channel: str | None

    @property
    def reopens_at(self) -> datetime:
        """The earliest moment at which a word opens it anew, whatever ended it before.

        A word that ends a request, such as one of a feed that has yet to land, ends what was
        received no later than itself; and the time to answer runs from when it was received.
        """
        return (self.received_at if self.unanswered else self.said_at) + TICK


def _said(requests: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Said]:
    """Return what the state says of some requests, of those that it has words of."""
    if not requests:
        return {}
    with _opened() as connection:
        connection.execute(
            "create temp table words as"
            " select customer_id, request_id, type, received_at, status, channel"
            " from landing.rights_requests join vault.subjects using (subject_key)"
            " where list_contains($numbers, request_id) union all by name"
            " select customer_id, request_id, type, received_at, status, channel"
            " from waiting_requests where list_contains($numbers, request_id)",
            {"numbers": [number for _, number, _ in requests]},
        )
        rows = connection.execute(
            "select customer_id, request_id, type, any_value(r.received_at), any_value(said_at),"
            " any_value(unanswered),"
            f" max(w.received_at) filter (status = '{OPEN}') > any_value(r.received_at),"
            " last(channel order by w.received_at) filter (channel is not null)"
            f" from {requests_sql('words', 'customer_id')} as r"
            " join words as w using (customer_id, request_id, type) group by all"
        ).fetchall()
    return {
        (customer, number, kind): Said(received, said, unanswered, bool(again), channel)
        for customer, number, kind, received, said, unanswered, again, channel in rows
    }


def _begun(steps: Sequence[Mapping[str, Any]]) -> datetime:
    """Return when the first step was taken since a request came, or came anew after it had ended.

    What a restore had opened again goes on from before.
    """
    begun, ended = steps[0]["at"], False
    for step in steps:
        if ended and step["step"] != REOPENED:
            begun = step["at"]
        ended = step["step"] in REQUEST_STATES[1:]
    return cast("datetime", begun)


def _drop_ends(requests: Sequence[tuple[str, str, str]]) -> None:
    """Drop words that wait still and say that these requests have ended: it isn't so any more."""
    ends = [
        word for word in inbox.waiting().rights_requests
        if word["status"] != OPEN
        and (word["customer_id"], word["request_id"], word["type"]) in requests
    ]  # fmt: skip
    inbox.drop(inbox.Waiting([], ends))


def _missing(state_of: datetime, opened: Collection[str]) -> list[str]:
    """Return the numbers of the requests that stood or stand still, and the state doesn't know."""
    with kept.opened() as file:
        rows = file.execute(
            "select handle, request_id, type,"
            " not is_hold and first_at >= $of and (ended_by is null"
            f" or (type in {listed(STOPPING_REQUESTS)} and ended_by in {listed(HOLDING_STATES)})"
            f" or (type = 'objection' and ended_by not in {listed(TAKEN_BACK)})"
            " or coalesce(corrected_at >= $of, false))"
            f" from {_TAKEN} where regexp_full_match(request_id, $ours)",
            {"of": state_of, "ours": kept.OURS},
        ).fetchall()
    secret, suppressed_ones = suppressed.entries()
    without_steps = {*opened} - {number for _, number, *_ in rows}
    with _opened() as connection:
        erased = _erased(connection, secret, suppressed_ones)
        stand = {tuple(of) for *of, stands in rows if stands and of[0] not in erased}
        numbers = {number for _, number, _ in stand} | without_steps
        worded = _worded(connection, secret, numbers)
    known = {number for _, number, _ in worded}
    return sorted({number for _, number, _ in stand - worded} | (without_steps - known))


def _erased(connection: duckdb.DuckDBPyConnection, secret: bytes, entries: "pa.Table") -> set[UUID]:
    """Return the handles of who was erased and hasn't returned."""
    if not entries.num_rows:  # nor need the vault know yet who has returned
        return set()
    connection.register("entries", entries)
    rows = connection.execute(
        suppressed.standing("entries", "($secret::blob)"), {"secret": secret}
    ).fetchall()
    connection.unregister("entries")
    return {handle for (handle,) in rows}


@contextmanager
def _opened() -> Iterator[duckdb.DuckDBPyConnection]:
    with identity.opened(warehouse_store(read_only=True)) as connection:
        connection.execute("use warehouse")
        inbox.waiting().register(connection)
        yield connection


def _worded(
    connection: duckdb.DuckDBPyConnection, secret: bytes, numbers: Iterable[str]
) -> set[tuple[Any, ...]]:
    """Return which requests of some numbers the state has words of: handle, number and type."""
    named = list(numbers)
    if not named:
        return set()
    rows = connection.execute(
        f"select {_HANDLE}, request_id, type from {_WORDS}"
        " where list_contains($numbers, request_id)",
        {"secret": secret, "numbers": named},
    ).fetchall()
    return {*rows}


def _subjects(
    connection: duckdb.DuckDBPyConnection, secret: bytes, handles: Iterable[Any]
) -> dict[Any, tuple[str, UUID]]:
    """Return those of some handles whom the vault knows, by handle: customer id and subject key."""
    wanted = list(handles)
    if not wanted:  # most of the time: the handles of all customers take a while
        return {}
    rows = connection.execute(
        f"select * from (select customer_id, subject_key, {_HANDLE} as handle from vault.subjects)"
        " where list_contains($handles::uuid[], handle)",
        {"secret": secret, "handles": wanted},
    ).fetchall()
    return {handle: (customer_id, subject) for customer_id, subject, handle in rows}


def _say_open(
    customer_id: str, number: str, kind: str, at: datetime, channel: str | None = None
) -> None:
    word = {"customer_id": customer_id, "request_id": number, "type": kind, "received_at": at,
            "status": OPEN, "channel": channel}  # fmt: skip
    inbox.add("rights_requests", word)
