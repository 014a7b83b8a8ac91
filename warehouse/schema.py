"""By which version of its shape the state is written, and bringing an older one up to this.

Belongs here: the number, refusing what a newer version wrote, and going through the steps one by
one. Does not belong here: what a step changes (the rooms that own the tables).

Raise ``VERSION`` when state that an earlier version wrote has to be changed before this one can
work on it, and add the step that changes it to ``orchestration.migrations``.
"""

from collections.abc import Callable, Mapping

from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import write_durably

VERSION = 8
FIRST = 1  # which had no file that said so


def of_state() -> int:
    """Return the version of the state; one in which nothing has landed is of this version.

    Raises
    ------
    UsageError
        If a newer version of Assent wrote it, or the file doesn't say.
    """
    home = Home.current()
    path = home.schema_version
    if not path.exists():
        return FIRST if home.warehouse.exists() else VERSION
    said = path.read_text(encoding="utf-8", errors="replace").strip()
    if not said.isdecimal():
        raise UsageError(f"{path} holds no number", "restore the state from a backup")
    if int(said) > VERSION:
        raise UsageError(
            f"the state is of schema version {said}, and this version of Assent knows up to"
            f" {VERSION}",
            "use the version of Assent that wrote it, or a newer one",
            rule="schema.newer",
        )
    return int(said)


def migrate(steps: Mapping[int, Callable[[], None]]) -> list[int]:
    """Bring the state up to this version; the caller holds the writer's lock.

    Parameters
    ----------
    steps
        By the version that they lead to. Each may be done again: a process may be killed between a
        step and the note that it is done.

    Returns
    -------
    list of int
        The versions that the state was led to.
    """
    before = of_state()
    done = []
    for version in range(before + 1, VERSION + 1):
        steps[version]()
        _note(version)
        done.append(version)
    if not Home.current().schema_version.exists():
        _note(VERSION)
    return done


def _note(version: int) -> None:
    write_durably(Home.current().make().schema_version, f"{version}\n".encode())
