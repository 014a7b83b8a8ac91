"""Opening a rights request here: a subject's own, or a legal hold of the company's.

Belongs here: the word in the inbox, by which it counts at once. Does not belong here: what is done
about it afterwards (``requests``), the feed of requests (``ingest``).
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime

from governance import acts, identity, inbox, limits
from governance.policy.words import HELD, REQUEST_TYPES
from governance.rights import kept, suppressed
from governance.rights.requests import OPEN, day_everywhere
from warehouse.clock import LAST_YEAR, now, utc_naive
from warehouse.errors import UsageError


@dataclass(frozen=True)
class Opened:
    """A request in the inbox.

    ``known`` says whether there is such a customer, None: can't say; ``erased`` whether there was
    one who was erased, so that the next run stops the request at the door.
    """

    request_id: str
    received_at: datetime
    known: bool | None
    erased: bool = False


def open_request(
    customer_id: str, kind: str, *, channel: str | None = None,
    received_at: datetime | None = None, request_id: str | None = None,
) -> Opened:  # fmt: skip
    """Put a request into the inbox: it counts at once, and lands with the next run.

    Parameters
    ----------
    channel
        How it came.
    received_at
        When, UTC without a zone; default: now.
    request_id
        Its number; default: a new one.

    Raises
    ------
    UsageError
        If there is no such right, a value is beyond the limits, or the vault is lost.
    """
    with acts.acting("rights.open", type=acts.known(kind, REQUEST_TYPES)) as act:
        if kind not in REQUEST_TYPES:
            raise UsageError("there is no such right", f"use one of {', '.join(REQUEST_TYPES)}")
        identity.require_an_id(customer_id)
        identity.require_there(salts=False)  # or nobody could tell whether it is a customer
        limits.require_short(channel)
        present = utc_naive(now())
        if received_at and not limits.EARLIEST <= received_at <= present:
            raise UsageError(
                "--received-at is no moment up to now", "write it in UTC, or leave it out"
            )
        opened = act["request_id"] = request_id or _drawn()
        word = {
            "customer_id": identity.as_landed(customer_id), "request_id": opened, "type": kind,
            "received_at": received_at or present, "status": OPEN, "channel": channel,
        }  # fmt: skip
        inbox.add("rights_requests", word)
        known, act["subject_key"] = identity.look_up(customer_id)
    erased = known is False and suppressed.is_suppressed(customer_id)
    return Opened(opened, received_at or present, known, erased)


def hold(customer_id: str, *, reason: str, until: date) -> Opened:
    """Put a subject under a legal hold: a restriction by the company, which erasure doesn't end.

    Raises
    ------
    UsageError
        If the hold ends before it begins, or a value is beyond the limits.
    """
    limits.require_told(reason)
    if until < day_everywhere():
        raise UsageError("--until is past", "name the last day of the hold")
    if until.year > LAST_YEAR:
        raise UsageError(
            f"--until is after {LAST_YEAR}", "name a last day: a hold may be put anew before it"
        )
    number, present = _drawn(), utc_naive(now())
    # The step first: without it, the request would be a restriction that never ends.
    with acts.acting("rights.step", step=HELD, type="restriction") as act:
        identity.require_an_id(customer_id)
        identity.require_there(salts=False)
        _, act["subject_key"] = identity.look_up(customer_id)
        act["request_id"] = number
        with kept.opened() as connection:
            kept.add_step(
                connection, customer_id, (number, "restriction"), HELD, at=present,
                actor=acts.actor(), reason=reason, until=until.isoformat(),
            )  # fmt: skip
    return open_request(
        customer_id, "restriction", channel="legal hold", received_at=present, request_id=number
    )


def _drawn() -> str:
    """Return a number that no other request has."""
    return f"A-{secrets.token_hex(5)}"
