"""What is kept of a request that was fulfilled: its steps, its receipt, its notices.

Belongs here: finding them by the request's number, when nobody is left whose request it was. Does
not belong here: requests that still stand (``requests``), what a receipt says (``receipt``).
"""

import json
from dataclasses import dataclass
from typing import Any

from governance.policy.model import Policy
from governance.rights import kept
from governance.rights.notices import Notice, notices
from warehouse.errors import UsageError


@dataclass(frozen=True)
class Answered:
    """What is kept of one request; empty, if nothing is."""

    steps: tuple[dict[str, Any], ...]
    receipt: dict[str, Any] | None
    notices: tuple[Notice, ...]


def answered(policy: Policy, request_id: str, customer_id: str | None = None) -> Answered:
    """Return what is kept of a request.

    Raises
    ------
    UsageError
        If several customers' requests have that number, and none is named.
    """
    with kept.opened() as connection:
        handle = kept.handle_of(connection, customer_id) if customer_id else None
        mine = {"id": request_id, "handle": handle}
        which = "request_id = $id and ($handle is null or handle = $handle)"
        receipts = connection.execute(
            f"select receipt from kept.receipts where {which}", mine
        ).fetchall()
        rows = connection.execute(
            f"select step, taken_at, actor, details from kept.steps where {which}"
            " order by taken_at, rowid",
            mine,
        ).fetchall()
    if len(receipts) > 1:
        raise UsageError(
            f"{len(receipts)} requests have that number", "name the customer too: --subject",
            rule="request.ambiguous",
        )  # fmt: skip
    steps = tuple(
        {"step": step, "at": at, "actor": actor, **json.loads(details or "{}")}
        for step, at, actor, details in rows
    )
    told = tuple(n for n in notices(policy, customer_id) if n.request_id == request_id)
    return Answered(steps, json.loads(receipts[0][0]) if receipts else None, told)
