"""Loading: all feeds into landing, in one transaction of the warehouse.

Belongs here: the order of things. First everything is opened and read once (``plan``, ``survey``):
what can't be loaded stops here, and nothing has changed. Then new customers are enrolled in the
vault, then the rows are landed, duplicates and corrections settled, bad rows quarantined
(``land``). Once nothing can be refused any more, direct identifiers go to the vault, who has
returned is held (``returned``), what was said of the state before is forgotten, and the warehouse
commits. A load that is refused or killed in between leaves ids in the vault that own no rows: the
next load finds them there.
Does not belong here: the writer's lock, which the caller holds.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from governance import clocks as clock_row
from governance import identity, release, status, vaulted
from governance.inbox import Waiting
from governance.policy.model import Policy
from governance.policy.words import INBOX, WORD_FEEDS
from governance.rights import kept, known, leaving
from ingest import (
    counted,
    heeding,
    landing,
    returned,
    said,
    superseded,
    suppression,
    survey,
    undone,
)
from ingest.contract import CONTRACTS, CUSTOMERS
from ingest.feeds import note_newest
from ingest.land import Landed, Moment, land, vault_rows
from ingest.model import Sources
from ingest.plan import Part, Plan, lacking, planned, planned_words, unmet
from ingest.projection import Rules
from ingest.sources import require_agreement
from warehouse.clock import utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError
from warehouse.journal import Entry
from warehouse.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LoadReport:
    """What a load has done.

    Attributes
    ----------
    landed
        By source that was read: what became of its rows.
    skipped
        By feed: how many sources were loaded before and haven't changed.
    enrolled
        How many customers were new.
    afresh
        The feeds that were read from the beginning, because their declaration had changed.
    """

    landed: tuple[Landed, ...]
    skipped: dict[str, int]
    enrolled: int
    afresh: tuple[str, ...]


def load_feeds(
    sources: Sources,
    policy: Policy,
    *,
    now: datetime,
    only: Iterable[str] | None = None,
    recorded: Waiting | None = None,
    progress: Progress = lambda _: None,
) -> LoadReport:
    """Load every declared feed; the caller holds the writer's lock.

    Parameters
    ----------
    sources, policy
        As read from their files; they have to agree about every mapped column.
    now
        The moment of arrival.
    only
        Names of the feeds to load; by default all.
    recorded
        Words that Assent recorded itself (the inbox), in our own columns, times in UTC; landed
        beside those of the feeds.
    progress
        Told what is being done, one short line at a time; no values.

    Raises
    ------
    UsageError
        If a feed can't be read, lacks a column, has more bad rows than declared, or changed while
        it was being read. Nothing has been loaded then.
    PolicyGapError
        If a feed maps an attribute that the policy doesn't list.
    """
    require_agreement(sources, policy)
    names = _chosen(sources, only)
    with _prepared(policy, now, progress) as work:
        plans = [work.plan(sources, name) for name in names]
        if recorded is not None:
            plans += work.plan_inbox(recorded)
        work.require_loadable(plans)
        progress("enrolling new customers")
        enrolled = work.enrol()
        landed = work.land_all(plans)
    return LoadReport(
        tuple(landed),
        {plan.feed: plan.skipped for plan in plans if plan.skipped},
        enrolled,
        tuple(plan.feed for plan in plans if plan.afresh),
    )


def load_inbox(policy: Policy, recorded: Waiting, *, now: datetime) -> None:
    """Land the words that Assent recorded itself, whatever is wrong with the feeds.

    Parameters are as of :func:`load_feeds`; the caller holds the writer's lock.
    """
    with _prepared(policy, now, lambda _: None) as work:
        plans = work.plan_inbox(recorded)
        work.enrol()
        work.land_all(plans)


@contextmanager
def _prepared(policy: Policy, now: datetime, progress: Progress) -> Iterator["_Work"]:
    """Open the warehouse with vault and salts beside it, with all that a load needs there."""
    release.require_recorded()

    def on_wait(name: str) -> None:
        progress(f"waiting for whoever reads {name}")

    identity.require_known(on_wait)
    stores = (warehouse_store(), *identity.stores(on_wait=on_wait))
    with connected(*stores, files=True) as connection:
        # Naive texts and instants convert through the session's zone.
        connection.execute("set timezone = 'UTC'")
        landing.create(connection)
        moment = Moment.of(utc_naive(now), policy)
        identity.prepare(connection, CUSTOMERS.identifiers)
        _drop_unowned_salts(connection, moment)
        vaulted.date_undated(connection, moment.day)
        kept.bind(connection)
        survey.prepare(connection)
        yield _Work(connection, policy, moment, progress)


def _drop_unowned_salts(connection: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    """Let nobody's salts go, of whom an older copy of the file may have brought them back."""
    if identity.drop_unowned_salts(connection):
        leaving.note_lying(connection, moment.now, leaving.ERASURE)


