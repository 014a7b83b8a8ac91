"""The readable copy of a receipt: one HTML page that stands by itself.

Belongs here: words and looks of the page. Does not belong here: what it tells
(``governance.consent_record``). It is built as a tree whose texts the serialiser escapes, so no
value can become markup; it loads nothing, and its own policy forbids that it ever does.
"""

from collections.abc import Iterable
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from governance import consent_words
from governance.consent_record import Event, Receipt, Record
from governance.limits import UNSEEN

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'"
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
STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1.25rem 4rem; background: #fff;
  color: #1c2430; font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 2px solid #dfe4ea; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; }
p { margin: .5rem 0; }
.aside, figcaption, dt { color: #55606e; }
.label { background: #fff6db; padding: .6rem .8rem; border-radius: .4rem; }
article { border: 1px solid #dfe4ea; border-left-width: .4rem; border-radius: .4rem;
  padding: 1rem 1.1rem; margin: 1rem 0; break-inside: avoid; }
article.yes { border-left-color: #217a4b; }
article.no { border-left-color: #a33b2e; }
.state { font-weight: 600; }
.yes .state { color: #1b6a40; }
.no .state { color: #93331f; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0 0; }
dd { margin: 0; }
ul { margin: 0; padding-left: 1.1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; overflow-wrap: break-word; }
td ul { list-style: none; padding: 0; }
.time { white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem .4rem 0;
  border-bottom: 1px solid #e6eaef; }
th { color: #55606e; font-weight: 600; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; } }
"""


def page(receipt: Receipt) -> bytes:
    """Return the page of a receipt, in UTF-8."""
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": CONTENT_POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="referrer", content="no-referrer")
    _add(head, "title", "Your consent: your copy")
    _add(head, "style", STYLE)
    body = SubElement(html, "body")
    _opening(body, receipt)
    _add(body, "h2", "What your data is used for")
    for record in receipt.records:
        _purpose(body, record, receipt.time_zone)
    _history(body, receipt)
    _add(body, "h2", "How to withdraw or object")
    _add(body, "p", receipt.records[0].withdrawal)
    _closing(body, receipt)
    written: bytes = tostring(html, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + written + b"\n"


def _opening(body: Element, receipt: Receipt) -> None:
    controller = receipt.controller
    _add(body, "h1", "Your consent: your copy")
    _add(
        body, "p",
        f"What we, {controller.name}, may do with your data, and what you have said about it,"
        f" as of {_moment(receipt.judged_at, receipt.time_zone)}.",
    )  # fmt: skip
    if receipt.label:
        _add(body, "p", receipt.label, css="label")
    _add(body, "h2", "Who holds your data")
    record = receipt.records[0]
    _facts(body, {
        "Company": f"{controller.name} ({controller.country})",
        "Reach us at": controller.contact,
        "Your customer number": receipt.subject,
        "Where you live, as far as we know": record.jurisdiction or "not known",
        "Rules that apply": f"{record.regime}. {record.regime_description}",
    })  # fmt: skip


def _purpose(body: Element, record: Record, zone: str) -> None:
    card = SubElement(body, "article", {"class": "yes" if record.permitted else "no"})
    _add(card, "h3", record.description)
    _add(card, "p", f"{'Allowed' if record.permitted else 'Not allowed'} now", css="state")
    _add(card, "p", f"Why: {record.why}.")
    event = next((e for e in record.events if e.event_id == record.decided_by), None)
    facts: dict[str, str | list[str]] = {
        "Decided by": _said(event, zone) if event else "nothing that you said"
    }
    if record.valid_until:
        facts["Your consent ends"] = _moment(record.valid_until, zone)
    facts |= {
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
    _facts(card, facts)


def _history(body: Element, receipt: Receipt) -> None:
    """Show each event once, though it may speak of several purposes."""
    _add(body, "h2", "What you have said, and when")
    events: dict[str, Event] = {}
    effects: dict[str, list[str]] = {}
    for record in receipt.records:
        for event in record.events:
            events[event.event_id] = event
            effects.setdefault(event.event_id, []).append(
                f"{record.purpose}: {_effect(event, record)}"
            )
    if not events:
        _add(body, "p", "Nothing is on record.")
        return
    _add(body, "p", f"Times are those of {receipt.time_zone}.", css="aside")
    table = SubElement(SubElement(body, "div", {"class": "scroll"}), "table")
    head = SubElement(SubElement(table, "thead"), "tr")
    for title in ("You said", "When", "Known to us", "How and where", "Effect now"):
        _add(head, "th", title, scope="col")
    rows = SubElement(table, "tbody")
    for number, event in sorted(events.items(), key=lambda e: (e[1].occurred_at, e[0])):
        row = SubElement(rows, "tr")
        _add(row, "td", consent_words.said(event.action, event.purpose))
        for moment in (event.occurred_at, event.recorded_at):
            cell = SubElement(row, "td", {"class": "time"})
            _list(cell, _clock(moment).split(", "))
        _list(SubElement(row, "td"), _manner(event))
        _list(SubElement(row, "td"), effects[number])


def _closing(body: Element, receipt: Receipt) -> None:
    _add(
        body, "p",
        f"Copy {receipt.receipt_id}, made on {_moment(receipt.issued_at, receipt.time_zone)}."
        " It tells of that moment only.",
        css="aside",
    )  # fmt: skip


def _said(event: Event, zone: str) -> str:
    words = consent_words.said(event.action, event.purpose)
    return f"{words}, {_moment(event.occurred_at, zone)}"


def _manner(event: Event) -> list[str]:
    told = {
        "": event.method,
        "by": event.channel,
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
    return f"doesn't count: notice {record.notice_version} or a later one is needed"


def _moment(moment: datetime, zone: str) -> str:
    return f"{_clock(moment)} ({zone})"


def _clock(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M:%S}"


def _facts(parent: Element, facts: "dict[str, str] | dict[str, str | list[str]]") -> None:
    listed = SubElement(parent, "dl")
    for name, value in facts.items():
        _add(listed, "dt", name)
        if isinstance(value, str):
            _add(listed, "dd", value)
        else:
            _list(SubElement(listed, "dd"), value)


def _list(parent: Element, lines: Iterable[str]) -> None:
    listed = SubElement(parent, "ul")
    for line in lines:
        _add(listed, "li", line)


def _add(parent: Element, tag: str, text: str, *, css: str = "", **attributes: str) -> None:
    if css:
        attributes["class"] = css
    shown = text if tag == "style" else _seen(text)
    SubElement(parent, tag, attributes).text = shown


def _seen(text: str) -> str:
    """Mark what can't be seen: it might turn the writing round, or hide something in it."""
    return "".join("\ufffd" if c in UNSEEN else c for c in " ".join(text.split()))
