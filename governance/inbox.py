"""The inbox: consent events and rights requests that no run has landed yet.

Belongs here: appending one, listing those that wait, dropping those that a run has landed, and
beginning anew where the file is lost.
The file is open only for the moment of writing or reading, so that nobody waits for a run. It is
the door itself: until landing takes a word in, the customer's id stands here, encrypted.
Does not belong here: what the words mean (``governance.consent``, ``governance.rights``), which of
two copies is the older (``inbox_mark``, ``marks``).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from governance import inbox_mark, marks
from governance.marks import Mark
from governance.policy.words import PERMISSION, WORD_FEEDS, FeedName
from warehouse import catalogue
from warehouse.connect import Store, connected, whole
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import sync_file, sync_folder
from warehouse.lock import file_lock

Word = dict[str, Any]  # `event_id`, and what its feed's ``COLUMNS`` name

# As landing has them (a test holds that), and which of them a word can't lack.
COLUMNS: dict[FeedName, dict[str, str]] = {
    "consent_events": {
        "customer_id": "varchar not null",
        "action": "varchar not null",
        "purpose": "varchar",
        "occurred_at": "timestamp not null",
        "recorded_at": "timestamp not null",
        "notice_version": "integer",
        **dict.fromkeys(
            (
                "method",
                "channel",
                "language",
                "wording_hash",
                "evidence_ref",
                "signal",
                "given_by",
            ),
            "varchar",
        ),
    },
    "rights_requests": {
        "customer_id": "varchar not null",
        "request_id": "varchar not null",
        "type": "varchar not null",
        "received_at": "timestamp not null",
        "status": "varchar not null",
        "channel": "varchar",
    },
}


@dataclass(frozen=True)
class Waiting:
    """The words that wait, by feed, oldest first.

    As values of Python: they are few, and every command that looks at a subject needs them, which
    could do without loading Arrow.
    """

    consent_events: Sequence[Word]
    rights_requests: Sequence[Word]

    @property
    def by_feed(self) -> dict[FeedName, Sequence[Word]]:
        """Those of each feed that has any."""
        both = zip(WORD_FEEDS, (self.consent_events, self.rights_requests), strict=True)
        return {feed: words for feed, words in both if words}

    def of(self, *customers: str) -> "Waiting":
        """Return those of some customers, whose ids are given as landing writes them."""
        theirs = frozenset(customers)
        return Waiting(
            [word for word in self.consent_events if word["customer_id"] in theirs],
            [word for word in self.rights_requests if word["customer_id"] in theirs],
        )

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let SQL read them as ``waiting`` (consent events) and ``waiting_requests``."""
        put(connection, "waiting", "consent_events", self.consent_events)
        put(connection, "waiting_requests", "rights_requests", self.rights_requests)


def put(
    connection: duckdb.DuckDBPyConnection, table: str, feed: FeedName, words: Sequence[Word]
) -> None:
    """Put words of a feed into a temporary table; a field that a word lacks is null."""
    kinds = {"event_id": "bigint", **COLUMNS[feed]}
    listed = ", ".join(
        f"unnest(${name}::{kind.removesuffix(' not null')}[]) as {name}"
        for name, kind in kinds.items()
    )
    connection.execute(
        f"create or replace temp table {table} as select {listed}",
        {name: [word.get(name) for word in words] for name in kinds},
    )


def held() -> AbstractContextManager[Home]:
    """Let nobody else open the inbox meanwhile."""
    return file_lock("inbox")


