"""Reading JSON that somebody else has written, of which nobody should have to guess the meaning.

Belongs here: refusing an object that says a key twice. Does not belong here: judging what is read.
"""

import json
from typing import Any


class SaidTwiceError(ValueError):
    """An object says a key twice: a reader takes one, and who wrote it may mean the other."""


def read(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    SaidTwiceError
        If a key stands twice in one object.
    ValueError, RecursionError
        If it is no JSON, such as parentheses without end.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise SaidTwiceError("a key is said twice")
    return said
