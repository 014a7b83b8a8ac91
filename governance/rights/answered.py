"""One request by its number: how it stands, and what is kept of it.

Belongs here: finding its steps, its receipt and its notices, also when nobody is left whose request
it was, and telling apart those of several customers under one number. Does not belong here: taking
a step (``requests``), what a receipt says (``receipt``).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.policy.model import Policy
from governance.rights import kept
from governance.rights.leaving import ERASURE
from governance.rights.notices import Notice, notices
from governance.rights.requests import Request, listing, the_one


@dataclass(frozen=True)
class Answered:
    """What is known of one request.

    ``request`` is None where its subject was erased; ``steps`` are all that were taken under its
    number; ``receipt`` is that of this request, not of one that had its number before.
    """

    request: Request | None
    steps: tuple[dict[str, Any], ...]
    receipt: dict[str, Any] | None
    notices: tuple[Notice, ...]


def answered(policy: Policy, request_id: str, customer_id: str | None = None) -> Answered:
    """Return what is known of a request.

    Raises
    ------
    UsageError
        If there is none of that number, or several customers have one, one of them erased or not,
        and none is named.
    """
    beside = listing(customer_id, [request_id])
    standing = [request for request in beside if request.request_id == request_id]
    with kept.opened() as connection:
        named = [customer_id] if customer_id else [request.customer_id for request in standing]
        handles = {kept.handle_of(connection, one) for one in named}
        if not customer_id:
            handles |= kept.whose(connection, [request_id]).get(request_id, set())
        if standing or len(handles) != 1:
            standing = [the_one(standing, len(handles))]
        (handle,) = handles
        mine = [request_id, handle]
        receipts = connection.execute(
            "select receipt from kept.receipts where request_id = ? and handle = ?", mine
        ).fetchall()
        rows = connection.execute(
            "select step, taken_at, actor, details from kept.steps where request_id = ?"
            " and handle = ? order by taken_at, rowid",
            mine,
        ).fetchall()
    if not (standing or rows or receipts):
        the_one(standing)
    steps = tuple(
        {"step": step, "at": at, "actor": actor, **json.loads(details or "{}")}
        for step, at, actor, details in rows
    )
    whose = customer_id or (standing[0].customer_id if standing else None)
    told = tuple(n for n in notices(policy, whose) if n.request_id == request_id)
    request = standing[0] if standing else None
    # Where nothing has been fulfilled since it came, that is of what had its number before.
    its_own = request is None or any(
        step["step"] == "fulfilled" and step["at"] >= request.received_at for step in request.steps
    )
    receipt = json.loads(receipts[0][0]) if receipts and its_own else None
    return Answered(request, steps, receipt, told)


def erased_before(
    policy: Policy, request_ids: Sequence[str], standing: Sequence[Request],
    customer_id: str | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return, by number, the receipts of requests whose subjects were erased by them already.

    Parameters
    ----------
    standing
        The requests that there are (:func:`~governance.rights.requests.listing`).

    Raises
    ------
    UsageError
        As of :func:`answered`.
    """
    there = {request.request_id for request in standing}
    gone = [number for number in request_ids if number not in there]
    receipts = {number: answered(policy, number, customer_id).receipt for number in gone}
    return {n: r for n, r in receipts.items() if r and r.get("type") == ERASURE}
