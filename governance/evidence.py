"""Facts about the state that anyone may read without a key: counts and verdicts, never rows.

Belongs here: the small files under ``evidence/`` that ``assent feeds`` and ``assent status`` show.
Does not belong here: working the facts out. Each says by which version of their shape it is
written, so that a reader meets none of another.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import read_json, write_durably

FEEDS = "feeds"
STATUS = "status"
SEGMENTS = "segments"
PERMISSION = "permission"
CONSENT = "consent_statistics"
FILES = "files"
PUBLISHED = "published"
VERSION = 6  # rises when a file comes to hold other fields
MEND = "run `assent run`, which writes it anew"


def show(name: str, content: dict[str, Any], *, past: date | None = None) -> None:
    """Replace one file of facts: the current ones, or those of a past day, which stand apart.

    Each bears the label of the feeds.
    """
    path = path_of(name, past)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    labelled = content if name == FEEDS else {"label": label(), **content}  # feeds bring theirs
    facts = {"evidence_version": VERSION, **labelled}
    write_durably(path, json.dumps(facts, indent=1, default=str).encode())


def path_of(name: str, past: date | None = None) -> Path:
    """Return where one file of facts is."""
    return Home.current().make().evidence / (past.isoformat() if past else "") / f"{name}.json"


def shown(name: str, *, past: date | None = None) -> dict[str, Any]:
    """Return one file of facts, the current one or that of a past day.

    Raises
    ------
    UsageError
        If no run has written it, or not this version.
    """
    path = path_of(name, past)
    if not path.exists():
        raise UsageError(f"no run has said anything about {name} yet", "run `assent run`")
    content = read_json(path, MEND)
    if content.pop("evidence_version", None) != VERSION:
        raise UsageError(f"{path} was written by another version of Assent", MEND)
    return content


def label() -> str | None:
    """Return the label of the feeds that have landed (``label`` of ``sources.yaml``), if any.

    Whoever shows anything made from them shows it too: what is synthetic is called so everywhere,
    also by what is written before landing has said anew what an earlier version did.
    """
    path = path_of(FEEDS)
    found: str | None = read_json(path, MEND).get("label") if path.exists() else None
    return found


def feeds_shown() -> dict[str, Any]:
    """Return what landing said about the feeds, with the newest complete day."""
    return shown(FEEDS)