@contextmanager
def opened(*, anew: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the inbox; others wait for these few milliseconds.

    Parameters
    ----------
    anew
        Whether to make one although it is lost.

    Raises
    ------
    UsageError
        If it is lost, or an older copy: whatever has been published was landed, and landing makes
        an inbox.
    """
    with held() as home:
        noted = None if anew else marks.noted(home.inbox_mark)
        known = noted or home.published_file(PERMISSION).exists()
        if known and not anew and not home.inbox.exists():
            raise UsageError(
                f"{home.inbox} is missing, and with it the words that no run has landed",
                "put it back; if it is lost for good, `assent consent new-inbox` begins an empty"
                " one, and what it held has to be recorded again",
                rule="inbox.missing",
            )
        with _connected(home.inbox, noted) as connection:
            yield connection
            come = inbox_mark.made(connection)
        if come != noted:
            marks.note(home.inbox_mark, come)


def store(path: Path | None = None) -> Store:
    """Return the file as a store, or another that is to replace it."""
    return Store("inbox", path or Home.current().inbox, "inbox")


@contextmanager
def _connected(path: Path, noted: Mark | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    with connected(store(path)) as connection:
        # Before anything is written in it.
        inbox_mark.require_newest(Home.current(), inbox_mark.of(connection), noted)
        for feed, columns in COLUMNS.items():
            typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(
                f"create table if not exists inbox.{feed} (event_id bigint, {typed})"
            )
        # An earlier version didn't ask who said a word.
        connection.execute(
            "alter table inbox.consent_events add column if not exists given_by varchar"
        )
        inbox_mark.made(connection)
        yield connection


def rewrite() -> None:
    """Write the file anew with the words that wait: dropped ones leave the disk.

    None is begun in the place of one that is lost.

    Raises
    ------
    UsageError
        If it is an older copy.
    """
    with held() as home:
        if not home.inbox.exists():
            return
        aside = home.inbox.with_name(".inbox.rewritten")
        aside.unlink(missing_ok=True)
        with _connected(home.inbox, marks.noted(home.inbox_mark)) as connection:
            mark = inbox_mark.made(connection)
            waiting = {feed: _words(connection, feed) for feed in WORD_FEEDS}
        with _connected(aside) as connection:
            for feed, words in waiting.items():
                put(connection, "words", feed, words)
                connection.execute(f"insert into inbox.{feed} by name from words")
            inbox_mark.surpass(connection, mark, None)
            connection.execute("checkpoint inbox")
            come = inbox_mark.made(connection)
        sync_file(aside)
        os.replace(aside, home.inbox)
        sync_folder(home.root)
        marks.note(home.inbox_mark, come)


def require_newest() -> None:
    """Refuse an inbox that is lost, or an older copy; none is made where there never was one."""
    home = Home.current()
    if home.inbox.exists() or marks.noted(home.inbox_mark):
        with opened():
            pass


def begin_anew() -> None:
    """Begin an empty inbox in the place of one that is lost.

    Raises
    ------
    UsageError
        If it is there.
    """
    if Home.current().inbox.exists():
        raise UsageError(
            "the inbox is there: nothing has to be begun anew",
            "if it can't be read, put it aside first, and keep it",
        )
    with opened(anew=True):
        pass


def add(feed: FeedName, word: Word) -> int:
    """Append one word to those of a feed, with the fields of ``COLUMNS``; return its number."""
    columns = COLUMNS[feed]
    with opened() as connection:
        number = int(
            connection.execute(
                f"select coalesce(max(event_id), 0) + 1 from inbox.{feed}"
            ).fetchall()[0][0]
        )
        with _changing(connection):
            connection.execute(
                f"insert into inbox.{feed} values ({', '.join('?' * (len(columns) + 1))})",
                [number, *(word.get(name) for name in columns)],
            )
    return number


@contextmanager
def _changing(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Change words in one transaction, and count that."""
    connection.execute("begin")
    yield
    inbox_mark.raise_(connection)
    connection.execute("commit")
    connection.execute("checkpoint inbox")


def waiting() -> Waiting:
    """Return the words that wait."""
    with opened() as connection:
        return Waiting(*(_words(connection, feed) for feed in WORD_FEEDS))


def _words(connection: duckdb.DuckDBPyConnection, feed: FeedName) -> list[Word]:
    names = ("event_id", *COLUMNS[feed])
    rows = connection.execute(f"select {', '.join(names)} from inbox.{feed} order by event_id")
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def forget(customers: Sequence[str]) -> None:
    """Drop every word of some customers, who are erased."""
    if not customers:
        return
    with opened() as connection, _changing(connection):
        for feed in WORD_FEEDS:
            connection.execute(
                f"delete from inbox.{feed} where list_contains(?, customer_id)", [list(customers)]
            )


def is_damaged(home: Home) -> bool:
    """Tell whether the words of a home's inbox can't be read."""
    return home.inbox.exists() and not whole(store(home.inbox))


def take_in(other: Home, *, readable: bool = True) -> None:
    """Take the place of another home's inbox: with its words that don't wait here yet, after ours.

    An older copy of that one, put back later, is known for it.

    Parameters
    ----------
    other
        The home.
    readable
        Whether its words can be read; else only its place is taken.
    """
    with opened():
        pass  # which makes its tables
    there = [replace(store(other.inbox), alias="other", read_only=True)]
    theirs = there if readable and other.inbox.exists() else []
    with held() as home:
        with connected(store(), *theirs) as connection:
            connection.execute("begin")
            if theirs:
                _add_theirs(connection)
            mark = inbox_mark.of(connection, "other") if theirs else None
            inbox_mark.surpass(connection, marks.noted(other.inbox_mark), mark)
            connection.execute("commit")
            connection.execute("checkpoint inbox")
            come = inbox_mark.made(connection)
        marks.note(home.inbox_mark, come)


def _add_theirs(connection: duckdb.DuckDBPyConnection) -> None:
    for feed, columns in COLUMNS.items():
        if not catalogue.columns(
            connection, "main", feed, "other"
        ):  # an earlier version knew of no such words
            continue
        names = ", ".join(columns)
        connection.execute(
            f"insert into inbox.{feed} select (select coalesce(max(event_id), 0) from"
            f" inbox.{feed}) + row_number() over (order by event_id), {names}"
            f" from other.{feed} where row({names})::varchar not in"
            f" (select row({names})::varchar from inbox.{feed})"
        )


def drop(landed: Waiting) -> None:
    """Drop the words that a run has landed; what has come since stays.

    A word is known by all that it says: its number may be another's by now, where words of who was
    erased have left.
    """
    if not landed.by_feed:
        return
    with opened() as connection, _changing(connection):
        for feed, words in landed.by_feed.items():
            put(connection, "landed", feed, words)
            same = " and ".join(
                f"waits.{name} is not distinct from landed.{name}"
                for name in ("event_id", *COLUMNS[feed])
            )
            connection.execute(f"delete from inbox.{feed} as waits using landed where {same}")
