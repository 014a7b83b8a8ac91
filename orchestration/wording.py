"""What a check observed and its limit, in words for people.

Belongs here: numbers, intervals and mappings as one line. Does not belong here: tables and colours
(``orchestration.cli.output``), verdicts (``expectations``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

TOO_FEW = "too few to say"  # instead of a number that would be one person's


def in_words(value: Any, most: int | None = None) -> str:
    """Return a value on one line.

    Parameters
    ----------
    most
        How many entries of a mapping to show; by default all.

    Examples
    --------
    >>> in_words({"representation_ratio": [0.8, 1.25], "coverage": 0.2, "judged": "12 of 15"})
    'representation ratio 0.8 to 1.25, coverage 0.2, judged 12 of 15'
    """
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        entries = list(value.items())[:most]
        return ", ".join(f"{str(k).replace('_', ' ')} {in_words(v, most)}" for k, v in entries)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(in_words(v) for v in value)
    if isinstance(value, float):
        return f"{value:,g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
