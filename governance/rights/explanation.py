"""Explanation: why a subject is in its segment, for the subject (GDPR Art. 15(1)(h), 22).

Belongs here: what the answer tells, as JSON and as a part of a page. Does not belong here: why it
is so (``models.explain``, which the rooms above ask).
"""

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from governance.page import add, begun, bullets, facts, table, written
from governance.policy.model import Policy
from governance.policy.words import SEGMENT_PURPOSE
from governance.rights.answer import Answer, Meanings, as_json, opening
from governance.rights.holding import plain
from governance.rights.requests import Request
from governance.subject_consent import Account

HUMAN = (
    "Segments are groups of customers who shop alike. A statistical model puts you into one by the"
    " figures below; no person looks at them. They are not meant for decisions about one person: if"
    " you think that one was taken about you, tell us, and a person looks at it again."
)
TITLE = "Why you are in your segment"


def answer(
    policy: Policy, request: Request, _beside: Sequence[Request], meanings: Meanings
) -> Answer:
    """Return the explanation of a subject's memberships."""
    told = opening(policy, request) | {
        "meaning": HUMAN,
        "memberships": [explained(meanings, request.customer_id)],
    }
    files = {"explanation.json": as_json(told), "explanation.html": _page(policy, told)}
    return Answer(told["answer_id"], files, {})


def explained(meanings: Meanings, customer_id: str, known: Account | None = None) -> dict[str, Any]:
    """Return why a subject is in its segment, as plain values.

    ``known`` is as of :func:`governance.subject_consent.permitted_key`.

    Raises
    ------
    UsageError
        If the model in force isn't the one that assigned.
    """
    told: dict[str, Any] = plain(meanings.explain(customer_id, SEGMENT_PURPOSE, known))
    return told


def show(policy: Policy, body: Element, membership: dict[str, Any]) -> None:
    """Show one membership: where, and the figures that decided, beside what is typical."""
    purpose = policy.purposes[membership["purpose"]].description
    facts(body, {
        "For the purpose": purpose,
        "Your segment": str(membership.get("name") or "none"),
        "Why": membership["sentence"],
    })  # fmt: skip
    if not membership.get("features"):
        return
    add(body, "p", "The figures that it was decided by, what decided most first:")
    rows = table(body, ("Figure", "Yours", "Typical there", "Typical of the next", "Weight"))
    for row in membership["features"]:
        line = SubElement(rows, "tr")
        add(line, "td", f"{row['label']} ({row['unit']})" if row["unit"] else row["label"])
        for name in ("value", "typical", "typical_of_rival"):
            none = "unknown" if name == "value" else "too few to tell"
            add(line, "td", none if row[name] is None else f"{row[name]:,.4g}")
        add(line, "td", f"{row['share']:.0%}")
    bullets(body, membership["changes"])


def _page(policy: Policy, told: dict[str, Any]) -> bytes:
    html, body = begun(TITLE)
    add(body, "p", f"You asked {policy.controller.name} for it; made on {told['made_at']}.")
    if told["label"]:
        add(body, "p", told["label"], css="label")
    add(body, "p", told["meaning"])
    for membership in told["memberships"]:
        show(policy, body, membership)
    add(body, "p", f"Questions and objections: {policy.controller.contact}, with your customer"
        f" number ({told['customer_id']}).", css="aside")  # fmt: skip
    return written(html)
