"""How far a file has come, noted beside it: by that, an older copy of it is told from the newest.

Belongs here: such a note, and comparing one with what a file itself says. Does not belong here:
what a file says of itself (``inbox_mark``, ``rights.kept``), what follows if it is an older copy.

The file is written first, so that one whose process was killed in between is further than its note,
never behind it; and it is held to its note before anything is written in it, so that an older copy
never catches up.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from warehouse.errors import UsageError
from warehouse.journal import read_json, write_durably


@dataclass(frozen=True)
class Mark:
    """Which file it is, whatever its key, and how far it has come: this only ever grows."""

    of: str
    steps: int

    def is_older(self, noted: "Mark | None") -> bool:
        """Tell whether it is another file's, or of an older copy than is noted."""
        return noted is not None and (self.of != noted.of or self.steps < noted.steps)


def noted(path: Path) -> Mark | None:
    """Return what a note says; None if there is none, as of a file that an earlier version wrote.

    Raises
    ------
    UsageError
        If it isn't whole: an older copy couldn't be told by it.
    """
    if not path.exists():
        return None
    mend = (
        f"if `{path.stem}` is the newest, remove this file: it is written anew; if it is lost, see"
        " docs/operating.md, Where files are lost"
    )
    said = read_json(path, mend)
    of, steps = said.get("of"), said.get("steps")
    if not (isinstance(of, str) and of and type(steps) is int and steps >= 0):
        raise UsageError(
            f"{path} isn't whole: it doesn't say how far which {path.stem} had come", mend
        )
    return Mark(of, steps)


def note(path: Path, mark: Mark) -> None:
    """Note how far a file has come; whoever does holds it."""
    write_durably(path, json.dumps(asdict(mark)).encode())
