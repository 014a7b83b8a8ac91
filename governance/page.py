"""Pages for people: HTML that stands by itself.

Belongs here: the frame and the looks of a page, and what pages are put together from. Does not
belong here: what a page tells (``governance.consent_page``, ``governance.rights.access_page``).
A page is built as a tree whose texts the serialiser escapes, so no value can become markup; it
loads nothing, and its own policy forbids that it ever does.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from governance.limits import UNSEEN

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'"
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
details { margin: .4rem 0; }
summary { cursor: pointer; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; } }
"""


def begun(title: str) -> tuple[Element, Element]:
    """Return a page with its title, and the body to put things into."""
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": CONTENT_POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="referrer", content="no-referrer")
    add(head, "title", title)
    add(head, "style", STYLE)
    body = SubElement(html, "body")
    add(body, "h1", title)
    return html, body


def written(html: Element) -> bytes:
    """Return a page in UTF-8."""
    content: bytes = tostring(html, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + content + b"\n"


def table(parent: Element, titles: Sequence[str]) -> Element:
    """Begin a table that scrolls by itself where it is too wide; return where its rows go."""
    made = SubElement(SubElement(parent, "div", {"class": "scroll"}), "table")
    head = SubElement(SubElement(made, "thead"), "tr")
    for title in titles:
        add(head, "th", title, scope="col")
    return SubElement(made, "tbody")


def moment(at: datetime, zone: str) -> str:
    """Return a moment for people, with its time zone."""
    return f"{clock(at)} ({zone})"


def clock(at: datetime) -> str:
    """Return a moment for people."""
    return f"{at.day} {at:%B %Y, %H:%M:%S}"


def facts(parent: Element, told: Mapping[str, str | Sequence[str]]) -> None:
    """Add names with what is told of each: a text, or a list of texts."""
    listed = SubElement(parent, "dl")
    for name, value in told.items():
        add(listed, "dt", name)
        if isinstance(value, str):
            add(listed, "dd", value)
        else:
            bullets(SubElement(listed, "dd"), value)


def bullets(parent: Element, lines: Iterable[str]) -> None:
    """Add a list of texts."""
    listed = SubElement(parent, "ul")
    for line in lines:
        add(listed, "li", line)


def add(parent: Element, tag: str, text: str, *, css: str = "", **attributes: str) -> None:
    """Add an element with a text."""
    if css:
        attributes["class"] = css
    shown = text if tag == "style" else _seen(text)
    SubElement(parent, tag, attributes).text = shown


def _seen(text: str) -> str:
    """Mark what can't be seen: it might turn the writing round, or hide something in it."""
    return "".join("\ufffd" if c in UNSEEN else c for c in " ".join(text.split()))
