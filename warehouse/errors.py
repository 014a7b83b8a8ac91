"""Errors meant for the person who meets them, and the exit status each one carries.

Belongs here: the base classes that every room raises for a mistake of its user, a broken rule
or a missing key. Does not belong here: wording of a particular error; that stays where it is
detected. No message ever holds a value of a row (see :func:`masked`).
"""

import re


class AssentError(Exception):
    """A mistake that its reader can mend: the message says what, where and how.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence, naming file, line, column or rule.
    mend : str, optional
        What to do about it.
    rule : str, optional
        What refused, as the record of acts names it: fixed words, so never what somebody typed.
    """

    exit_status = 2
    rule = "usage"

    def __init__(self, what: str, mend: str = "", *, rule: str = "") -> None:
        self.what, self.mend = what, mend
        self.rule = rule or self.rule
        super().__init__(f"{what}\n  -> {mend}" if mend else what)


class UsageError(AssentError):
    """A setting, argument or input file is wrong (exit status 2)."""


class KeyMissingError(AssentError):
    """An encryption key is missing, unreadable or does not fit its file (exit status 2)."""

    rule = "key"


class RuleBrokenError(AssentError):
    """The policy forbids what was asked (a *violation*; exit status 1)."""

    exit_status = 1
    rule = "policy"


class PolicyGapError(RuleBrokenError):
    """The policy says nothing about what was asked (a *gap*; exit status 1)."""


def masked(value: object, longest: int = 40) -> str:
    """Return the shape of a value without the value: letters become ``a``, digits ``9``.

    >>> masked("Jane D. 1981-02-30")
    'aaaa a. 9999-99-99'
    """
    shape = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", str(value)))
    shape = re.sub(r"[^a9 .,:;/+@_-]", "?", shape)
    return shape if len(shape) <= longest else f"{shape[:longest]}... ({len(shape)} characters)"
