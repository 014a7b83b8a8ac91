"""One request by its number: how it stands, and what is kept of it.

Belongs here: finding its steps, its receipt and its notices, also when nobody is left whose request
it was, and telling apart those of several customers, or of several types, under one number. Does
not belong here: taking a step (``steps``), what a receipt says (``receipt``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from governance.policy.model import Policy
from governance.policy.words import REQUEST_STATES
from governance.rights import kept, receipt
from governance.rights.leaving import ERASURE
from governance.rights.notices import Notice, notices
from governance.rights.requests import WITHDRAWN, Request, listing, of_several_types, the_one

Taken = tuple[dict[str, Any], ...]  # steps of one request


@dataclass(frozen=True)
class Answered:
    """What is known of one request.

    ``request`` is None where its subject was erased; ``steps`` are all that were taken under its
    number and type (``kind``); ``receipt`` is of this request, not of one that had both before.
    """

    request: Request | None
    kind: str
    steps: Taken
    receipt: dict[str, Any] | None
    notices: tuple[Notice, ...]


def answered(
    policy: Policy, request_id: str, customer_id: str | None = None, kind: str | None = None
) -> Answered:
    """Return what is known of a request.

    Parameters
    ----------
    customer_id, kind
        Whose it is, and of which type: see :func:`governance.rights.requests.find_all`.

    Raises
    ------
    UsageError
        If there is none of that number, several customers have one, one of them erased or not, and
        none is named, or one has it of several types.
    """
    beside = listing(customer_id, [request_id])
    standing = [request for request in beside if request.request_id == request_id]
    with kept.opened() as connection:
        named = [customer_id] if customer_id else [request.customer_id for request in standing]
        handles = {kept.handle_of(connection, one) for one in named}
        if not customer_id:
            handles |= kept.whose(connection, [request_id]).get(request_id, set())
        if len(handles) != 1:
            the_one(standing, len(handles))
        (handle,) = handles
        steps = _steps_by_type(connection, request_id, handle)
        receipts = receipt.kept_of(connection, [request_id])
    whose = customer_id or (standing[0].customer_id if standing else None)
    standing = [request for request in standing if kind in (None, request.type)]
    request = the_one(standing) if standing else None
    kind = request.type if request else _left_by(steps, kind)
    told = tuple(n for n in notices(policy, whose) if (n.request_id, n.right) == (request_id, kind))
    # Where nothing has been fulfilled since it came, that is of what had its number before.
    its_own = request is None or any(
        step["step"] == "fulfilled" and step["at"] >= request.received_at for step in request.steps
    )
    return Answered(
        request, kind, steps.get(kind, ()),
        receipts.get((handle, request_id, kind)) if its_own else None, told,
    )  # fmt: skip


def _steps_by_type(
    connection: duckdb.DuckDBPyConnection, request_id: str, handle: Any
) -> dict[str, Taken]:
    """Return the steps that were taken on one customer's requests of a number, by type."""
    rows = connection.execute(
        "select type, step, taken_at, actor, details from kept.steps where request_id = ?"
        " and handle = ? order by taken_at, rowid",
        [request_id, handle],
    ).fetchall()
    found: dict[str, Taken] = {}
    for kind, step, at, actor, details in rows:
        taken = {"step": step, "at": at, "actor": actor, **json.loads(details or "{}")}
        found[kind] = (*found.get(kind, ()), taken)
    return found


def _left_by(steps: Mapping[str, Taken], kind: str | None) -> str:
    """Return the type of the request that is meant, of those whose subject was erased, by steps.

    As of those that stand (:func:`~governance.rights.requests.the_one`), it is the one that wasn't
    withdrawn, if there is one: a step ended it, or else the feed did.
    """
    kinds = [each for each in steps if kind in (None, each)]
    meant = [each for each in kinds if _ended_by(steps[each]) not in (None, WITHDRAWN)] or kinds
    if not meant:
        the_one([])
    if len(meant) > 1:
        raise of_several_types(meant)
    return meant[0]


def _ended_by(steps: Taken) -> str | None:
    """Return the step that ended a request last, if one did."""
    return next((s["step"] for s in reversed(steps) if s["step"] in REQUEST_STATES), None)


def erased_before(
    policy: Policy, request_ids: Sequence[str], standing: Sequence[Request],
    customer_id: str | None = None, kind: str | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return, by number, the receipts of requests whose subjects were erased by them already.

    Parameters
    ----------
    standing
        The requests that there are (:func:`~governance.rights.requests.listing`).
    customer_id, kind
        As of :func:`answered`.

    Raises
    ------
    UsageError
        As of :func:`answered`.
    """
    there = {request.request_id for request in standing if kind in (None, request.type)}
    gone = [number for number in request_ids if number not in there]
    receipts = {
        number: answered(policy, number, customer_id, kind or ERASURE).receipt for number in gone
    }
    return {n: r for n, r in receipts.items() if r and r.get("type") == ERASURE}
