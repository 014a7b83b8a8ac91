"""Texts that are kept in clear, for good, name nobody: no key of a subject stands in them.

Belongs here: finding in a text what has the shape of a key, and refusing it. Does not belong here:
which texts are kept so (``evidence``, ``orchestration.door``, ``orchestration.model_store``).

No erasure looks into such texts. What isn't keyed (a list of one figure per subject) can't be told
from figures over many; whoever writes it is told in docs/checks.md.
"""

import re
from collections.abc import Callable, Collection

from warehouse.errors import RuleBrokenError

KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Words = Callable[[], Collection[str]]


def require_unkeyed(where: str, text: str, words: Words = tuple) -> None:
    """Refuse a text in which anything has the shape of a key of a subject (of a UUID).

    Parameters
    ----------
    where
        What is called so in the message, which repeats no key: it may be kept in clear itself.
    text
        All of what is to be kept.
    words
        Asked only if anything has that shape: the words of feeds that are told on purpose, such
        as names of categories, which a company may have made so.

    Raises
    ------
    RuleBrokenError
        If there is any other.
    """
    found = {key.lower() for key in KEY.findall(text)}
    if found:
        found -= {key.lower() for word in words() for key in KEY.findall(word)}
    if found:
        where = KEY.sub("...", where)  # the name of a file, too
        many = "a text" if len(found) == 1 else f"{len(found)} texts"
        raise RuleBrokenError(
            f"{where} would hold {many} of the shape of a subject's key (a UUID), in clear, where"
            " no erasure looks: only counts over many subjects belong there",
            "keep rows by the door (`marts.keep`), and tell counts (docs/checks.md, "
            '"Adding a Python asset")',
        )
