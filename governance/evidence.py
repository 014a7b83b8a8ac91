"""Facts about the state that anyone may read without a key: counts and verdicts, never rows.

Belongs here: the small files under ``evidence/`` that ``assent feeds`` and ``assent status`` show.
Does not belong here: working the facts out.
"""

import json
from typing import Any

from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import write_durably

FEEDS = "feeds"
STATUS = "status"
SEGMENTS = "segments"


def show(name: str, content: dict[str, Any]) -> None:
    """Replace one file of facts."""
    folder = Home.current().make().root / "evidence"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_durably(folder / f"{name}.json", json.dumps(content, indent=1, default=str).encode())


def shown(name: str) -> dict[str, Any]:
    """Return one file of facts.

    Raises
    ------
    UsageError
        If no run has written it.
    """
    path = Home.current().root / "evidence" / f"{name}.json"
    if not path.exists():
        raise UsageError(f"no run has said anything about {name} yet", "run `assent run`")
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def feeds_shown() -> dict[str, Any]:
    """Return what landing said about the feeds, with the newest complete day."""
    return shown(FEEDS)
