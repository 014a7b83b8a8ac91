"""The readable copy of a receipt: one HTML page that stands by itself.

Belongs here: the words of the page. Does not belong here: what it tells
(``governance.consent_record``), how pages are made (``governance.page``).
"""

from xml.etree.ElementTree import Element, SubElement

from governance import consent, consent_words
from governance.consent_record import Event, Receipt, Record
from governance.page import add, begun, bullets, clock, facts, moment, table, written
from governance.policy.words import DENIALS

BASES = {
    "consent": "your consent",
    "legitimate_interest": "an interest of ours that you may object to",
    "opt_out": "allowed until you opt out",
    "contract": "the contract with you",
    "legal_obligation": "a law that binds us",
}
ROLES = {
    "controller": "ourselves",
    "joint_controller": "decides together with us",
    "processor": "works on our instructions",
    "third_party": "a company that decides for itself",
}
FORMS = {"raw": "as it is", "banded": "roughly, in bands", "aggregated": "as totals and averages"}
SHORT = 12


def page(receipt: Receipt) -> bytes:
    """Return the page of a receipt, in UTF-8."""
    html, body = begun("Your consent: your copy")
    _opening(body, receipt)
    add(body, "h2", "What your data is used for")
    for record in receipt.records:
        purpose_card(body, record, receipt.time_zone)
    history(body, receipt)
    add(body, "h2", "How to withdraw or object")
    add(body, "p", receipt.records[0].withdrawal)
    _closing(body, receipt)
    return written(html)


def _opening(body: Element, receipt: Receipt) -> None:
    controller = receipt.controller
    add(
        body, "p",
        f"What we, {controller.name}, may do with your data, and what you have said about it,"
        f" as of {moment(receipt.judged_at, receipt.time_zone)}.",
    )  # fmt: skip
    if receipt.label:
        add(body, "p", receipt.label, css="label")
    add(body, "h2", "Who holds your data")
    record = receipt.records[0]
    facts(body, {
        "Company": f"{controller.name} ({controller.country})",
        "Reach us at": controller.contact,
        "It is stored in": ", ".join(controller.stored_in),
        "Your customer number": receipt.subject,
        "Where you live, as far as we know": record.jurisdiction or "not known",
        "Rules that apply": f"{record.regime}. {record.regime_description}",
    })  # fmt: skip


def purpose_card(body: Element, record: Record, zone: str) -> None:
    """Show one purpose: whether it is allowed and why, what it uses, who may receive it."""
    card = SubElement(body, "article", {"class": "yes" if record.permitted else "no"})
    add(card, "h3", record.description)
    add(card, "p", f"{'Allowed' if record.permitted else 'Not allowed'} now", css="state")
    add(card, "p", f"Why: {record.why}.")
    event = next((e for e in record.events if e.event_id == record.decided_by), None)
    told: dict[str, str | list[str]] = {
        "Decided by": _said(event, zone) if event else "no word of yours about consent"
    }
    if record.valid_until:
        told["Your consent ends"] = moment(record.valid_until, zone)
    if record.ask_again_at:
        told["We won't ask you to opt in before"] = moment(record.ask_again_at, zone)
    told |= {
        "Name of the purpose": record.purpose,
        "Rests on": BASES[record.basis],
        "Uses": [
            f"{data.description}: {FORMS[data.form]}, not older than {data.retention_days} days"
            for data in record.data
        ],
        "May be passed to": [
            f"{r.description} ({r.name}, {r.country}; {ROLES[r.role]})" for r in record.recipients
        ] or "nobody",
        "Sold, or shared for advertising": "yes" if record.sale_or_share else "no",
        "Used to market to you directly": "yes" if record.direct_marketing else "no",
    }  # fmt: skip
    facts(card, told)


def history(body: Element, receipt: Receipt) -> None:
    """Show each event once, though it may speak of several purposes."""
    add(body, "h2", "What you have said, and when")
    events: dict[str, Event] = {}
    effects: dict[str, list[str]] = {}
    for record in receipt.records:
        for event in record.events:
            events[event.event_id] = event
            effects.setdefault(event.event_id, []).append(
                f"{record.purpose}: {_effect(event, record)}"
            )
    if not events:
        add(body, "p", "Nothing is on record.")
        return
    add(body, "p", f"Times are those of {receipt.time_zone}.", css="aside")
    rows = table(body, ("You said", "When", "Known to us", "How and where", "Effect now"))
    for number, event in sorted(events.items(), key=lambda e: (e[1].occurred_at, e[0])):
        row = SubElement(rows, "tr")
        add(row, "td", consent_words.said(event.action, event.purpose, event.signal))
        for at in (event.occurred_at, event.recorded_at):
            cell = SubElement(row, "td", {"class": "time"})
            bullets(cell, clock(at).split(", "))
        bullets(SubElement(row, "td"), _manner(event))
        bullets(SubElement(row, "td"), effects[number])


def _closing(body: Element, receipt: Receipt) -> None:
    add(
        body, "p",
        f"Copy {receipt.receipt_id}, made on {moment(receipt.issued_at, receipt.time_zone)}."
        " It tells of that moment only.",
        css="aside",
    )  # fmt: skip


def _said(event: Event, zone: str) -> str:
    words = consent_words.said(event.action, event.purpose, event.signal)
    return f"{words}, {moment(event.occurred_at, zone)}"


def _manner(event: Event) -> list[str]:
    told = {
        "": event.method,
        "by": event.channel,
        "given by": event.given_by,
        "notice": event.notice_version,
        "language": event.language,
        "signal": event.signal,
        "evidence": event.evidence_ref,
        "wording": event.wording_hash and _short(event.wording_hash),
    }
    return [f"{name} {value}".strip() for name, value in told.items() if value is not None]


def _short(text: str) -> str:
    """Return the beginning of a hash; the copy in JSON has it whole."""
    return text if len(text) <= SHORT else f"{text[:SHORT]}..."


def _effect(event: Event, record: Record) -> str:
    if event.effect == "decides":
        return "decides"
    if event.effect == "counts":
        return "on record; something else decides"
    if event.action in DENIALS:
        return "doesn't count: a signal that you overruled by opting in since an earlier one"
    if (event.signal or "").lower() == consent.GPC:
        return "doesn't count: that a signal is sent no more is no consent"
    if event.notice_version is None or event.notice_version < record.notice_version:
        return f"doesn't count: notice {record.notice_version} or a later one is needed"
    return "doesn't count: at this age a parent has to agree"
