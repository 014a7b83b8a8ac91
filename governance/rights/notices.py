"""Notices: who received a subject's data is told what has become of it (GDPR Art. 19).

Belongs here: writing the notices of one recipient, noting that they were handed over and that the
recipient confirmed: of erasure and correction (Cal. Civ. Code 1798.105(c), 1798.106; Cal. Code
Regs. tit. 11 §§ 7022, 7023(c)), of denials and limits, too (§§ 7026(f), 7027(g)). Does not belong
here: which notices are owed (``owed``), remembering who was in which export (``recipients``), where
a file may lie (``governance.handover``).

What a notice tells, the identifiers by which the recipient knows the subject, stands in ``kept``
until the recipient has confirmed, or for the policy's ``purge_within_days`` after it was handed
over: the vault doesn't know who is erased.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from governance import acts, handover
from governance.policy.model import Policy
from governance.rights import kept
from governance.rights.holding import plain
from governance.rights.owed import gather
from warehouse.clock import now, utc_naive
from warehouse.errors import UsageError

FORMATS = (".json",)
WHAT_TO_DO = {
    "erasure": "Delete what you received of this customer.",
    "rectification": "Replace what you received by what is said here.",
    "restriction": "Keep what you received, and use it for nothing.",
    "objection": "Stop using what you received; the customer objects to it.",
    "marketing_objection": "Stop using what you received for direct marketing; it is objected to.",
    "limit": "Stop using sensitive data of this customer beyond what the customer asked for.",
    "opt_out": "Stop using what you received; the customer has opted out.",
    "withdrawal": "Stop using what you received for these purposes; consent has been withdrawn.",
    "restriction_ended": "The restriction that you were told of has ended.",
    "objection_ended": "The objection that you were told of has ended.",
    "marketing_objection_ended": "The objection to direct marketing has been taken back.",
    "limit_ended": "The limit that you were told of has ended.",
}
WITHDRAWN_ALL = "Stop using what you received; consent has been withdrawn."  # for every purpose
# What isn't told again while something else waits: it has been handed over.
NEW = (
    "(n.handed_at is null or not exists (from kept.notices as w where w.recipient = n.recipient"
    " and w.handed_at is null))"
)


@dataclass(frozen=True)
class Notice:
    """One notice, as it stands; ``state`` is waiting, handed over or confirmed.

    ``waits_since`` is when it came to be owed: of what is left of an objection that was refused,
    the refusal.
    """

    request_id: str | None
    recipient: str
    kind: str
    since: datetime
    notice_id: str | None
    state: str
    waits_since: datetime

    @property
    def right(self) -> str:
        """The type of the request that it is about, if it is about one."""
        return self.kind.removesuffix("_ended").removeprefix("marketing_")


def notices(policy: Policy, customer_id: str | None = None) -> list[Notice]:
    """Return every notice, or those about one customer, oldest first."""
    gather(policy)
    with kept.opened() as connection:
        whose = kept.handle_of(connection, customer_id) if customer_id else None
        rows = connection.execute(
            "select request_id, recipient, kind, since, notice_id, case when confirmed_at is not"
            " null then 'confirmed' when handed_at is not null then 'handed over' else 'waiting'"
            " end, greatest(since, (select max(taken_at) from kept.steps as s"
            " where s.handle = n.handle and s.request_id = n.request_id and step = 'refused'"
            " and s.type = 'objection' and n.kind = 'marketing_objection'))"
            " from kept.notices as n where handle = coalesce(?, handle)"
            " order by since, recipient, kind, request_id",
            [whose],
        ).fetchall()
    return [Notice(*row) for row in rows]


def notify(policy: Policy, recipient: str, to: Path, *, encrypted: bool = True) -> dict[str, Any]:
    """Write what a recipient is to be told to a file for it; return how much that is.

    All that waits is in it; if nothing does, what isn't confirmed, by the number it was given.

    Raises
    ------
    UsageError
        If there is nothing to tell, the recipient has no public key, or the file can't be written
        there.
    """
    named = acts.known(recipient, policy.recipients)
    with acts.acting("rights.notify", recipient=named) as act:
        target = handover.target(to, FORMATS, "a notice", encrypted=encrypted)
        key = handover.key_of_recipient(policy, recipient) if encrypted else None
        gather(policy)
        notice_id, at = secrets.token_hex(8), utc_naive(now())
        these, changes = _unconfirmed(recipient, notice_id)
        if not changes:
            raise UsageError(
                "there is nothing to tell that recipient",
                "see `assent rights notices`",
                rule="notice.none",
            )
        numbers = sorted({change["notice_id"] for change in changes})
        told = {
            "made_at": plain(at), "recipient": recipient,
            "controller": policy.controller.model_dump(mode="json"), "changes": changes,
        }  # fmt: skip
        content = handover.sealed(json.dumps(told, indent=1, ensure_ascii=False).encode(), key)
        act |= {"notice_ids": numbers, "changes": len(changes), "encrypted": encrypted}
    with handover.set_aside(target, content) as put:
        _hand_over(these, notice_id, at)
        try:
            put()
        except BaseException:
            _hand_over(these, None, None)
            raise
    return {"notice_ids": numbers, "changes": len(changes), "file": target.name}


def confirm(notice_id: str, how: str) -> int:
    """Note that a recipient has confirmed a notice; return how many changes it was of."""
    with acts.acting("rights.confirm") as act, kept.opened() as connection:
        rows = connection.execute(
            "update kept.notices set confirmed_at = ?, how = ?, told = null"
            " where notice_id = ? and confirmed_at is null",
            [utc_naive(now()), how, notice_id],
        ).fetchall()
        if not rows[0][0]:
            raise UsageError("no notice of that number waits to be confirmed",
                             "see `assent rights notices`", rule="notice.unknown")  # fmt: skip
        kept.count_change(connection)
        act |= {"notice_id": notice_id, "changes": rows[0][0]}
    return int(rows[0][0])


def forget_told(days: int) -> None:
    """Drop what notices told, so many days after they were handed over, confirmed or not."""
    with kept.opened() as connection:
        connection.execute(
            "update kept.notices set told = null where handed_at < ?",
            [utc_naive(now()) - timedelta(days=days)],
        )


def _unconfirmed(recipient: str, notice_id: str) -> tuple[list[UUID], list[dict[str, Any]]]:
    """Return which notices wait, to be handed over by a number, and what a recipient is told."""
    with kept.opened() as connection:
        rows = connection.execute(
            "select if(handed_at is null, owed_id, null), coalesce(notice_id, ?), kind, since, told"
            " from kept.notices as n where recipient = ?"
            f" and confirmed_at is null and told is not null and {NEW}"
            # It stands beyond the end of the objection, and bears its date.
            " order by starts_with(kind, 'marketing_objection'), since, kind, told, owed_id",
            [notice_id, recipient],
        ).fetchall()
    return [owed_id for owed_id, *_ in rows if owed_id], [_change(*row) for _, *row in rows]


def _change(notice_id: str, kind: str, since: datetime, told: str) -> dict[str, Any]:
    known: Mapping[str, Any] = json.loads(told)
    said = {"notice_id": notice_id, "kind": kind, "since": plain(since)}
    also = {name: known[name] for name in ("also_known_as", "received") if known.get(name)}
    changed = {"now": known["now"]} if kind == "rectification" else {}
    of = {"purposes": known["purposes"]} if known.get("purposes") else {}
    to_do = WITHDRAWN_ALL if kind == "withdrawal" and not of else WHAT_TO_DO[kind]
    return {**said, "known_as": known["known_as"], **also, **of, **changed, "please": to_do}


def _hand_over(these: list[UUID], notice_id: str | None, at: datetime | None) -> None:
    """Note that these were handed over, and no other: more may have become owed meanwhile."""
    with kept.opened() as connection:
        connection.execute(
            "update kept.notices set notice_id = ?, handed_at = ?"
            " where owed_id in (select unnest(?::uuid[]))",
            [notice_id, at, these],
        )
        kept.count_change(connection)
