"""Legal holds of somebody who was erased: by their steps alone, since the door stops their words.

Belongs here: finding one by its number in ``kept``, and lifting it. Does not belong here: holds of
whom words are held (``requests``, ``steps``), putting a hold back that an older state has lost
(``recall``).
"""

import json
from typing import Any

from governance import acts
from governance.policy.words import HELD, REQUEST_STATES
from governance.rights import kept
from governance.rights.requests import LIFTED, OPEN, RESTRICTION, Request
from warehouse.clock import now, utc_naive


def find(request_id: str, customer_id: str | None = None) -> tuple[Any, Request] | None:
    """Return a hold that nothing but its steps tells of, and the handle of whose it is.

    Parameters
    ----------
    request_id
        Its number: Assent drew it, so that one customer has a hold of it.
    customer_id
        Whose it has to be; by default, anybody's.
    """
    with kept.opened() as connection:
        rows = connection.execute(
            "select handle, step, taken_at, actor, details from kept.steps semi join"
            f" (select handle from kept.steps where request_id = $number and step = '{HELD}')"
            f" using (handle) where request_id = $number and type = '{RESTRICTION}'"
            " and handle = coalesce($handle, handle) order by taken_at, rowid",
            {
                "number": request_id,
                "handle": customer_id and kept.handle_of(connection, customer_id),
            },
        ).fetchall()
        number = kept.numbers(connection, [request_id])[request_id]
    if not rows:
        return None
    steps = [
        {"step": step, "at": at, "actor": actor, **json.loads(details or "{}")}
        for _, step, at, actor, details in rows
    ]
    ends = [step["step"] for step in steps if step["step"] in REQUEST_STATES]
    status = ends[-1] if ends else OPEN
    hold = Request(
        request_id, number, RESTRICTION, steps[0]["at"], status, customer_id or "",
        steps=tuple(steps),
    )  # fmt: skip
    return rows[0][0], hold


def note_lifted(handle: Any, hold: Request, **details: Any) -> None:
    """Note that a hold is lifted; no word has to land, since none of its opening has."""
    with kept.opened() as connection:
        kept.add_steps_of(
            connection, [(handle, hold.request_id, hold.type)], LIFTED,
            at=utc_naive(now()), actor=acts.actor(), **details,
        )  # fmt: skip
