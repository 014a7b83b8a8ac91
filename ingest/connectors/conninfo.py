"""What a connection string of PostgreSQL sets, as its library (libpq) reads it.

Belongs here: both notations, keywords and URI. Does not belong here: what must be set
(``postgres``). A string is a secret as a whole, so nothing of it goes into a message.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

URI = ("postgresql://", "postgres://")

# A keyword, then a value in quotes or without; a backslash takes the next character as it is.
_PAIR = re.compile(
    r"\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(?!')((?:[^\s\\]|\\.)*))", re.DOTALL | re.ASCII
)
# Hosts, ports and database, up to the question mark; a host in brackets may hold one.
_PLACE = re.compile(r"(?:\[[^\]]*\]|[^?\[])*\??")


def settings(text: str) -> list[tuple[str, str]]:
    """Return what a connection string sets, in its order, repeats included.

    Of a URI only what stands behind the question mark; ``ssl=true`` is ``sslmode=require`` there.

    Raises
    ------
    ValueError
        If it is no connection string.
    """
    if text.startswith(URI):
        return list(_behind_the_mark(text.split("://", 1)[1]))
    found, at = [], 0
    while text[at:].strip():
        pair = _PAIR.match(text, at)
        if pair is None:
            raise ValueError("no connection string")
        keyword, in_quotes, plain = pair.groups()
        value = plain if in_quotes is None else in_quotes
        found.append((keyword, re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)))
        at = pair.end()
    return found


def _behind_the_mark(rest: str) -> Iterator[tuple[str, str]]:
    user, at, place = rest.partition("@")
    if not at or "/" in user:
        place = rest
    start = _PLACE.match(place)
    for part in place[start.end() if start else 0 :].split("&"):
        keyword, _, value = (unquote(side) for side in part.partition("="))
        yield ("sslmode", "require") if (keyword, value) == ("ssl", "true") else (keyword, value)
