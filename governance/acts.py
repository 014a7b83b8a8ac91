"""The record of acts: who did what with personal data, one event each, append-only.

Belongs here: writing and reading ``audit/acts.jsonl``, and naming the actor. Does not belong here:
anything about the act itself. Nothing else writes under ``audit/``. A record holds counts, names
that the policy or the published segments have, names of keys, and whose data it was about by the
subject's key; never a value of a row, nor what somebody typed.
"""

import fcntl
import getpass
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from warehouse import clock
from warehouse.connect import keys_used
from warehouse.errors import AssentError
from warehouse.home import Home

FILE = "acts.jsonl"
OURS = frozenset({"at", "clock", "actor", "act"})  # of every act; no detail may take their place


def actor() -> str:
    """Return who acts: ``ASSENT_ACTOR``, else the user of the operating system."""
    return os.environ.get("ASSENT_ACTOR") or getpass.getuser()


@contextmanager
def acting(act: str, **details: Any) -> Iterator[dict[str, Any]]:
    """Record one act at its end, whatever that is, with the keys that it opened files with.

    An act that came to nothing has ``refused``: the rule that an :class:`AssentError` names, else
    the kind of the fault.

    Parameters
    ----------
    act, **details
        As for :func:`record`.

    Yields
    ------
    dict
        The details; what comes to be known during the act is added there.
    """
    with keys_used() as keys:
        try:
            yield details
        except BaseException as error:
            details["refused"] = (
                error.rule if isinstance(error, AssentError) else type(error).__name__
            )
            raise
        finally:
            record(act, **details, keys=sorted(keys))


def known(name: str, names: Collection[str]) -> str | None:
    """Return a name that somebody typed if it is one of ours: only those are put on record."""
    return name if name in names else None


def record(act: str, **details: Any) -> dict[str, Any]:
    """Append one act, durably, and return it.

    Parameters
    ----------
    act
        ``query``, ``export``, ``consent.record``, ``consent.show``, ``segment.explain``,
        ``quarantine.list``, ``quarantine.resolve``.
    **details
        JSON-able facts about the act, without values of rows. Times without a zone are in UTC, as
        in the tables; all are written as the act's own moment is.

    Raises
    ------
    ValueError
        If a detail is named as one of the act's own fields.
    """
    taken = OURS & details.keys()
    if taken:
        raise ValueError(f"a detail can't be named {', '.join(sorted(taken))}")
    event = {
        "at": clock.now(), "clock": clock.whose(), "actor": actor(), "act": act, **details
    }  # fmt: skip
    line = json.dumps(event, ensure_ascii=False, sort_keys=True, default=_text) + "\n"
    path = Home.current().make().audit / FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    written: dict[str, Any] = json.loads(line)
    return written


def _text(value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()


def recorded() -> list[dict[str, Any]]:
    """Return every act, oldest first."""
    path = Home.current().audit / FILE
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
