"""One subject's consent: its state, and what it has said.

Belongs here: reading both for one subject, ``assent consent show``, and the door to a subject's key
for a purpose. Does not belong here: the derivation (``governance.consent``), recording a word
(``governance.subject_word``), the subject's own copy (``governance.consent_receipt``), what is
published under the key (``governance.subject_segment``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import duckdb

from governance import acts, consent, consent_words, identity, inbox
from governance.consent_relations import KNOWN_NOW, Relations, known_then
from governance.permission_bound import require_current
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.policy.words import PERMISSION, Basis
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.errors import UsageError
from warehouse.sql import quoted

NOTHING_LANDED = "subject.nothing_landed"


@dataclass(frozen=True)
class Event:
    """A consent event as it was said; times in UTC. Without a ``purpose`` it speaks of all."""

    event_id: str
    action: str
    purpose: str | None
    occurred_at: datetime
    recorded_at: datetime
    notice_version: int | None
    method: str | None
    channel: str | None
    language: str | None
    wording_hash: str | None
    evidence_ref: str | None
    signal: str | None
    given_by: str | None


@dataclass(frozen=True)
class State:
    """A subject's state for one purpose: the rule that decided it, why, and by which event.

    ``until`` is when a consent ends, ``ask_again_at`` from when the subject, who has opted out, may
    be asked to opt in (None: now), both in UTC; ``overruled`` the number of signals that an
    opt-in by name overrules, up to the moment that is asked about.
    """

    purpose: str
    permitted: bool
    rule: str
    why: str
    regime: str
    basis: Basis
    until: datetime | None
    ask_again_at: datetime | None
    overruled: int
    event: Event | None


@dataclass(frozen=True)
class Heard:
    """An event as it bears on one purpose.

    ``counts``: a grant on too old a notice doesn't, nor a child's own, nor what ``repeats``: a
    signal that an opt-in by name overrules.
    """

    purpose: str
    counts: bool
    repeats: bool
    event: Event


@dataclass(frozen=True)
class Account:
    """What is known of one subject's consent at a moment (``at``, in UTC).

    ``purpose_keys`` has its key for each purpose that is permitted then.
    """

    customer_id: str
    key: UUID
    jurisdiction: str | None
    at: datetime
    states: list[State]
    heard: list[Heard]
    purpose_keys: Mapping[str, UUID] = field(repr=False)


def show(
    policy: Policy, customer_id: str, *, at: datetime | None = None, known: datetime | None = None
) -> list[State]:
    """Return a subject's state by purpose at one instant, with what was known at another.

    Where the subject lives and how old it is are those that are known now: landing keeps no other.

    Parameters
    ----------
    at : datetime, optional
        In UTC without a zone; this moment if it isn't given.
    known : datetime, optional
        The same; ``at`` if it isn't given.

    Raises
    ------
    UsageError
        If no subject has that id, or nothing of it has landed.
    """
    with acts.acting("consent.show") as act, _permission(customer_id) as (connection, present, key):
        at = act["as_of"] = at or present
        known = act["known_at"] = known or at
        act["subject_key"] = key
        relations = known_then(known) if known < present else KNOWN_NOW
        states = _states(connection, policy, relations, key, at=at, known=known)
    if not states:  # such as of who has just been readmitted
        raise _nothing_landed()
    return states


def account(policy: Policy, customer_id: str) -> Account:
    """Return what is known now of a subject's consent: its state, and all that it has said.

    For an act that is on record; it names the subject by ``key``.

    Raises
    ------
    UsageError
        If no subject has that id, or nothing of it has landed.
    """
    with _permission(customer_id) as (connection, present, key):
        states = _states(connection, policy, KNOWN_NOW, key, at=present, known=present)
        if not states:
            raise _nothing_landed()
        jurisdiction = connection.execute(
            "select jurisdiction from permission.subjects where subject_key = ?", [key]
        ).fetchone()
        rows = connection.execute(
            "select * exclude (grants, objects) from heard"
            " order by occurred_at, recorded_at, event_id, about"
        )
        heard = [
            Heard(about, counts, repeats, Event(*said))
            for about, counts, repeats, *said in rows.fetchall()
        ]
        permitted = [state.purpose for state in states if state.permitted]
        one = f"(select * from vault.subjects where subject_key = '{key}'::uuid)"
        keys = connection.execute(
            f"select purpose, purpose_key from ({identity.purpose_keys(permitted, one)})"
        ).fetchall()
    where = jurisdiction[0] if jurisdiction else None
    landed = identity.as_landed(customer_id)
    return Account(landed, key, where, present, states, heard, dict(keys))


def permitted_key(
    policy: Policy, customer_id: str, purpose: str, known: Account | None = None
) -> tuple[UUID, State, UUID | None]:
    """Return a subject, its state for a purpose at this moment, and its key there if permitted.

    Parameters
    ----------
    known
        The subject's account, where it has just been asked for.

    Raises
    ------
    UsageError
        If the policy has no such purpose, no subject has that id, or nothing of it has landed.
    """
    purpose_named(policy, purpose)
    found = known or account(policy, customer_id)
    state = next((s for s in found.states if s.purpose == purpose), None)
    if state is None:
        raise _nothing_landed()
    return found.key, state, found.purpose_keys.get(purpose)


@contextmanager
def _permission(
    customer_id: str,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, datetime, UUID]]:
    """Open what decides of a subject, whose words are `waiting`; with the present, and its key."""
    # Before the permission file is opened: a run puts an event there, then takes it from here.
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        waiting.register(connection)
        require_current(connection)
        present = consent.moment(connection, utc_naive(now()))  # the same, whoever is asked about
        key = identity.subject_key_of(connection, customer_id)
        waiting.of(identity.as_landed(customer_id)).register(connection)
        yield connection, present, key


def _nothing_landed() -> UsageError:
    return UsageError(
        "nothing has landed of that subject yet", "run `assent run`", rule=NOTHING_LANDED
    )


def _states(
    connection: duckdb.DuckDBPyConnection, policy: Policy, relations: Relations, key: UUID, *,
    at: datetime, known: datetime,
) -> list[State]:  # fmt: skip
    """Return one subject's state by purpose; leaves ``heard``, what it has said of each."""
    for own, among in (("own_events", relations.events), ("own_standing", relations.subjects)):
        # Once: what follows reads them several times, and they are few among millions.
        connection.execute(
            f"create or replace temp table {own} as"
            f" select * from {among} where subject_key = '{key}'::uuid"
        )
    one_alone = Relations("own_events", "own_standing")
    consent.state(connection, policy, one_alone, at=at, known=known, into="state")
    connection.execute(
        f"""
        create or replace temp table heard as
        select about, counts, repeats, grants, objects,
            -- The same in the inbox as where it has landed: a word may be in both for a moment.
            sha256(concat_ws('|', subject_key, action, coalesce(purpose, ''), occurred_at,
                coalesce(notice_version, 0), lower(coalesce(signal, ''))))[1:16] as event_id,
            action, purpose, occurred_at, recorded_at, notice_version, method, channel, language,
            wording_hash, evidence_ref, signal,
            given_by
        from ({consent.heard_sql(policy, one_alone)})
        qualify row_number() over (
            partition by about, event_id order by recorded_at, evidence_ref, method
        ) = 1
        """,
        {"known": known},
    )
    rows = connection.execute(
        f"""
        select s.purpose, s.permitted, s.rule, s.regime, s.basis, s.until,
            s.ask_again_at,
            (select count(*) from heard as r where r.about = s.purpose and r.repeats
                and r.occurred_at <= $at) as overruled,
            h.* exclude (about, counts, repeats, grants, objects)
        from state as s left join heard as h
            on h.about = s.purpose and h.occurred_at = s.decided_at and h.counts
            and case s.rule when {quoted(consent.OBJECTED)} then h.objects
                when {quoted(consent.WITHDRAWN)} then not (h.grants or h.objects)
                else h.grants end
        -- Of two at the same instant, the one that names the purpose; then the first known.
        qualify row_number() over (
            partition by s.purpose order by h.purpose is null, h.recorded_at, h.event_id
        ) = 1
        order by s.purpose
        """,
        {"at": at},
    ).fetchall()
    return [_state(policy, row[:8], row[8:]) for row in rows]


def _state(policy: Policy, decided: tuple[Any, ...], event: tuple[Any, ...]) -> State:
    purpose, permitted, rule, regime, basis, until, ask_again_at, overruled = decided
    why = consent_words.why(policy, purpose, rule)
    said = Event(*event) if event[0] else None
    return State(purpose, permitted, rule, why, regime, basis, until, ask_again_at, overruled, said)
