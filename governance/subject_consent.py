"""One subject's consent: showing its state, recording its word.

Belongs here: what ``assent consent`` does, and the door to a subject's key for a purpose. Does not
belong here: the derivation (``governance.consent``), the inbox's file (``governance.inbox``), what
is published under the key (``governance.subject_segment``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import duckdb

from governance import acts, consent, identity, inbox, limits
from governance.consent import Relations
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.policy.words import ACTIONS, GRANTS
from governance.release import PERMISSION
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store
from warehouse.errors import DAMAGED, NO_FILE, AssentError, KeyMissingError, UsageError


@dataclass(frozen=True)
class State:
    """A subject's state for one purpose, and the rule that decided it; times in UTC."""

    purpose: str
    permitted: bool
    rule: str
    regime: str
    basis: str
    granted: datetime | None
    denied: datetime | None


@dataclass(frozen=True)
class Recorded:
    """An event in the inbox; ``known`` says whether there is such a customer, None: can't say.

    ``at`` is the moment it counts as recorded, in UTC; ``behind`` says that the clock was behind
    that.
    """

    event_id: int
    known: bool | None
    at: datetime
    behind: bool


def show(
    policy: Policy, customer_id: str, *, at: datetime | None = None, known: datetime | None = None
) -> list[State]:
    """Return a subject's state by purpose at one instant, with what was known at another.

    Parameters
    ----------
    at : datetime, optional
        In UTC without a zone; this moment if it isn't given.
    known : datetime, optional
        The same; ``at`` if it isn't given.

    Raises
    ------
    UsageError
        If no subject has that id.
    """
    with acts.acting("consent.show") as act, _permission() as (connection, present):
        at = act["as_of"] = at or present
        known = act["known_at"] = known or at
        key = act["subject_key"] = identity.subject_key_of(connection, customer_id)
        return _states(connection, policy, key, at=at, known=known)


def permitted_key(
    policy: Policy, customer_id: str, purpose: str
) -> tuple[UUID, State, UUID | None]:
    """Return a subject, its state for a purpose at this moment, and its key there if permitted.

    Raises
    ------
    UsageError
        If the policy has no such purpose, or no subject has that id.
    """
    purpose_named(policy, purpose)
    with _permission() as (connection, present):
        key = identity.subject_key_of(connection, customer_id)
        states = _states(connection, policy, key, at=present, known=present)
        state = next((s for s in states if s.purpose == purpose), None)
        if state is None:
            raise UsageError("nothing has landed of that subject yet", "run `assent run`")
        if not state.permitted:
            return key, state, None
        one = f"(select * from vault.subjects where subject_key = '{key}'::uuid)"
        rows = connection.execute(
            f"select purpose_key from ({identity.purpose_keys([purpose], one)})"
        ).fetchall()
    return key, state, rows[0][0]


@contextmanager
def _permission() -> Iterator[tuple[duckdb.DuckDBPyConnection, datetime]]:
    """Open what decides permission, the inbox's events as `waiting`; with the present moment."""
    # Before the permission file is opened: a run puts an event there, then takes it from here.
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        waiting.register(connection)
        yield connection, consent.moment(connection, utc_naive(now()))


def _states(
    connection: duckdb.DuckDBPyConnection, policy: Policy, key: UUID, *, at: datetime,
    known: datetime,
) -> list[State]:  # fmt: skip
    """Return one subject's state by purpose, from the permission file and the inbox."""
    one = f"subject_key = '{key}'::uuid"
    relations = Relations(
        f"(select * from {consent.KNOWN_NOW.events} where {one})",
        f"(select * from {consent.KNOWN_NOW.subjects} where {one})",
    )
    consent.state(connection, policy, relations, at=at, known=known, into="state")
    rows = connection.execute(
        "select purpose, permitted, rule, regime, basis, granted, denied from state"
        " order by purpose"
    ).fetchall()
    return [State(*row) for row in rows]


def record(
    policy: Policy,
    customer_id: str,
    action: str,
    *,
    purpose: str | None = None,
    occurred_at: datetime | None = None,
    notice_version: int | None = None,
    method: str = "",
    evidence_ref: str | None = None,
) -> Recorded:
    """Put a subject's word into the inbox, if a run could land it.

    A subject that isn't known yet may be: the event applies when it appears.

    Raises
    ------
    UsageError
        If the action or the purpose is unknown, a grant names no notice, or a value is beyond the
        limits.
    """
    named = {
        "action": acts.known(action, ACTIONS),
        "purpose": acts.known(purpose or "", policy.purposes),
    }
    with acts.acting("consent.record", **named) as act:
        _require_known(policy, action, purpose, notice_version)
        identity.require_an_id(customer_id)
        limits.require_short(method, evidence_ref)
        clock = utc_naive(now())
        recorded_at = _newest_known(clock)
        _require_possible(notice_version, occurred_at, recorded_at)
        number = inbox.add(
            "consent_events",
            {
                "customer_id": identity.as_landed(customer_id),
                "action": action, "purpose": purpose,
                "occurred_at": occurred_at or recorded_at, "recorded_at": recorded_at,
                "notice_version": notice_version, "method": method, "evidence_ref": evidence_ref,
            }
        )  # fmt: skip
        known, act["subject_key"] = identity.look_up(customer_id)
    return Recorded(number, known, recorded_at, behind=recorded_at > clock)


def _newest_known(clock: datetime) -> datetime:
    """Return the moment a word counts as recorded: never before what is known already.

    By a clock that is behind, a denial would come before the grant that it takes back. Whoever
    takes words down needs no key to what decides permission; without it, the clock counts.
    """
    try:
        with connected(published_store(PERMISSION, alias="permission")) as connection:
            inbox.waiting().register(connection)
            return consent.moment(connection, clock)
    except AssentError as error:
        if error.rule not in (KeyMissingError.rule, NO_FILE, DAMAGED):
            raise
        return clock


def _require_known(
    policy: Policy, action: str, purpose: str | None, notice_version: int | None
) -> None:
    if action not in ACTIONS:
        raise UsageError(f"unknown action '{action}'", f"use one of {', '.join(ACTIONS)}")
    if purpose is not None:
        purpose_named(policy, purpose)
    if action in GRANTS and notice_version is None:
        raise UsageError("a grant needs the notice that was shown", "pass --notice-version")


def _require_possible(
    notice_version: int | None, occurred_at: datetime | None, recorded_at: datetime
) -> None:
    if notice_version is not None and not 1 <= notice_version <= limits.GREATEST_NOTICE:
        raise UsageError(
            f"there is no notice {notice_version}", "notices are numbered from 1, see the policy"
        )
    if occurred_at is None:
        return
    if occurred_at < limits.EARLIEST:
        raise UsageError(
            f"--occurred-at is before {limits.EARLIEST.year}", "say when the subject said so"
        )
    if occurred_at > recorded_at + timedelta(minutes=limits.FUTURE_TOLERANCE_MINUTES):
        raise UsageError("--occurred-at is in the future", "write it in UTC, or leave it out")