def _chosen(sources: Sources, only: Iterable[str] | None) -> list[str]:
    names = [name for name in CONTRACTS if name in sources.feeds]
    if only is None:
        return names
    wanted = list(only)
    for name in wanted:
        if name not in names:
            raise UsageError(f"no such feed in {sources.file.name}", f"use: {', '.join(names)}")
    return [name for name in names if name in wanted]


@dataclass(frozen=True)
class _Work:
    """One load: its connection and what every step of it needs."""

    connection: duckdb.DuckDBPyConnection
    policy: Policy
    moment: Moment
    progress: Progress

    @property
    def rules(self) -> Rules:
        return Rules.of(self.moment.now, self.policy)

    def plan(self, sources: Sources, name: str) -> Plan:
        """Open a feed's sources and read them once."""
        self.progress(f"reading {name}")
        plan = self._surveyed(planned(self.connection, sources, self.policy, name, self.rules))
        missing = lacking(self.connection, name, plan.rows, plan.gone) if plan.afresh else None
        if missing is None:
            return plan
        if plan.afresh == "purposes":  # what is gone stays as it was landed
            again = planned(self.connection, sources, self.policy, name, self.rules,
                            afresh_for_purposes=False)  # fmt: skip
            return self._surveyed(again)
        raise missing

    def plan_inbox(self, recorded: Waiting) -> list[Plan]:
        """Return the plans for the inbox's words, one for each feed of which some wait."""
        return [
            self._surveyed(planned_words(self.connection, feed, words, self.rules))
            for feed, words in recorded.by_feed.items()
        ]

    def enrol(self) -> int:
        """Give every customer that was met for the first time a place in the vault."""
        return identity.enrol(self.connection, f"select customer_id from {survey.NEWCOMERS}")

    def _surveyed(self, plan: Plan) -> Plan:
        recorded = plan.feed in INBOX.values()
        return replace(plan, parts=tuple(self._read(part, recorded) for part in plan.parts))

    def _read(self, part: Part, recorded: bool) -> Part:
        heed = heeding.heed(
            self.connection, part.projection.contract, part.fingerprint.state, recorded=recorded
        )
        projection, found = survey.read(self.connection, part.projection.heeding(heed), enrol=True)
        return replace(part, source=projection.source, projection=projection, survey=found)

    def require_loadable(self, plans: list[Plan]) -> None:
        for plan in plans:
            survey.require_few_bad(
                self.connection,
                plan.feed,
                plan.declaration.greatest_bad_share,
                [(part.projection, part.survey) for part in plan.parts],
            )

    def land_all(self, plans: list[Plan]) -> list[Landed]:
        """Land all feeds in one transaction; on any failure, none."""
        connection = self.connection
        known = [plan.feed for plan in plans if plan.afresh and plan.feed != "transactions"]
        connection.execute("begin")
        try:
            landing.rekey(connection)
            if known:
                undone.note_children(connection, self.policy)
                undone.note(connection, self.policy, self.moment.now)
            _note_moved(connection, plans)
            landed: list[Landed] = []
            identifiers, again = None, False
            # Customers last: their identifiers are kept until all has landed, and may be many.
            for plan in sorted(plans, key=lambda plan: plan.contract is CUSTOMERS):
                if plan.parts:
                    done = self._land(plan)
                    landed += done
                    if plan.contract is CUSTOMERS:
                        identifiers, again = vault_rows(connection, plan, done), bool(plan.afresh)
            self._add_purpose_keys()
            counted.count_landed(connection, self.policy)
            note_newest(connection)
            if known:
                undone.keep_ages(connection)
                self._require_nothing_undone(known)
            _require_unchanged(plans)
            replacing = self._keep(identifiers, again=again)
            if returned.settle(connection, self.moment.now) or _changes(plans, landed):
                clock_row.forget(connection)
                status.forget_marts(connection, self.policy)
            status.forget_feeds(connection, self.policy)
            self._note_met(plans)  # before the commit: a source that is read isn't met again
            connection.execute("commit")
            if replacing:
                replacing.close()
        except BaseException as error:
            connection.execute("rollback")
            if isinstance(error, duckdb.Error):
                raise UsageError(
                    f"landing failed with {type(error).__name__}; nothing was loaded",
                    "check disk space and memory (ASSENT_MEMORY); its message may quote values,"
                    " so it isn't shown",
                ) from None
            raise
        return landed

    def _land(self, plan: Plan) -> list[Landed]:
        self.progress(f"landing {plan.feed}: {plan.rows} rows")
        may_forget = plan.afresh and plan.feed in WORD_FEEDS
        if may_forget:
            said.note(self.connection, plan.feed)
        done = land(self.connection, plan, self.moment, landing.next_load_id(self.connection))
        forgotten = said.forgotten(self.connection, plan.feed) if may_forget else 0
        if forgotten:
            raise unmet(
                plan.feed,
                f"words of {forgotten} subject(s) that were landed or quarantined aren't met again",
            )
        return done

    def _note_met(self, plans: list[Plan]) -> None:
        unread = [(plan.feed, place) for plan in plans for place in plan.unread]
        # What isn't declared now may lie there still, and come back.
        unread += landing.sources_of_others(self.connection, [plan.feed for plan in plans])
        suppression.note_met(self.connection, unread, self.moment.now)

    def _require_nothing_undone(self, feeds: list[str]) -> None:
        denials = undone.denials(self.connection, self.policy, self.moment.now)
        if denials:
            raise unmet(
                " and ".join(feeds),
                f"what it holds now would undo the denials of {denials} subject(s)",
            )
        children = undone.children(self.connection)
        if children:
            raise unmet(
                " and ".join(feeds),
                f"of {children} subject(s) that are, or may be, children no age is met again",
            )

    def _keep(self, rows: "pa.Table | None", *, again: bool) -> Entry | None:
        """Hand direct identifiers to the vault, through a second connection to it.

        A transaction writes to one file only; and the vault goes first, so that the warehouse
        never holds a row of somebody whose identifiers are older than the row.

        Returns
        -------
        Entry or None
            To be closed once the warehouse has noted that some were replaced.
        """
        if rows is None:
            return None
        said, names = "select * from identifier_rows", CUSTOMERS.identifiers
        replacing = None
        with self.connection.cursor() as vault:
            vault.register("identifier_rows", rows)
            known.note_replaced(vault, said, names)
            if vaulted.replaces(vault, said, names):
                replacing = superseded.begin_in_vault(self.moment.now)
                superseded.note_lying(self.connection, self.moment.now)
            vaulted.keep(vault, said, names, day=self.moment.day, again=again)
            vault.unregister("identifier_rows")
        return replacing

    def _add_purpose_keys(self) -> None:
        for purpose in self.policy.purposes:
            lacking = (
                "(select * from vault.subjects anti join (select subject_key from"
                f" landing.purpose_keys where purpose = {quoted(purpose)}) using (subject_key))"
            )
            self.connection.execute(
                f"insert into landing.purpose_keys {identity.purpose_keys([purpose], lacking)}"
                # So that those of one subject are found without reading all.
                " order by subject_key"
            )


def _note_moved(connection: duckdb.DuckDBPyConnection, plans: list[Plan]) -> None:
    for plan in plans:
        landing.move(connection, plan.feed, plan.moved)


def _changes(plans: list[Plan], landed: list[Landed]) -> bool:
    """Tell whether landing holds anything now that it didn't before, or lacks anything."""
    return any(plan.afresh for plan in plans) or any(
        done.accepted or done.quarantined for done in landed
    )


def _require_unchanged(plans: list[Plan]) -> None:
    for part in (part for plan in plans for part in plan.parts):
        if not part.source.unchanged():
            raise UsageError(f"{part.source.name} changed while it was being read", "run again")
