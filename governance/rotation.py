"""Changing keys: what a key opens is written anew with another.

Belongs here: which file a key belongs to, and the order, so that a killed process leaves files that
open with one of the two keys that are known until the change is complete. What is kept of the
erased is copied as it is: its own secret, by which it is found, never changes. Does not belong
here: where keys come from (``warehouse.keys``), writing a file anew (``warehouse.rewrite``).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from governance import acts, identity, inbox, kept_bound
from governance.rights import kept, receipt
from warehouse import keys
from warehouse.clock import now
from warehouse.connect import Store, connected, published_store, require_file, warehouse_store
from warehouse.errors import KeyMissingError
from warehouse.home import Home
from warehouse.publish import without_damaged
from warehouse.rewrite import rewrite

PUBLISHED = "published_"
ROTATE = "keys.rotate"


@dataclass(frozen=True)
class Changed:
    """What became of a key.

    Attributes
    ----------
    in_place
        Whether the new one has taken the old one's place; one that is supplied takes it once
        whoever supplies it lets it.
    had_file
        Whether there was a file to write anew.
    """

    in_place: bool
    had_file: bool


def rotate(names: Sequence[str]) -> dict[str, Changed]:
    """Change some keys, and return what became of each; the caller holds the writer's lock.

    Raises
    ------
    KeyMissingError
        If a key is lost, a new one isn't supplied where the present one is, a file opens with
        none, or the key that has signed receipts is another; then nothing has been changed, and no
        key made.
    UsageError
        If a file is lost or damaged, or `inbox`, `kept` or, as that knows, the vault an older copy:
        the newest, put back later, would open with the old key alone. A published file that is
        damaged is removed instead.
    """
    with acts.acting(ROTATE, names=list(names)):
        _require_files(names)
        _require_change(names)
        if inbox.store().key_name in names:  # only now: it opens with a key that is there
            inbox.require_newest()
        if {kept.store().key_name, "vault"} & {*names} and Home.current().kept.exists():
            kept.require_as_far()  # the vault, too, as that knows
        for name in names:
            _require_opening(name)
        for name in names:
            keys.begin_change(name)
        # If one can't be changed now, its new key stays: by what has been written, nobody can tell
        # whether the file is under it already. The next call goes on with it.
        return {name: _change(name) for name in names}


@without_damaged
def _require_opening(name: str) -> None:
    """Refuse before any key is made where a file doesn't open."""
    if name == receipt.KEY:
        return
    with _still(name) as store:
        if store.path.exists():
            with connected(replace(store, read_only=True)):
                pass


def _require_change(names: Sequence[str]) -> None:
    """Refuse before any key is made: with one, the loss of another would be told wrongly."""
    if receipt.KEY in names and Home.current().receipts.exists():  # else nothing is signed
        receipt.require_key()
    faults = []
    for name in names:
        try:
            keys.require_change(name)
        except KeyMissingError as error:
            faults.append(str(error))
    if faults:
        raise KeyMissingError("\n".join(faults))


def _require_files(names: Sequence[str]) -> None:
    """Refuse where a file is lost; a published one may not have been written yet."""
    if Home.current().written:
        for store in (_store(name) for name in names if name != receipt.KEY):
            if not store.published and (store.path != Home.current().kept or kept_bound.is_lost()):
                require_file(store)


@without_damaged
def _change(name: str) -> Changed:
    """Write what a key opens anew with the new one, which takes its place."""
    had_file = True
    if name == receipt.KEY:
        had_file = Home.current().receipts.exists()
        receipt.keep_keys()  # or what it has signed couldn't be checked
        receipt.note_key()
    else:
        with _still(name) as store:
            had_file = store.path.exists()
            rewrite([store])
    return Changed(keys.end_change(name), had_file)


@contextmanager
def _still(name: str) -> Iterator[Store]:
    """Yield the file of a key while nobody else writes to it."""
    held = {"inbox": inbox.held, "kept": kept.held}.get(name, nullcontext)
    with held():
        yield _store(name)


def _store(name: str) -> Store:
    if name.startswith(PUBLISHED):
        return published_store(name.removeprefix(PUBLISHED))
    stores = (warehouse_store(), *identity.stores(), inbox.store(), kept.store())
    return next(store for store in stores if store.key_name == name)


@dataclass(frozen=True)
class Known:
    """What may be told of a key: never the key."""

    name: str
    opens: str
    place: str
    days: int | None
    new: bool


def listing(names: Sequence[str]) -> list[Known]:
    """Return what each key opens, where it comes from, and for how many days, as far as known.

    That is since its file was written, or since it was changed by :func:`rotate`.
    """
    changed = {
        name: datetime.fromisoformat(act["at"])
        for act in acts.recorded() if act["act"] == ROTATE and "refused" not in act
        for name in act["names"]
    }  # fmt: skip
    sources = [keys.source_of(name) for name in names]
    return [
        Known(s.name, opens(s.name), s.place, _days(changed.get(s.name) or s.since), s.new)
        for s in sources
    ]


def _days(since: datetime | None) -> int | None:
    return max(0, (now() - since).days) if since else None


def opens(name: str) -> str:
    """Return what a key opens, as a path within the state."""
    if name == receipt.KEY:
        return "nothing: receipts are signed with it"
    return str(_store(name).path.relative_to(Home.current().root))
