"""Steps: what the company does about a request, one after the other.

Belongs here: whether a request takes a step, and noting it, with its receipt if there is one. Does
not belong here: which request is meant and how it stands (``requests``), what fulfilling one does
(``access``, ``erasure``).
"""

from collections.abc import Mapping
from typing import Any

from governance import acts, inbox, limits
from governance.aging import today
from governance.policy.model import Policy
from governance.policy.words import REQUEST_STATES, STEPS, VERIFIED_REQUESTS
from governance.rights import kept, left_holds
from governance.rights.deadlines import due_dates, regime_of
from governance.rights.receipt import keep as keep_receipts
from governance.rights.requests import (
    GRANTED,
    LIFTED,
    RESTRICTION,
    Request,
    find_all,
    listing,
)
from warehouse.clock import now, utc_naive
from warehouse.errors import UsageError


def take_step(
    policy: Policy, request_id: str, step: str, *, customer_id: str | None = None,
    kind: str | None = None, **details: Any,
) -> Request:  # fmt: skip
    """Note a step on a request, and return it as it was; one that ends it lands with the next run.

    Parameters
    ----------
    policy
        Says whether a request may be extended.
    customer_id, kind
        Whose request it is, and of which type: see :func:`governance.rights.requests.find_all`.
    **details
        What belongs to the step, such as the ground of a refusal; no identifiers.

    Raises
    ------
    UsageError
        If there is no such step or request, it has ended already, or this isn't a step to take
        with it.
    """
    with acts.acting("rights.step", step=acts.known(step, STEPS)) as act:
        if step not in STEPS:
            raise UsageError("there is no such step", f"use one of {', '.join(STEPS)}")
        limits.require_told(*details.values())
        request, handle = _meant(request_id, customer_id, step, kind)
        act |= {"subject_key": request.subject_key, "request_id": request.number,
                "type": request.type}  # fmt: skip
        require_open(request, step)
        _require_fitting(policy, request, step)
        _require_told_beforehand(request, step, details.get("told"))
        if handle:
            left_holds.note_lifted(handle, request, **details)
        else:
            note_step(request, step, **details)
    return request


def _meant(
    request_id: str, customer_id: str | None, step: str, kind: str | None
) -> tuple[Request, Any]:
    """Return the request that is meant; and the handle of whose it is, of a hold of the erased."""
    among = listing(customer_id, [request_id])
    named = any(request.request_id == request_id for request in among)
    if step == LIFTED and kind in (None, RESTRICTION) and not named:
        left = left_holds.find(request_id, customer_id)
        if left:
            handle, hold = left
            return hold, handle
    return find_all([request_id], among, customer_id, step, kind)[0], None


def _require_fitting(policy: Policy, request: Request, step: str) -> None:
    """Refuse a step that this request can't take."""
    if step != LIFTED:
        require_asked_for(request)
    if step == "extended":
        _require_extendable(policy, request)
    elif step == "fulfilled" and request.type == "erasure":
        raise UsageError(
            "an erasure is done by Assent, not noted",
            f"`assent rights fulfil {request.request_id}`",
        )
    elif step in GRANTED:
        require_verified(request)
    elif step == LIFTED and request.type != RESTRICTION:
        ends = "fulfil" if request.type == "erasure" else "done"
        raise UsageError(
            "only a restriction is lifted",
            f"`assent rights refuse` or `assent rights {ends}` ends another request",
        )


def require_asked_for(request: Request) -> None:
    """Refuse to answer a legal hold."""
    if request.is_hold:
        raise UsageError(
            "a legal hold is the company's own: nobody has asked for it, so that it has no due"
            " date, there is nothing to decide, and nobody takes it back",
            f"`{_lift(request)}` ends it",
            rule="request.hold",
        )


def _require_told_beforehand(request: Request, step: str, told: str | None) -> None:
    """Refuse to end a restriction of which nobody says how its subject was told (Art. 18(3)).

    It stops everything from when it is opened, so refusing it ends it, too. Who refuses another
    request tells its subject with the answer; of a legal hold, nobody has to be told.
    """
    if step not in ("refused", LIFTED) or request.is_hold:
        return
    if bool(told) == (request.type == RESTRICTION):
        return
    if told:
        raise UsageError(
            "only of a restriction it is noted how the subject was told of the refusal beforehand",
            "leave out --told",
        )
    also = ", its ground and where to complain" if step == "refused" else ""
    raise UsageError(
        "a restriction stops everything from when it is opened: this ends that, of which the"
        " subject has to be told beforehand (GDPR Art. 18(3))",
        f"tell the subject of it{also}; `--told ...` notes how",
        rule="request.untold",
    )


def _lift(request: Request) -> str:
    """Return the command that lifts a restriction, or a legal hold."""
    return f"assent rights lift {request.request_id}{'' if request.is_hold else ' --told ...'}"


def _require_extendable(policy: Policy, request: Request) -> None:
    """Refuse to extend what can't be: once only, where there is one, and told in time."""
    if request.extended:
        raise UsageError("the request has been extended already", "the law lets one do it once")
    regime = regime_of(policy, request.jurisdiction)
    due_dates(policy, regime, request.type, request.received_at, extended=True)
    last = due_dates(policy, regime, request.type, request.received_at).answer_by
    if today(policy) > last:
        raise UsageError(
            f"the request had to be answered by {last}: it can't be extended any more",
            "answer it now; the subject had to be told of an extension within that time",
            rule="request.late",
        )


def require_open(request: Request, step: str = "") -> None:
    """Refuse to go on with a request that has ended, but for what it takes after that."""
    if request.takes(step):
        return
    mend = "open a new one"
    if request.status == "fulfilled":
        mend = (
            f"`assent rights show {request.request_id} --json` prints its receipt, if it has"
            f" one; for more, {mend}"
        )
    if request.stands:
        lift = f"`{_lift(request)}` ends it, `" if request.type == RESTRICTION else "`"
        mend = (
            f"it stands; {lift}assent rights withdraw {request.request_id}` notes that its subject"
            " takes it back"
        )
    raise UsageError(f"the request has ended: {request.status}", mend, rule="request.ended")


def require_verified(request: Request) -> None:
    """Refuse to disclose, change or destroy anything before somebody has verified who asks.

    GDPR Art. 12(6); Cal. Code Regs. tit. 11 § 7060 ff.
    """
    if request.type in VERIFIED_REQUESTS and not request.verified:
        raise UsageError(
            "nobody has verified yet who makes this request",
            f"`assent rights verify {request.request_id} --method ...` notes how it was done",
            rule="request.unverified",
        )


def note_step(
    request: Request, step: str, *, receipt: Mapping[str, Any] | None = None, **details: Any
) -> None:
    """Note a step, and keep the receipt for it; if it ends the request, for landing too."""
    present = utc_naive(now())
    with kept.opened() as connection:
        connection.execute("begin")
        if receipt:
            of = kept.handle_of(connection, request.customer_id), request.request_id, request.type
            keep_receipts(connection, {of: receipt})
        kept.add_step(
            connection, request.customer_id, (request.request_id, request.type), step,
            at=present, actor=acts.actor(), **details,
        )  # fmt: skip
        connection.execute("commit")
    if step in REQUEST_STATES:
        word = {
            "customer_id": request.customer_id, "request_id": request.request_id,
            "type": request.type, "received_at": request.said_at, "status": step,
            "channel": request.channel,
        }  # fmt: skip
        inbox.add("rights_requests", word)
