"""One subject's consent: showing its state, recording its word.

Belongs here: what ``assent consent`` does, and the door to a subject's key for a purpose. Does not
belong here: the derivation (``governance.consent``), the inbox's file (``governance.inbox``), what
is published under the key (``governance.subject_segment``).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb

from governance import acts, consent, identity, inbox
from governance.consent import DENIALS, GRANTS, Relations
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.release import PERMISSION
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


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


def show(policy: Policy, customer_id: str, *, at: datetime, known: datetime) -> list[State]:
    """Return a subject's state by purpose at one instant, with what was known at another.

    Raises
    ------
    UsageError
        If no subject has that id.
    """
    # Before the permission file is opened: a run puts an event there, then takes it from here.
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        key = identity.subject_key_of(connection, customer_id)
        states = _states(connection, policy, key, waiting, at=at, known=known)
    acts.record("consent.show", at=at, known=known)
    return states


def permitted_key(policy: Policy, customer_id: str, purpose: str) -> tuple[State, UUID | None]:
    """Return a subject's state for a purpose at this moment, and its key there if it may be used.

    Raises
    ------
    PolicyGapError
        If the policy has no such purpose.
    UsageError
        If no subject has that id.
    """
    purpose_named(policy, purpose)
    at = utc_naive(now())
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        key = identity.subject_key_of(connection, customer_id)
        states = _states(connection, policy, key, waiting, at=at, known=at)
        state = next((s for s in states if s.purpose == purpose), None)
        if state is None:
            raise UsageError("nothing has landed of that subject yet", "run `assent run`")
        if not state.permitted:
            return state, None
        one = f"(select * from vault.subjects where subject_key = '{key}'::uuid)"
        rows = connection.execute(
            f"select purpose_key from ({identity.purpose_keys([purpose], one)})"
        ).fetchall()
    return state, rows[0][0]


def _states(
    connection: duckdb.DuckDBPyConnection, policy: Policy, key: UUID, waiting: "pa.Table",
    *, at: datetime, known: datetime,
) -> list[State]:  # fmt: skip
    """Return one subject's state by purpose, from the permission file and the inbox."""
    connection.register("waiting", waiting)
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
) -> int:
    """Put a subject's word into the inbox; return the event's number there.

    Raises
    ------
    UsageError
        If the action or purpose is unknown, or a grant names no notice.
    """
    if action not in (*GRANTS, *DENIALS):
        raise UsageError(f"unknown action '{action}'", f"use one of {', '.join(GRANTS + DENIALS)}")
    if purpose is not None:
        purpose_named(policy, purpose)
    if action in GRANTS and notice_version is None:
        raise UsageError("a grant needs the notice that was shown", "pass --notice-version")
    recorded_at = utc_naive(now())
    number = inbox.add(
        {
            "customer_id": customer_id, "action": action, "purpose": purpose,
            "occurred_at": occurred_at or recorded_at, "recorded_at": recorded_at,
            "notice_version": notice_version, "method": method, "evidence_ref": evidence_ref,
        }
    )  # fmt: skip
    acts.record("consent.record", action=action, purpose=purpose)
    return number
