"""A list of the erased that is lost or damaged, when a separate backup, or none, takes its place.

Belongs here: telling whether the present ``kept`` can be read, how many erasures a list from before
doesn't name, and going on without the newest. Does not belong here: the restore
(``governance.backup``), putting a damaged one aside (``warehouse.damaged``), which of two whole
lists is the newer (``kept``).
"""

from datetime import datetime

from governance import acts, identity, kept_bound
from governance.marks import Mark
from governance.rights import kept
from governance.rights.published import note
from warehouse.connect import connected, whole
from warehouse.errors import DAMAGED, UsageError
from warehouse.home import Home


def present(*, replaceable: bool) -> Mark | None:
    """Return the mark of the present list; None if it is lost, or replaceable and no good.

    Raises
    ------
    UsageError
        If it is damaged or an older copy, and no separate backup is given.
    """
    path = Home.current().kept
    if not path.exists():
        return None
    if whole(kept.store(read_only=True)):
        try:
            return kept.mark(least=kept_bound.of_published())
        except UsageError as error:
            if error.rule == "kept.missing" and replaceable:
                return None
            raise
    if replaceable:
        return None
    raise UsageError(
        f"{path} is damaged",
        "give the newest separate backup (--separate); this one is put aside then",
        rule=DAMAGED,
    )


def erased_since(moment: datetime) -> int:
    """Return how many erasures there were since a moment, by the record of acts."""
    return sum(
        len(act["requests"]) for act in acts.recorded("rights.erase")
        if act["act"] == "rights.erase" and "refused" not in act
        and datetime.fromisoformat(act["at"]) >= moment
    )  # fmt: skip


def begin_anew() -> None:
    """Let the others take whatever file there is, or none, for their own."""
    vault, _ = identity.stores()
    with connected(vault) as connection:
        connection.execute("drop table if exists vault.kept")
    note([])
    Home.current().kept_mark.unlink(missing_ok=True)
