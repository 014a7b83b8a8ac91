"""What a load has to read: which feeds, which of their sources, and from the beginning or not.

Belongs here: comparing what there is with what was loaded. Does not belong here: scanning
(``survey``), writing (``load``).

A source that was loaded before is skipped: a file by its size and time of change, else by its
content. Of a file that was added to, only what was added is read: the rest has arrived before. A
feed whose declaration has changed is read from the beginning ("afresh"), because rows that were
read otherwise can't be compared with new ones; so is the feed of consent events if it named
purposes that the policy has come to know since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from governance.inbox import COLUMNS, Word, put
from governance.policy.model import Policy
from governance.policy.words import INBOX, FeedName
from ingest.connectors import candidates, no_file
from ingest.connectors.source import Candidate, Source
from ingest.contract import CONTRACTS, TIME, Contract
from ingest.landing import (
    Fingerprint,
    Load,
    declared,
    digest,
    earlier_loads,
    rows_held,
    scalar,
)
from ingest.model import FeedSource, Sources
from ingest.projection import Projection, Rules, projected
from ingest.said import unsettled
from ingest.survey import NOTHING, Survey
from warehouse.errors import UsageError


@dataclass(frozen=True)
class Part:
    """One source to read.

    Attributes
    ----------
    known_rows
        How many rows at its beginning were loaded before, and aren't read.
    """

    source: Source
    projection: Projection
    fingerprint: Fingerprint
    survey: Survey = NOTHING
    known_rows: int = 0

    @property
    def made(self) -> Fingerprint:
        """Return what identifies it, once it has been surveyed."""
        key = tuple(self.projection.key())
        return replace(self.fingerprint, key=key, rows=self.known_rows + self.survey.rows)


@dataclass(frozen=True)
class Plan:
    """What to read of one feed.

    Attributes
    ----------
    feed
        Its name in ``landing.loads``.
    parts
        The sources to read, in order of arrival.
    skipped
        How many sources were loaded before and haven't changed.
    afresh
        Why everything is read from the beginning: "declaration", "purposes", or empty.
    gone
        How many sources were loaded before and aren't there any more.
    moved
        Of each that was renamed, the place where it was and the one where it is.
    unread
        The places of sources that aren't read now, or not from the beginning.
    """

    feed: str
    contract: Contract
    declaration: FeedSource
    parts: tuple[Part, ...]
    skipped: int
    afresh: str
    gone: int = 0
    moved: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are to read."""
        return sum(part.survey.rows for part in self.parts)


def planned(
    connection: duckdb.DuckDBPyConnection,
    sources: Sources,
    policy: Policy,
    name: str,
    rules: Rules,
    *,
    afresh_for_purposes: bool = True,
) -> Plan:
    """Return what to read of a feed.

    Raises
    ------
    UsageError
        If no file matches (whatever was loaded before: a feed must not fall silent unnoticed), or
        a source can't be opened.
    """
    feed: FeedSource = sources.feeds[name]  # type: ignore[index]
    contract = CONTRACTS[name]
    earlier = earlier_loads(connection, name)
    wanted = _wanted(sources, policy, name)
    afresh = _afresh(connection, name, earlier, wanted, afresh_for_purposes)
    found = candidates(connection, sources, name)
    if not found:
        raise no_file(name)
    newest = {load.fingerprint.place: load.fingerprint for load in earlier}
    # Without a digest it has to be read again: see ``governance.rights.readmission``.
    known = {} if afresh else {place: one for place, one in newest.items() if one.content}
    there = {candidate.place for candidate in found}
    # A file that was renamed keeps its size and time; its rows arrived when it was read first.
    moved = {one.state: one for place, one in known.items() if one.state and place not in there}
    parts: list[Part] = []
    renamed: dict[str, str] = {}
    for candidate in found:
        earlier_one = known.get(candidate.place) or moved.get(candidate.state)
        part = _part(connection, candidate, earlier_one, contract, feed, rules)
        if part is not None:
            declared_part = replace(
                part.fingerprint, declared=wanted.declared, purposes=wanted.purposes
            )
            parts.append(replace(part, fingerprint=declared_part))
        elif earlier_one and earlier_one.place not in there:
            renamed.setdefault(earlier_one.place, candidate.place)
    gone = sources_gone(connection, name, found)
    whole = {part.fingerprint.place for part in parts if not part.known_rows}
    return Plan(
        name, contract, feed, tuple(parts), len(found) - len(parts), afresh, gone,
        tuple(renamed.items()), tuple(there - whole),
    )  # fmt: skip


