"""A list of the erased that is lost or damaged, when a separate backup, or none, takes its place.

Belongs here: telling whether the present ``kept`` can be read, how many erasures a list from before
doesn't name, and going on without the newest. Does not belong here: the restore
(``governance.backup``), putting a damaged one aside (``warehouse.damaged``), which of two whole
lists is the newer (``kept``).
"""

from dataclasses import replace
from datetime import datetime

from governance import acts, identity, kept_bound
from governance.marks import Mark
from governance.rights import kept
from governance.rights.published import note
from warehouse.connect import connected, require_file, whole
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


def unnamed(ready: Home, moment: datetime, *, accepted: bool) -> int:
    """Return how many erasures a list doesn't name that takes the place of a lost one.

    Parameters
    ----------
    ready
        The state that is made ready with it.
    moment
        When its backup was made.
    accepted
        Whether the newest is said to be lost for good.

    Raises
    ------
    UsageError
        If there are any and that isn't said: they would come back.
    """
    erased = _erased_since(moment)
    with ready.prepared(), kept.opened() as connection:
        rows = connection.execute("select request_id from kept.receipts where type = 'erasure'")
        named = kept.numbers(connection, [number for (number,) in rows.fetchall()]).values()
    found = sum(number not in named for number in erased)
    if found and not accepted:
        raise UsageError(
            f"the separate backup, of {moment:%Y-%m-%d %H:%M} UTC, isn't the newest list of who was"
            f" erased: by the record of acts, erasures since then that it doesn't name: {found};"
            " the backup would bring them back",
            "give the newest separate backup (--separate); if that is lost for good, say so with"
            " --newest-lost, and erase them again from your own records",
            rule="kept.older",
        )
    return found


def _erased_since(moment: datetime) -> list[str]:
    """Return the requests whose subjects were erased since a moment, by the record of acts."""
    return [
        number
        for act in acts.recorded("rights.erase")
        if act["act"] == "rights.erase" and "refused" not in act
        and datetime.fromisoformat(act["at"]) >= moment
        for number in act["requests"]
    ]  # fmt: skip


def begin_anew() -> None:
    """Let the others take whatever file there is, or none, for their own.

    Raises
    ------
    UsageError
        If none is lost, as nothing has been written, or the vault is.
    """
    vault, _ = identity.stores()
    if Home.current().written or not kept_bound.is_lost():  # a hold comes before anything lands
        require_file(replace(vault, read_only=True))
    if vault.path.exists():
        with connected(vault) as connection:
            connection.execute("drop table if exists vault.kept")
    note([])
    Home.current().kept_mark.unlink(missing_ok=True)
