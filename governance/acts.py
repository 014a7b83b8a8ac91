"""The record of acts: who did what with personal data, one event each, append-only.

Belongs here: writing and reading ``audit/acts.jsonl``, and naming the actor. Does not belong here:
anything about the act itself. Nothing else writes under ``audit/``. A record holds counts, names
that the policy or the published segments have, names of keys, and whose data it was about by the
subject's key; never a value of a row, nor what somebody typed.
"""

import fcntl
import json
import os
import pwd
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warehouse import clock
from warehouse.connect import keys_used
from warehouse.errors import AssentError, UsageError
from warehouse.home import Home
from warehouse.journal import write_durably

FILE = "acts.jsonl"
OURS = frozenset({"at", "clock", "actor", "act"})  # of every act; no detail may take their place


def actor() -> str:
    """Return who acts: ``ASSENT_ACTOR``, else the user of the operating system.

    That one by the process's own number, as anybody may set ``USER`` and ``LOGNAME``; the number
    stands for a user whom the system has no name for.

    Raises
    ------
    UsageError
        If ``ASSENT_ACTOR`` holds a character that can't be seen, such as the end of a line.
    """
    given = os.environ.get("ASSENT_ACTOR")
    if given:
        if not given.isprintable():
            raise UsageError(
                "ASSENT_ACTOR holds a character that can't be seen", "write a name on one line"
            )
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@contextmanager
def acting(act: str, **details: Any) -> Iterator[dict[str, Any]]:
    """Record one act at its end, whatever that is, with the keys that it opened files with.

    What can't be put on record isn't begun.

    An act that came to nothing has ``refused``: the rule that an :class:`AssentError` names, else
    the kind of the fault.

    Parameters
    ----------
    act
        ``query``, ``export``, ``consent.record``, ``consent.show``, ``consent.receipt``,
        ``consent.conflicts``, ``consent.new_inbox``, ``segment.explain``, ``quarantine.list``,
        ``quarantine.resolve``, ``backup``, ``restore``, ``keys.rotate``, and those of
        ``governance.rights``.
    **details
        JSON-able facts about the act, without values of rows. Times without a zone are in UTC, as
        in the tables; all are written as the act's own moment is.

    Yields
    ------
    dict
        The details; what comes to be known during the act is added there.

    Raises
    ------
    UsageError
        If nobody can be named for the act, or it can't be put on record.
    ValueError
        If a detail is named as one of the act's own fields.
    """
    who = actor()  # before anything is done: what nobody can be named for isn't done
    os.close(_opened())  # nor what can't be put on record
    with keys_used() as keys:
        try:
            yield details
        except BaseException as error:
            details["refused"] = (
                error.rule if isinstance(error, AssentError) else type(error).__name__
            )
            raise
        finally:
            _record(who, act, **details, keys=sorted(keys))


def known(name: str, names: Collection[str]) -> str | None:
    """Return a name that somebody typed if it is one of ours: only those are put on record."""
    return name if name in names else None


def _record(who: str, act: str, **details: Any) -> None:
    """Append one act, durably."""
    taken = OURS & details.keys()
    if taken:
        raise ValueError(f"a detail can't be named {', '.join(sorted(taken))}")
    event = {"at": clock.now(), "clock": clock.whose(), "actor": who, "act": act, **details}
    line = json.dumps(event, ensure_ascii=False, sort_keys=True, default=_text) + "\n"
    _append(line.encode())


def _path() -> Path:
    return Home.current().audit / FILE


def _opened() -> int:
    """Open the record to append to it."""
    Home.current().make()
    try:
        return os.open(_path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise UsageError(
            f"{_path()} can't be written: {error.strerror}",
            "make it a file that you may write to: nothing is done that can't be put on record",
            rule="record",
        ) from None


def _append(line: bytes) -> None:
    """Append a line whole or not at all: half a line would swallow the next act."""
    descriptor = _opened()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        written = os.write(descriptor, line)
        if written < len(line):  # the disk is full
            os.ftruncate(descriptor, end)
            raise UsageError(
                f"{_path()} can't be written: there is no room", "make room on its disk",
                rule="record",
            )  # fmt: skip
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()


def take_in(home: Home) -> None:
    """Put the acts of another copy of this state before ours, without those that are ours too."""
    path = home.audit / FILE
    if not path.exists():
        return
    theirs = path.read_bytes().splitlines(keepends=True)
    descriptor = _opened()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        ours = _path().read_bytes().splitlines(keepends=True)
        if not set(theirs) <= set(ours):
            known = set(theirs)
            write_durably(_path(), b"".join([*theirs, *(x for x in ours if x not in known)]))
    finally:
        os.close(descriptor)


def recorded(about: str = "") -> list[dict[str, Any]]:
    """Return every act, oldest first.

    Parameters
    ----------
    about
        Only those that this text occurs in, such as a subject's key.
    """
    path = _path()
    if not path.exists():
        return []
    # Not by splitlines(), to which more characters than this one end a line.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line and about in line]
