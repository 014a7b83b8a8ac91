"""Backups and restores: what goes into one, and what has to hold before one is opened.

Belongs here: holding still what others may write while files are copied; and making a copy ready
aside, so that nobody ever reads a state that still holds whom an erasure has taken out since. Does
not belong here: copying and moving files (``warehouse``), erasing (``governance.rights``).

There are two kinds. An ordinary backup has no salts and nothing of what is kept of the erased:
whoever holds it can't make a pseudonym of anybody, and no restore goes without the newest list of
who may not come back. Those two files have a backup of their own, which is kept for a short time:
a salt in it makes linkable what the erasure of its subject has made unlinkable.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from governance import acts, clocks, evidence, identity, inbox, released, status
from governance.handover import elsewhere
from governance.marks import Mark
from governance.policy.model import Policy
from governance.rights import kept, kept_lost
from governance.rights.purge import require_state, write_anew
from governance.rights.recall import opened_since, recall
from governance.rights.replay import replay
from warehouse import restore as moving
from warehouse.backup import (
    APART,
    STATE,
    Manifest,
    copy_file,
    files_of,
    manifest_of,
    taken_in,
    unfinished,
    written,
)
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store, whole
from warehouse.damaged import put_aside
from warehouse.errors import DAMAGED, MISSING, UsageError
from warehouse.home import SEPARATE, Home
from warehouse.journal import read_json, write_durably

NOTE = "backup-"  # how the note of a backup begins, among what has left
# What was true of a state that had landed and was published: a run finds it anew.
_FACTS = (f"{evidence.STATUS}.json", f"{evidence.FILES}.json", f"{evidence.PUBLISHED}_*.json")


@dataclass(frozen=True)
class Restored:
    """What a restore did: when its backup was made, and how many leave again who had left since.

    ``erased_unlisted`` counts, where the newest list was lost, the erasures since the given one,
    which doesn't name them; ``put_aside`` is where that list lies, if it was damaged, and where a
    damaged inbox does, by name; ``releases_unrecorded`` is true where nothing told what had been
    released since. The others are as of :class:`governance.rights.recall.Recalled`.
    """

    at: str
    erased_again: int
    holds_put_back: int
    rectifications_reopened: int
    requests_missing: tuple[str, ...]
    erased_unlisted: int = 0
    put_aside: dict[str, str] = field(default_factory=dict)
    releases_unrecorded: bool = False


def back_up(to: Path, *, separate: bool) -> int:
    """Write a backup, and return of how many files; the caller holds the writer's lock.

    Parameters
    ----------
    to
        The folder to make.
    separate
        Whether it is the one of salts and of what is kept of the erased.

    Raises
    ------
    UsageError
        If it may not lie there, there is nothing to back up, or a file is lost or an older copy.
    """
    kind = APART if separate else STATE
    with acts.acting("backup", kind=kind) as act, ExitStack() as stack:
        place = elsewhere(to, "a backup")
        identity.require_there()
        require_state()
        # Whoever opens a file takes in what a killed process left beside it.
        with identity.opened(warehouse_store()):
            inbox.waiting()
        kept.require_newest()  # or this one would be taken for the newest list of the erased
        mark = kept.mark()
        for held in (inbox.held(), kept.held()):
            stack.enter_context(held)
        at = now()
        note = _note(place, kind, at)
        try:
            with written(place, kind, at=at, kept=mark) as (manifest, put):
                act["files"] = len(manifest.files)
                put()
        except BaseException:
            if not _left(place):
                note.unlink()
            raise
    return len(manifest.files)


def _note(place: Path, kind: str, at: datetime) -> Path:
    """Note that a backup exists, before anything is copied, and return where."""
    for path, said in _notes():
        if said["place"] == str(place):  # of one that isn't there any more
            path.unlink()
    path = Home.current().make().releases / f"{NOTE}{secrets.token_hex(5)}.json"
    said = {"kind": kind, "at": at.isoformat(), "place": str(place)}
    write_durably(path, json.dumps(said, indent=1).encode())
    return path


def _notes() -> list[tuple[Path, dict[str, Any]]]:
    """Return what is noted of backups, with where."""
    return [
        (path, read_json(path, "restore it from a backup"))
        for path in Home.current().releases.glob(f"{NOTE}*.json")
    ]


def clear() -> None:
    """Remove what killed backups left, as far as it can be; the caller holds the writer's lock.

    It may be whole copies of the salts, which only the note tells where they are.
    """
    for path, said in _notes():
        place = Path(said["place"])
        with suppress(OSError):  # its disk may be gone, or not ours now
            if unfinished(place).exists():
                shutil.rmtree(unfinished(place), ignore_errors=True)
                if not _left(place):
                    path.unlink()


def _left(place: Path) -> bool:
    """Tell whether a backup is in its place, or beside it what a killed process left of one."""
    return place.exists() or unfinished(place).exists()


def oldest_salts() -> datetime | None:
    """Return when the oldest backup of salts was made that is in its place, or left; UTC."""
    found = []
    for _, said in _notes():
        if said["kind"] == APART and _left(Path(said["place"])):
            found.append(utc_naive(datetime.fromisoformat(said["at"])))
    return min(found, default=None)


def restore(
    policy: Policy, source: Path, separate: Path | None, *, newest_lost: bool = False,
    migrate: Callable[[], object],
) -> Restored:  # fmt: skip
    """Put a backup in the place of the present state; the caller holds the writer's lock.

    It is made ready aside: checked, brought to this version, and rid of everybody who has been
    erased since, and of those whom custody has let go since with their salts; what the list knows
    of requests that the backup doesn't is recalled, and what was released since is taken over.
    Nothing is published in it, so nobody reads or exports anything before a run has read the feeds
    anew and judged what it holds.

    Parameters
    ----------
    policy
        The policy in force.
    source
        The ordinary backup.
    separate
        The backup of salts and of what is kept of the erased; without it, those of the present
        state are used.
    newest_lost
        Whether the newest list of the erased is lost for good, so that an older one may do.
    migrate
        Brings a state of an earlier version up to this one.

    Raises
    ------
    UsageError
        If a backup isn't whole or too old, or the newest list of who may not come back is missing.
    """
    with acts.acting("restore") as act, ExitStack() as stack:
        manifest = manifest_of(source, STATE)
        apart = separate and manifest_of(separate, APART)
        if apart:
            _require_young(policy, apart)
        else:
            _require_whole_salts(manifest)
        home = Home.current()
        present = kept_lost.present(replaceable=bool(apart))
        # What takes the place of a list that is lost, damaged or another's.
        instead = None if present and present.of == manifest.kept["of"] else apart
        opened = opened_since(manifest.moment)
        for held in (inbox.held(), kept.held()):
            stack.enter_context(held)
        damaged = inbox.is_damaged(home)
        ready = stack.enter_context(moving.aside())
        taken_in(source, manifest, ready.root)
        if separate and apart:
            taken_in(separate, apart, ready.root)
        else:
            _take(home, ready, SEPARATE)
        with ready.prepared():
            given = kept.mark() if ready.kept.exists() else None
        if _newer(present, given, manifest):
            _take(home, ready, ("kept",))
        unlisted = 0
        if instead:
            unlisted = kept_lost.unnamed(ready, instead.moment, accepted=newest_lost)
        with ready.prepared():
            migrate()
            erased = _made_ready(home, manifest, readable=not damaged)
            recalled = recall(utc_naive(manifest.moment), opened)
            kept.take_vault()
            recorded = released.take_over(home, utc_naive(manifest.moment))
        acts.take_in(ready)
        lost = [*([home.inbox] if damaged else []), *([home.kept] if instead else [])]
        aside = {path.name: str(place) for path in lost if (place := put_aside(path))}
        act.update(
            of=manifest.at, erased_again=erased, holds_put_back=recalled.holds,
            rectifications_reopened=recalled.reopened, requests_missing=recalled.missing,
            erased_unlisted=unlisted, put_aside=list(aside),
            releases_unrecorded=not recorded,
        )  # fmt: skip
        moving.move_in(ready)
    return Restored(
        manifest.at, erased, recalled.holds, recalled.reopened, recalled.missing,
        unlisted, aside, not recorded,
    )  # fmt: skip


def _require_young(policy: Policy, apart: Manifest) -> None:
    """Refuse salts that the policy says had to be gone by now."""
    days = policy.custody.salt_backup_days
    if now() - apart.moment > timedelta(days=days):
        raise UsageError(
            f"the separate backup is of {apart.moment:%Y-%m-%d}, older than"
            f" custody.salt_backup_days ({days}) allows",
            "give a newer one, and delete this",
            rule="backup.too_old",
        )


def _take(home: Home, ready: Home, names: Collection[str]) -> None:
    """Copy files of the present state, with what DuckDB writes beside them."""
    for path in files_of(home, APART):
        if path.name.partition(".")[0] in names:
            (ready.root / path.name).unlink(missing_ok=True)
            copy_file(path, ready.root / path.name)


def _newer(present: Mark | None, given: Mark | None, manifest: Manifest) -> bool:
    """Tell whether the present state has the newest list, rather than the given backup.

    Raises
    ------
    UsageError
        If neither belongs to the backup and is as new as it.
    """
    least = Mark(**manifest.kept)
    steps = {mark.steps for mark in (present, given) if mark and mark.of == least.of}
    if not steps or max(steps) < least.steps:
        raise UsageError(
            "the newest `kept` is missing: without the list of who was erased, the backup would"
            " bring them back",
            f"give the newest separate backup (--separate), one made after {manifest.at}",
            rule="kept.missing",
        )
    return bool(present and present.of == least.of and present.steps == max(steps))


def _require_whole_salts(manifest: Manifest) -> None:
    """Refuse to go on with salts that can't be read; that they are missing is told later."""
    _, salts = identity.stores(read_only=True)
    if salts.path.exists() and not whole(salts):
        raise _without_salts(DAMAGED, manifest)


