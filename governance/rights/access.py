"""Access: everything that is held of a subject, and all that it may know of it (GDPR Art. 15).

Belongs here: what the answer tells, and where from. Does not belong here: which tables hold rows
(``discovery``: a new one is in the answer by itself), what is kept under the law (``access_kept``),
the readable page (``access_page``), handing the answer over (``fulfil``).

Rows of segments and other figures over many aren't in it: they are of nobody. The salt, by which
pseudonyms are made, is held too and not shown: it would undo what it protects.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from governance import acts, consent_receipt, vaulted
from governance.aging import today
from governance.lineage.marts import PERMITTED
from governance.policy.model import Policy
from governance.policy.words import (
    PERMISSION_ATTRIBUTES,
    SEGMENT_PURPOSE,
    TRANSACTION_ATTRIBUTES,
    WORD_FEEDS,
)
from governance.rights import owed
from governance.rights.access_kept import kept_of
from governance.rights.access_page import page
from governance.rights.answer import Answer, Meanings, as_json, opening
from governance.rights.explanation import explained
from governance.rights.holding import Held, Load, held, plain
from governance.rights.requests import Request
from governance.subject_consent import NOTHING_LANDED, Account, account
from warehouse.errors import NO_FILE, UsageError

NOT_SHOWN = (
    "a random secret (salt) from which pseudonyms are made: shown, it would undo what it protects"
)
WORDS = {
    "consent_events": "What you have said about consent",
    "rights_requests": "What you have asked for",
}
NO_SEGMENT = "In no segment: none has been published yet."
NOT_WORKED_IN = "In no segment: what we hold of you hasn't been worked in yet."
RIGHTS = (
    "You may ask us to correct or delete what we hold, to restrict what we do with it, to give it"
    " to you for another company, and you may object to its use, free of charge. You may complain"
    " to the supervisory authority where you live or work."
)


def answer(
    policy: Policy, request: Request, beside: Sequence[Request], meanings: Meanings
) -> Answer:
    """Return everything that is held of the subject of a request."""
    theirs = [one for one in beside if one.customer_id == request.customer_id]
    if request.subject_key is not None:  # what recipients have to be told of the erased is noted
        owed.gather(policy, request.subject_key)
    holding = held(request.subject_key, request.customer_id)
    found = holding.tables
    known = _account(policy, request)
    consent = consent_receipt.filled(policy, known) if known else None
    told = opening(policy, request) | {
        "identifiers": _identifiers(found),
        "purposes": consent.model_dump(mode="json")["records"] if consent else [],
        "custody": policy.custody.model_dump(mode="json") | {"beyond": _beyond(policy)},
        "retention": _retention(policy, found),
        "memberships": [_membership(request, meanings, known)] if request.subject_key else [],
        "provenance": _provenance(holding.loads, meanings),
        "requests": [_request(one) for one in theirs],
        "consulted": _consulted(request),
        **kept_of(policy, request.customer_id),
        "rights": RIGHTS,
        "not_shown": NOT_SHOWN,
        "tables": [_table(table, meanings) for table in found],
    }
    rows: dict[str, dict[str, int]] = {}
    for table in found:
        rows.setdefault(table.file, {})[table.table] = len(table.rows)
    files = {"access.json": as_json(told), "access.html": page(policy, told, consent)}
    return Answer(told["answer_id"], files, rows)


def _identifiers(found: Sequence[Held]) -> dict[str, Any]:
    return {
        name: value
        for table in found
        if table.file == "vault" and table.table in ("main.subjects", "main.identifiers")
        for record in table.records()
        for name, value in record.items()
        if value is not None and name != vaulted.RECORDED_ON
    }


def _account(policy: Policy, request: Request) -> Account | None:
    """Return what is known of the consent of somebody; None if nothing of it has landed."""
    if request.subject_key is None:
        return None
    try:
        return account(policy, request.customer_id)
    except UsageError as error:
        if error.rule != NOTHING_LANDED:
            raise
        return None


def _retention(policy: Policy, found: Sequence[Held]) -> list[dict[str, Any]]:
    """Return until when each attribute is used for each purpose: its oldest and newest value.

    Landing holds a value for longer than a purpose may use it: of those that are used no more, none
    counts; nor of those from before a consent that doesn't cover them, as the last run has it.
    """
    present = today(policy)
    rows = {table.table: table.records() for table in found}
    consented = {
        row["purpose"]: row["consented_on"] for row in rows.get(f"consented.{PERMITTED}", ())
    }
    told = []
    for name, purpose in policy.purposes.items():
        for attribute, allowance in purpose.attributes.items():
            if attribute in TRANSACTION_ATTRIBUTES:
                since = consented.get(name) or ""
                ages = [
                    day
                    for day in _days(rows, "transactions", "event_day", attribute)
                    if day > since
                ]
            else:
                ages = _days(rows, "customers", "recorded_on", attribute)
            if ages:
                ends = [_last_day(day, allowance.retention_days) for day in ages]
                used = [end.isoformat() for end in ends if end >= present]
                told.append({
                    "purpose": name,
                    "attribute": attribute,
                    "retention_days": allowance.retention_days,
                    "oldest_until": used[0] if used else None,
                    "newest_until": used[-1] if used else None,
                })  # fmt: skip
    return told


def _days(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], feed: str, day: str, attribute: str
) -> list[str]:
    """Return the days of the rows of a feed that have a value of an attribute, in order."""
    return sorted(
        row[day] for row in rows.get(f"landing.{feed}", ())
        if row[day] is not None and row.get(attribute) is not None
    )  # fmt: skip


def _beyond(policy: Policy) -> dict[str, str]:
    """Return what stays beyond the days of custody, until its subject leaves, with what it is.

    Words, without which a denial would be forgotten, what decides permission, and the number by
    which these are the subject's (``custody``).
    """
    attributes = ("customer_id", *PERMISSION_ATTRIBUTES)
    return {feed: WORDS[feed] for feed in WORD_FEEDS} | {
        name: policy.attributes[name].description if name in policy.attributes else name
        for name in attributes
    }


def _last_day(day: str, days: int) -> date:
    return date.fromisoformat(day) + timedelta(days=days)


def _membership(request: Request, meanings: Meanings, known: Account | None) -> dict[str, Any]:
    try:
        return explained(meanings, request.customer_id, known)
    except UsageError as error:
        if error.rule not in (NOTHING_LANDED, NO_FILE):
            raise  # what is damaged is the company's to mend: the answer would lack the segment
        sentence = NO_SEGMENT if error.rule == NO_FILE else NOT_WORKED_IN
        return {"purpose": SEGMENT_PURPOSE, "segment": None, "sentence": sentence}


def _provenance(loads: Sequence[Load], meanings: Meanings) -> list[dict[str, Any]]:
    """Return where rows came from: by feed and load, how many."""
    return [
        {
            "feed": load.feed,
            "provenance": meanings.provenance.get(load.feed, "recorded by us"),
            "source": load.source.rpartition("/")[2],
            "loaded_at": plain(load.loaded_at),
            "rows": load.rows,
        }
        for load in loads
    ]


def _request(request: Request) -> dict[str, Any]:
    """Return a request with its steps; who of the company took them is theirs (Art. 15(4))."""
    return {
        "request_id": request.request_id,
        "right": request.type,
        "received_at": plain(request.received_at),
        "status": request.status,
        "channel": request.channel,
        "steps": [
            {name: plain(value) for name, value in step.items() if name != "actor"}
            for step in request.steps
        ],
    }


def _consulted(request: Request) -> list[dict[str, Any]]:
    """Return when the subject's data was acted upon, and for what (CJEU C-579/21), by whom not."""
    if request.subject_key is None:
        return []
    key = str(request.subject_key)
    return [
        {name: act.get(name) for name in ("at", "act", "purpose")} | {"refused": "refused" in act}
        for act in acts.recorded(about=key)
        if act.get("subject_key") == key
    ]


def _table(table: Held, meanings: Meanings) -> dict[str, Any]:
    meaning = _meaning(table, meanings)
    return {
        "file": table.file,
        "table": table.table,
        "meaning": meaning.get("", ""),
        "columns": {name: meaning.get(name, "") for name in table.columns},
        "rows": table.records(),
    }


def _meaning(table: Held, meanings: Meanings) -> dict[str, str]:
    """Return what a table and its columns mean; a published one has the meaning of its model."""
    name = table.table.rpartition(".")[2]
    own = meanings.tables.get(table.table)
    if own is None:
        own = next(
            (m for full, m in meanings.tables.items() if full.rpartition(".")[2] == name), {}
        )
    return dict(own)
