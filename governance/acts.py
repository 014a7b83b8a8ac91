"""The record of acts: who did what with personal data, one event each, append-only.

Belongs here: writing and reading ``audit/acts.jsonl``, and naming the actor. Does not belong here:
anything about the act itself. Nothing else writes under ``audit/``. A record holds counts, names
of purposes, segments and recipients, never a value of a row.
"""

import fcntl
import getpass
import json
import os
from datetime import UTC, datetime
from typing import Any

from warehouse.clock import now
from warehouse.home import Home

FILE = "acts.jsonl"
OURS = frozenset({"at", "actor", "act"})  # of every act; no detail may take their place


def actor() -> str:
    """Return who acts: ``ASSENT_ACTOR``, else the user of the operating system."""
    return os.environ.get("ASSENT_ACTOR") or getpass.getuser()


def record(act: str, **details: Any) -> dict[str, Any]:
    """Append one act, durably, and return it.

    Parameters
    ----------
    act
        ``query``, ``export``, ``consent.record``, ``consent.show``, ``segment.explain``, ...
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
    event = {"at": now(), "actor": actor(), "act": act, **details}
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
