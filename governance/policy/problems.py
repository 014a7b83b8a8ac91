"""What is wrong with a policy file: one problem, and the error that carries them all.

Belongs here: the problem, its place, suggestions of a near name. Does not belong here: finding
problems (``positions``, ``wording``, ``checks``).
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from warehouse.errors import UsageError, masked

Path = tuple[str | int, ...]


def shown(word: str) -> str:
    """Return a word of the file as it stands; only its shape if it is long or not printable."""
    return word if word.isprintable() and len(word) <= 60 else masked(word)


def key_shown(key: str) -> str:
    """Return a key of the file; only its shape where it can't be a name: it may be data.

    >>> key_shown("three or more"), key_shown("root:*:20228")
    ('three or more', 'aaaa:?:99999')
    """
    return key if re.fullmatch(r"[\w .+*-]{1,60}", key) else masked(key)


def dotted(path: Path) -> str:
    """Return a path as its reader writes it: ``purposes.offers.columns.visits[1]``."""
    text = ""
    for step in path:
        dot = "." if text else ""
        text += f"[{step}]" if isinstance(step, int) else dot + key_shown(step)
    return text or "the file"


def nearest(word: str, names: Iterable[str], otherwise: str, *, alike: float = 0.6) -> str:
    """Return a suggestion of the known name that looks most like a word, or another remedy.

    ``alike`` is how much it has to, of 1.
    """
    near = difflib.get_close_matches(word, list(names), n=1, cutoff=alike)
    return f"did you mean '{near[0]}'? otherwise {otherwise}" if near else otherwise


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (a path of keys), what, and how to mend it."""

    path: Path
    what: str
    mend: str

    def __str__(self) -> str:
        """Return key, fault and remedy in one line."""
        return f"{dotted(self.path)}: {self.what} -> {self.mend}"


@dataclass(frozen=True)
class PlacedProblem:
    """A problem with its position in the file; line and column count from 1."""

    line: int
    column: int
    key: str
    what: str
    mend: str

    def __str__(self) -> str:
        """Return position, key, fault and remedy, on two lines."""
        place = f"line {self.line}, column {self.column}"
        return f"{place}: {self.key}: {self.what}\n    -> {self.mend}"


class PolicyError(UsageError):
    """The policy file can't be used; carries everything that is wrong with it.

    Parameters
    ----------
    file : str
        The file as its reader named it.
    problems : tuple of PlacedProblem
        All that is wrong, in the order of the file; empty if the file couldn't be read.
    what, mend : str, optional
        Fault and remedy of the file as a whole, where there is no place in it to name.
    """

    def __init__(
        self,
        file: str,
        problems: tuple[PlacedProblem, ...] = (),
        what: str = "",
        mend: str = "every key is explained in docs/policy.md",
    ) -> None:
        self.problems = problems
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        lines = [f"the policy {file} {what or f'has {count}'}"]
        super().__init__("\n".join([*lines, *(f"  {problem}" for problem in problems)]), mend)
