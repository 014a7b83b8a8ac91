"""Writing Markdown: tables, and texts that must stay texts.

Belongs here: the one place where a text is made harmless in Markdown. Names of categories and
groups come from feeds, and whatever renders them would fetch a picture that such a name points at.
Does not belong here: what a card holds (``models.cards``, ``models.model_card``).
"""

import re
from collections.abc import Iterable, Sequence

# What may start code, a link, a picture, HTML, a cell, an entity, a heading, or emphasis (but for
# the underscore, which names of features have within).
_MEANING = str.maketrans({sign: f"\\{sign}" for sign in "\\`*[]<>|&~#"})


def escaped(text: object) -> str:
    r"""Return a text on one line that Markdown shows as it is.

    >>> print(escaped("A | ![x](x.png) <b> value_8w"))
    A \| !\[x\](x.png) \<b\> value_8w
    """
    return " ".join(str(text).split()).translate(_MEANING)


def unescaped(text: str) -> str:
    """Return what :func:`escaped` was given, for where nothing renders Markdown.

    >>> print(unescaped(escaped("`assent status` | <b>")))
    `assent status` | <b>
    """
    return re.sub(r"\\(.)", r"\1", text)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; whatever its cells hold is a text."""
    lines = [heads, ["---"] * len(heads), *([escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
