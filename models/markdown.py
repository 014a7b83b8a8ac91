"""Writing Markdown: tables, and texts that must stay texts.

Belongs here: the one place where a text is made harmless in Markdown. Names of categories and
groups come from feeds, and whatever renders them would fetch a picture that such a name points at.
Does not belong here: what a card holds (``models.cards``, ``models.model_card``).
"""

from collections.abc import Iterable, Sequence

# What may start code, a link, a picture, HTML, a cell, an entity, a heading, or emphasis (but for
# the underscore, which names of features have within).
_SIGNS = "`*[]<>|&~#\\"
_MEANING = str.maketrans({sign: f"\\{sign}" for sign in _SIGNS})


def escaped(text: object) -> str:
    r"""Return a text on one line that Markdown shows as it is.

    >>> print(escaped("A | ![x](x.png) <b> value_8w"))
    A \| !\[x\](x.png) \<b\> value_8w
    """
    return " ".join(str(text).split()).translate(_MEANING)


def unescaped(text: str) -> str:
    r"""Return what :func:`escaped` was given, for where nothing renders Markdown.

    >>> print(unescaped(escaped(r"`assent status` | <b> \* \\")))
    `assent status` | <b> \* \\
    """
    for sign in _SIGNS:  # the backslash last, which the others have before them
        text = text.replace(f"\\{sign}", sign)
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; whatever its cells hold is a text."""
    lines = [heads, ["---"] * len(heads), *([escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