def changed(
    connection: duckdb.DuckDBPyConnection, sources: Sources, policy: Policy, name: str
) -> bool:
    """Tell whether the declaration of a feed has changed since it was loaded."""
    return _afresh(connection, name, earlier_loads(connection, name),
                   _wanted(sources, policy, name), False) != ""  # fmt: skip


def sources_gone(
    connection: duckdb.DuckDBPyConnection, name: str, there: Sequence[Candidate]
) -> int:
    """Return how many of the sources that a feed was loaded from aren't there any more."""
    places = {load.fingerprint.place for load in earlier_loads(connection, name)}
    return len(places - {candidate.place for candidate in there} - {""})


def lacking(
    connection: duckdb.DuckDBPyConnection, name: str, rows: int, gone: int
) -> UsageError | None:
    """Return why a feed can't be read from the beginning, by what its sources hold now."""
    held = rows_held(connection, name) - unsettled(connection, name)
    if rows < held:
        return unmet(name, f"of {held} rows that were landed its sources hold only {rows}")
    if gone:
        return unmet(name, f"{gone} of the sources that it was landed from aren't there any more")
    return None


def unmet(feed: str, what: str) -> UsageError:
    """Return the error for a feed that can't be read from the beginning without forgetting."""
    return UsageError(
        f"the way in which {feed} is read has changed, so it has to be read from the beginning,"
        f" but {what}",
        "put the old sources back, or take the change back: in sources.yaml, of the policy's"
        " purposes or time zone, or to another version of Assent. A word that was in the quarantine"
        " may be resolved first (`assent quarantine resolve`)",
    )


def planned_words(
    connection: duckdb.DuckDBPyConnection, feed: FeedName, words: Sequence[Word], rules: Rules
) -> Plan:
    """Return the plan for words that Assent recorded itself, in our own columns and in UTC.

    None of them is from the future: they were judged when they were recorded, by a clock that may
    have been ahead, and a word counts as of the newest that is known by then, if that was. Nor is
    any of an unknown purpose: the policy had it when the word was recorded, and may have it again.
    """
    from ingest.connectors.python import arrow_source

    contract, name = CONTRACTS[feed], INBOX[feed]
    columns = {n: n for n in contract.names if n in COLUMNS[feed]}
    times = [n for n in columns if contract.column(n).type == TIME]
    newest = max(word[n] for n in times for word in words)
    named = {word["purpose"] for word in words if word.get("purpose")}
    rules = replace(rules, now=max(rules.now, newest), purposes=(*rules.purposes, *sorted(named)))
    declaration = FeedSource.model_validate(
        {
            "connector": "python", "provenance": "recorded by Assent", "time_zone": "UTC",
            "identifiers": ("customer_id",), "columns": columns, "greatest_bad_share": 1.0,
        }
    )  # fmt: skip
    put(connection, "recorded", feed, words)
    data = connection.execute("from recorded").to_arrow_table()
    source = arrow_source(connection, data, f"feed_{name}", name, tuple(columns))
    projection = projected(connection, contract, declaration, source, rules)
    return Plan(name, contract, declaration, (Part(source, projection, Fingerprint()),), 0, "")


def _wanted(sources: Sources, policy: Policy, name: str) -> Fingerprint:
    feed: FeedSource = sources.feeds[name]  # type: ignore[index]
    return Fingerprint(
        declared=declared(feed, CONTRACTS[name], policy), purposes=digest(sorted(policy.purposes))
    )


def _afresh(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    earlier: Sequence[Load],
    wanted: Fingerprint,
    for_purposes: bool,
) -> str:
    made = [load.fingerprint for load in earlier if load.fingerprint.declared]
    if any(one.declared != wanted.declared for one in made):
        return "declaration"
    if not for_purposes or all(one.purposes == wanted.purposes for one in made):
        return ""
    unknown = scalar(
        connection,
        "select count(*) from landing.quarantine join landing.loads using (load_id)"
        f" where loads.feed = '{name}' and reason = 'unknown_purpose' and resolved_at is null",
    )
    return "purposes" if unknown else ""


def _part(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    known: Fingerprint | None,
    contract: Contract,
    feed: FeedSource,
    rules: Rules,
) -> Part | None:
    """Return a source to read, or None if it was loaded before and hasn't changed."""
    same = known is not None and candidate.place == known.place
    if known and same and candidate.state and candidate.state == known.state:
        return None
    source = candidate.open()
    content = candidate.content(source)
    if known and content == known.content:
        return None
    added_to = known is not None and same and candidate.extends(known.state, known.content)
    known_rows = known.rows if known and added_to else 0
    source = source.after(known_rows)
    projection = projected(connection, contract, feed, source, rules)
    fingerprint = Fingerprint(candidate.place, candidate.state, content)
    return Part(source, projection, fingerprint, known_rows=known_rows)
