"""A list of the erased that is lost or damaged, when a separate backup takes its place.

Belongs here: telling whether the present ``kept`` can be read, putting a damaged one aside, and how
many erasures a list from before doesn't name. Does not belong here: the restore
(``governance.backup``), which of two whole lists is the newer (``kept``).
"""

from datetime import datetime
from pathlib import Path

from governance import acts
from governance.rights import kept
from governance.rights.kept import Mark
from warehouse.backup import APART, copy_file, files_of
from warehouse.clock import now
from warehouse.connect import whole
from warehouse.errors import DAMAGED, UsageError
from warehouse.home import Home
from warehouse.journal import sync_folder


def present(*, replaceable: bool) -> Mark | None:
    """Return the mark of the present list; None if it is lost, or damaged and replaceable.

    Raises
    ------
    UsageError
        If it is damaged, and no separate backup is given.
    """
    path = Home.current().kept
    if not path.exists():
        return None
    if whole(kept.store(read_only=True)):
        return kept.mark()
    if replaceable:
        return None
    raise UsageError(
        f"{path} is damaged",
        "give the newest separate backup (--separate); this one is put aside then",
        rule=DAMAGED,
    )


def put_aside(home: Home) -> Path | None:
    """Copy a present list to where nothing removes it; return where, None if there is none."""
    found = [p for p in files_of(home, APART) if p.name.partition(".")[0] == home.kept.name]
    if not found:
        return None
    home.damaged.mkdir(mode=0o700, exist_ok=True)
    aside = home.damaged / f"{home.kept.name}-{now():%Y%m%dT%H%M%S}"
    for path in found:
        target = aside.with_name(path.name.replace(home.kept.name, aside.name, 1))
        target.unlink(missing_ok=True)
        copy_file(path, target)
    sync_folder(home.damaged)
    return aside


def erased_since(moment: datetime) -> int:
    """Return how many erasures there were since a moment, by the record of acts."""
    return sum(
        len(act["requests"]) for act in acts.recorded("rights.erase")
        if act["act"] == "rights.erase" and "refused" not in act
        and datetime.fromisoformat(act["at"]) >= moment
    )  # fmt: skip