def _without_salts(lost: str, manifest: Manifest) -> UsageError:
    """Return what to do where salts are lost: no ordinary backup has them."""
    return UsageError(
        f"the salts are {lost}",
        f"give a separate backup made after {manifest.at} (--separate)",
        rule=DAMAGED if lost == DAMAGED else "salts.missing",
    )


@contextmanager
def _salts_missed(manifest: Manifest) -> Iterator[None]:
    """Say where salts come from that are missing."""
    try:
        yield
    except UsageError as error:
        if error.rule not in ("salts.missing", MISSING):
            raise
        lost = "missing" if error.rule == MISSING else "older than the backup"
        raise _without_salts(lost, manifest) from None


def _made_ready(before: Home, manifest: Manifest, *, readable: bool) -> int:
    """Make what was restored fit to be opened; return how many it held who have left since.

    Parameters
    ----------
    before
        The present state.
    manifest
        Of the backup.
    readable
        Whether the words that wait in the present inbox can be read.
    """
    kept.require_remembered(Mark(**manifest.kept).steps)
    with _salts_missed(manifest):
        identity.require_there()
    inbox.take_in(before, readable=readable)
    at = utc_naive(now())
    erased = replay(at, state_of=utc_naive(manifest.moment))
    if erased:
        write_anew()
    with _salts_missed(manifest), identity.opened():
        pass
    identity.require_known()
    with connected(warehouse_store()) as connection:
        connection.execute("begin")
        clocks.forget(connection)
        status.forget_all(connection)
        connection.execute("commit")
    for fact in (path for names in _FACTS for path in Home.current().evidence.glob(names)):
        fact.unlink()
    return erased
