"""The readable page of an answer to a request for access.

Belongs here: its words and their order: what matters to a person first, every row that is held
last. Does not belong here: what it tells (``access``), how pages are made (``governance.page``).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement
from zoneinfo import ZoneInfo

from governance import consent_page
from governance.consent_record import Receipt
from governance.page import add, begun, clock, facts, table, written
from governance.policy.model import Policy
from governance.rights import explanation

ACTS = {
    "consent.show": "your consent was looked up",
    "consent.receipt": "a copy of your consent was made",
    "consent.record": "something that you said was recorded",
    "segment.explain": "it was looked up why you are in your segment",
    "rights.open": "a request of yours was opened",
    "rights.step": "a step was taken on a request of yours",
    "rights.answer": "a request of yours was answered",
    "rights.rectify": "something of yours was put right",
    "rights.readmit": "you were let back in, after what we held had been erased",
}
FILES = {
    "vault": "who you are, kept apart and encrypted",
    "warehouse": "our working database",
    "inbox": "what you said, not yet worked in",
}

NOTHING = (
    "For no purpose: what we hold of you hasn't been worked in yet, or is only what is kept, see"
    " below. What you have said by now stands among the rows at the end."
)
KEPT = {
    "steps": "what was done about your requests",
    "proofs": "that you left, and what you had said about consent",
    "receipts": "receipts",
    "handed_over": "to whom we gave your data",
    "notices": "what recipients were told",
    "suppressed": "the entry that keeps what was erased away, as long as nobody delivers it again",
}


def page(policy: Policy, told: Mapping[str, Any], consent: Receipt | None) -> bytes:
    """Return the page of an answer, in UTF-8."""
    zone = told["time_zone"]
    html, body = begun("Your data: what we hold of you")
    _opening(body, told)
    add(body, "h2", "What your data is used for")
    if not consent:
        add(body, "p", NOTHING)
    for record in consent.records if consent else ():
        consent_page.purpose_card(body, record, zone)
    _retention(body, policy, told)
    if told["memberships"]:
        add(body, "h2", "How you are grouped, and why")
        add(body, "p", explanation.HUMAN)
        for membership in told["memberships"]:
            explanation.show(policy, body, membership)
    if consent:
        consent_page.history(body, consent)
    _handed_over(body, told, zone)
    _provenance(body, told, zone)
    _requests(body, told, zone)
    _consulted(body, told, zone)
    _kept(body, told, zone)
    add(body, "h2", "Your rights")
    add(body, "p", f"{told['rights']} Write to {told['controller']['contact']}, with your customer"
        f" number ({told['customer_id']}).")  # fmt: skip
    _tables(body, told)
    return written(html)


def _opening(body: Element, told: Mapping[str, Any]) -> None:
    rows = sum(len(one["rows"]) for one in told["tables"])
    add(
        body, "p",
        f"What {told['controller']['name']} holds of you, as of"
        f" {_at(told['made_at'], told['time_zone'])}: {rows:,} rows in"
        f" {len(told['tables'])} tables. First what it is used for and who received"
        " it; every row is at the end.",
    )  # fmt: skip
    if told["label"]:
        add(body, "p", told["label"], css="label")
    add(body, "h2", "Who holds it, and who you are")
    facts(body, {
        "Company": f"{told['controller']['name']} ({told['controller']['country']})",
        "Reach us at": told["controller"]["contact"],
        "It is stored in": ", ".join(told["controller"]["stored_in"]),
        "Your request": f"{told['request']['request_id']}, received on"
        f" {_at(told['request']['received_at'], told['time_zone'])}",
        "Your customer number": told["customer_id"],
        **{
            name.replace("_", " ").capitalize(): str(value)
            for name, value in told["identifiers"].items()
            if name not in ("customer_id", "subject_key")
        },
    })  # fmt: skip


def _retention(body: Element, policy: Policy, told: Mapping[str, Any]) -> None:
    if not told["retention"]:
        return
    add(body, "h2", "Until when it is used")
    custody = told["custody"]
    add(
        body, "p",
        "Where a purpose is allowed, a value is used for it until the day given here and no longer."
        " What you have said since your data was last worked in may change that."
        f" Nothing is held for longer than {custody['retention_days']} days"
        f" ({consent_page.BASES[custody['basis']]}), but for what is named below, and what is"
        f" deleted leaves the disk within {custody['purge_within_days']} days.",
    )  # fmt: skip
    facts(body, {
        "Held for as long as you are our customer": list(custody["beyond"].values()),
        "That is": "until nothing else is held of you, the newest of these is older than those"
        " days, and no consent of yours, and nothing that you refused, counts any more",
        "For longer, too": "everything, while a restriction or a legal hold stands; and what we"
        " keep because the law lets us, with until when",
    })  # fmt: skip
    together: dict[tuple[str, str | None, str | None], list[str]] = {}
    for one in told["retention"]:
        alike = (one["purpose"], one["oldest_until"], one["newest_until"])
        together.setdefault(alike, []).append(policy.attributes[one["attribute"]].description)
    rows = table(body, ("Purpose", "What", "Oldest value until", "Newest value until"))
    for (purpose, oldest, newest), attributes in together.items():
        until = [_day(day) if day else "none is used any more" for day in (oldest, newest)]
        _row(rows, purpose, "; ".join(attributes), *until)


def _handed_over(body: Element, told: Mapping[str, Any], zone: str) -> None:
    add(body, "h2", "To whom we gave it")
    if not told["handed_over"]:
        add(body, "p", "To nobody, by this system.")
        return
    rows = table(body, ("To", "For", "When", "What"))
    for one in told["handed_over"]:
        who = one["recipient"]
        if "description" in one:
            role = consent_page.ROLES[one["role"]]
            who = f"{one['description']} ({who}, {one['country']}; {role})"
        _row(rows, who, one["purpose"], _at(one["at"], zone), ", ".join(one["columns"]))


def _provenance(body: Element, told: Mapping[str, Any], zone: str) -> None:
    if not told["provenance"]:
        return
    add(body, "h2", "Where we have it from")
    rows = table(body, ("Feed", "From", "Read on", "Rows of yours"))
    for one in told["provenance"]:
        _row(rows, one["feed"], one["provenance"], _at(one["loaded_at"], zone), f"{one['rows']:,}")


def _requests(body: Element, told: Mapping[str, Any], zone: str) -> None:
    add(body, "h2", "What you have asked for")
    rows = table(body, ("Request", "Right", "Received", "Stands", "Steps"))
    for one in told["requests"]:
        steps = "; ".join(f"{step['step']} {_at(step['at'], zone)}" for step in one["steps"])
        _row(rows, one["request_id"], one["right"], _at(one["received_at"], zone), one["status"],
             steps or "none yet")  # fmt: skip


def _consulted(body: Element, told: Mapping[str, Any], zone: str) -> None:
    if not told["consulted"]:
        return
    add(body, "h2", "When somebody looked you up")
    rows = table(body, ("When", "What"))
    for one in told["consulted"]:
        what = ("stopped before its end: " if one["refused"] else "") + ACTS.get(
            one["act"], one["act"]
        )
        _row(rows, _at(one["at"], zone), f"{what} ({one['purpose']})" if one["purpose"] else what)


def _kept(body: Element, told: Mapping[str, Any], zone: str) -> None:
    kept = told["kept"]
    if not any(kept[name] for name in kept if name != "why"):
        return
    add(body, "h2", "What we keep because the law lets us")
    why = kept["why"]
    interest = f" ({why['interest']})" if why["interest"] else ""
    add(
        body, "p",
        f"It rests on {consent_page.BASES[why['basis']]}{interest}. An open request, such as this"
        " one, a restriction or a legal hold keeps it for longer.",
    )  # fmt: skip
    facts(body, {
        "So that nothing brings you back": [
            f"an entry that keeps what was erased away, since {_at(since, zone)}"
            for since in kept["suppressed_since"]
        ] or "nothing",
        "What you had said about consent": [
            f"{len(proof['events']) or 'no'} event(s), kept when you left ({proof['left_by']})"
            for proof in kept["proofs_of_consent"]
        ] or "nothing",
        "What we did for your requests": [
            f"a receipt for request {receipt.get('request_id', '')} ({receipt.get('type', '')})"
            for receipt in kept["receipts"]
        ] or "nothing",
        "What was done about your requests": [
            f"{step['step']} {_at(step['at'], zone)}: request {step['request_id']}"
            f" ({step['right']})"
            for step in kept["steps"]
        ] or "nothing",
        "What those are told to whom we gave your data": [
            _notice(notice, zone) for notice in kept["notices"]
        ] or "nothing",
        "Until when": [
            f"{KEPT[table]}: {_day(day)}" for table, day in kept["until"].items()
        ],
    })  # fmt: skip


def _notice(notice: Mapping[str, Any], zone: str) -> str:
    of = f" ({notice['purpose']})" if notice["purpose"] else ""
    what = notice["kind"].replace("_", " ")
    says = f"; it says: {_text(notice['says'])}" if notice["says"] else ""
    return (
        f"{notice['recipient']}: {what}{of}, since {_at(notice['since'], zone)},"
        f" {notice['state']}{says}"
    )


def _tables(body: Element, told: Mapping[str, Any]) -> None:
    add(body, "h2", "Every row that we hold of you")
    add(body, "p", f"Times are in UTC. Not shown: {told['not_shown']}.", css="aside")
    for one in told["tables"]:
        where = FILES.get(one["file"], f"published for {one['file'].removeprefix('published_')}")
        number = len(one["rows"])
        details = SubElement(body, "details")
        add(details, "summary", f"{one['table']} ({where}): {number:,}"
            f" row{'' if number == 1 else 's'}. {one['meaning']}".rstrip())  # fmt: skip
        if number == 1:
            facts(details, {
                f"{one['columns'][name] or name} ({name})" if one["columns"][name] else name:
                    _text(value)
                for name, value in one["rows"][0].items()
            })  # fmt: skip
            continue
        rows = table(details, list(one["columns"]))
        for row in one["rows"]:
            _row(rows, *(_text(value) for value in row.values()))


def _row(rows: Element, *cells: str) -> None:
    row = SubElement(rows, "tr")
    for cell in cells:
        add(row, "td", cell)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value))
    return str(value)


def _at(moment_: str, zone: str) -> str:
    return clock(datetime.fromisoformat(moment_).astimezone(ZoneInfo(zone)))


def _day(day: str) -> str:
    at = date.fromisoformat(day)
    return f"{at.day} {at:%B %Y}"
