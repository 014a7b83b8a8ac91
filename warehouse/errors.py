"""Errors meant for the person who meets them, and the exit status each one carries.

Belongs here: the base classes that every room raises for a mistake of its user, a broken rule
or a missing key; and what the machine refused (:func:`of_machine`), which may come up anywhere.
Does not belong here: wording of any other error; that stays where it is detected. No message ever
holds a value of a row (see :func:`masked`).
"""

import re
from collections.abc import Mapping


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


def of_machine(kind: str, text: str) -> UsageError | None:
    """Return what a failed file, full disk or full memory means to the user; None for other faults.

    Parameters
    ----------
    kind
        Name of the exception's class; of runs in other processes nothing else is left.
    text
        Its message. Of the system's own (``[Errno 13] Permission denied: 'x'``), which names a
        path, it is shown; that of anything else might quote a value.
    """
    if is_damage(text):
        return damaged({})
    if kind in ("MemoryError", "OutOfMemoryException"):
        return UsageError("there isn't enough memory", "free some, or raise ASSENT_MEMORY")
    if kind == "TransactionException" and _NOT_COMMITTED.match(text):
        kind = "IOException"
    if kind == "OperationalError":  # SQLite's; of others, and beside this, it may quote a value
        refused = _SQLITE.search(text)
        if not refused:
            return None
        return UsageError(f"`dagster/`, the history of runs, can't be written: {refused[0]}", _DISK)
    if kind not in _OF_FILES:
        return None
    found = re.match(r"\[Errno \d+\] (.+)", text)
    what = found[1] if found else f"a file can't be read or written ({kind})"
    return UsageError(what, _OF_FILES[kind])


def is_damage(text: str) -> bool:
    """Tell whether DuckDB has found a block of a file to be other than it was written."""
    return "AES tag differs" in text


def damaged(files: Mapping[str, bool]) -> UsageError:
    """Return what a damaged file means to the user.

    Parameters
    ----------
    files
        The file, or several of which it is one, as far as that is known; and whether each is a
        published one.
    """
    which = " or ".join(files) or "a database file"
    mend = "; ".join(_DAMAGED[published] for published in sorted(set(files.values()) or _DAMAGED))
    return UsageError(f"{which} is damaged", mend, rule=DAMAGED)


def exchanged(file: str, key: str) -> UsageError:
    """Return what a published file means that its own key hasn't written: it is as good as damaged.

    Such as a copy from before that key took another's place.
    """
    return UsageError(
        f"{file} isn't the file that its key '{key}' has written: another is in its place",
        WRITTEN_ANEW, rule=DAMAGED,
    )  # fmt: skip


# What DuckDB says of statements, files and the machine; with anything else it quotes rows.
_QUOTES_NO_ROW = (
    "BinderException", "CatalogException", "ConnectionException", "InterruptException",
    "IOException", "OutOfMemoryException", "ParserException", "PermissionException",
    "SyntaxException", "TransactionException",
)  # fmt: skip


def without_values(kind: str, text: str) -> str:
    """Return what DuckDB says of a fault; only its kind where the rest may quote a row.

    Parameters
    ----------
    kind
        Name of the exception's class.
    text
        Its message.

    >>> without_values("ConversionException", "Conversion Error: Could not convert 'Jane' to INT32")
    "Conversion Error (what DuckDB says of it may quote a row, so it isn't shown)"
    """
    if kind in _QUOTES_NO_ROW or is_damage(text):
        return text
    return f"{text.partition(':')[0]} (what DuckDB says of it may quote a row, so it isn't shown)"


DAMAGED = "damaged"
NO_FILE = "no file"  # nothing has been written yet
RESTORE_BEGUN = "restore.begun"  # nor that, and a restore that was stopped lies there
MISSING = "missing"  # it was written, and is lost
HELD = "held"  # another process has it
WRITTEN_ANEW = "`assent run` writes published files anew"
_DAMAGED = {False: "restore it from a backup", True: WRITTEN_ANEW}
_MIXED_UP = "a file stands where a folder belongs, or a folder for a file: name another, or move it"
# What DuckDB says of a transaction that a file had no room for.
_NOT_COMMITTED = re.compile("TransactionContext Error: Failed to commit: Could not [a-z ]*file ")
_SQLITE = re.compile(
    "database or disk is full|unable to open database file|disk I/O error"
    "|attempt to write a readonly database"
)
_DISK = "check owner and mode, and that its disk has room and can be written"
_OF_FILES = {
    "FileExistsError": _MIXED_UP,
    "IsADirectoryError": _MIXED_UP,
    "NotADirectoryError": _MIXED_UP,
    "FileNotFoundError": "put it back, or name another",
    "PermissionError": _DISK,
    "OSError": _DISK,
    "IOException": _DISK,  # DuckDB's
}


def masked(value: object, longest: int = 40) -> str:
    """Return the shape of a value without the value: letters become ``a``, digits ``9``.

    >>> masked("Jane D. 1981-02-30")
    'aaaa a. 9999-99-99'
    """
    shape = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", str(value)))
    shape = re.sub(r"[^a9 .,:;/+@_-]", "?", shape)
    return shape if len(shape) <= longest else f"{shape[:longest]}... ({len(shape)} characters)"
