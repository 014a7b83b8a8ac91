"""The schema ``landing``: its tables, what was loaded into them, and what identifies a load.

Belongs here: making the tables, the list of loads, clearing a feed, keys of rows. Does not belong
here: reading feeds (``connectors``), deciding about rows (``projection``, ``resolve``).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from governance.policy.model import Policy
from governance.policy.words import INBOX
from governance.rights.leaving import NOTE
from ingest.contract import (
    CONTRACTS,
    EVENT_DAY,
    LOAD_ID,
    PURPOSE,
    ROW_KEY,
    SUBJECT_KEY,
    TEXT,
    TIME,
    Column,
    Contract,
)
from ingest.model import FeedSource
from warehouse.sql import quoted

CONTRACT_VERSION = 4  # rises when this room comes to read the same declaration otherwise

COUNT = "BIGINT"
FEED = Column("feed", TEXT, "Feed that delivered it")
SOURCE = Column("source", TEXT, "The file or table of the feed that it was read from")

# What the rows of the tables are that are shown as assets.
SHOWN = {
    "customers": "Customers, without direct identifiers: those are in the vault",
    "transactions": "Transaction lines",
    "consent_events": "Consent events: granted, withdrawn, objected, opted out, opted in",
    "rights_requests": "Rights requests",
    "quarantine": "Rows set aside with their reason and position, without their values",
    "purpose_keys": "The crosswalk from a subject to its key for each purpose; never published",
    "changed_days": "Which days each load touched",
}

# The tables of landing, each with its columns.
TABLES: dict[str, tuple[Column, ...]] = {
    **{contract.name: contract.table for contract in CONTRACTS.values()},
    "quarantine": (
        Column("quarantine_id", COUNT, "Number of the quarantined row"),
        FEED,
        Column("reason", TEXT, "Why it was quarantined"),
        Column("column_name", TEXT, "The column whose value is at fault, if it is one's"),
        SOURCE,
        Column("position", COUNT, "Its row in that source, from 1"),
        SUBJECT_KEY,
        LOAD_ID,
        Column("quarantined_at", TIME, "When it was quarantined, in UTC"),
        Column("resolved_at", TIME, "When someone resolved it, in UTC; null while open"),
        Column("resolution", TEXT, "How it was resolved; null while open"),
        Column("note", TEXT, "What whoever resolved it wrote about it; null while open"),
    ),
    "purpose_keys": (
        SUBJECT_KEY,
        Column("purpose", TEXT, PURPOSE),
        Column("purpose_key", "UUID", "Key of the subject for this purpose alone"),
    ),
    "loads": (
        Column("load_id", "INTEGER", "Number of the load"),
        FEED,
        Column("loaded_at", TIME, "When it was loaded, in UTC"),
        SOURCE,
        Column("fingerprint", TEXT, "What the source and its declaration were, as JSON"),
        Column("rows_read", COUNT, "Rows read: accepted, quarantined, duplicate and suppressed"),
        Column("rows_accepted", COUNT, "Rows landed"),
        Column("rows_quarantined", COUNT, "Rows set aside"),
        Column("rows_duplicate", COUNT, "Rows that said again what another said"),
        Column("rows_corrected", COUNT, "Rows that an accepted row has superseded, or removed"),
        Column("rows_suppressed", COUNT, "Rows of subjects who are erased and may not come back"),
        Column("rows_emptied", COUNT, "Rows that stay and have lost what was past its days"),
        Column("counted_in", "INTEGER", "The load with the figures of its rows; null: not counted"),
        Column("subjects", COUNT, "Subjects who were new in what it counts; or that a note is of"),
        Column("orders", COUNT, "Baskets that were new in what it counts"),
        Column("value_total", "DECIMAL(38,2)", "Sum of the value of what it counts"),
        Column("first_day", "DATE", "Day of the first event in what it counts"),
        Column("last_day", "DATE", "Day of the last event in what it counts"),
        Column("known_until", TIME, "End of the minute in which its newest event became known"),
    ),
    "changed_days": (EVENT_DAY, LOAD_ID),
    # Rows that are counted and no longer held: what corrected them waits to be counted.
    "corrected": (FEED, SUBJECT_KEY, ROW_KEY),
}

# What decides how a row is read: the rest of a declaration may change without consequence.
_READ_BY = ("columns", "time_zone", "natural_key", "corrections", "negative_value", "format",
            "csv", "future_tolerance_minutes")  # fmt: skip


@dataclass(frozen=True)
class Fingerprint:
    """What one load was made from; kept as JSON in ``landing.loads``.

    Attributes
    ----------
    place, state, content
        Of the source: see ``connectors.source.Candidate``.
    declared
        Digest of how the rows were read.
    purposes
        Digest of the purposes that consent events could name.
    key
        The columns that ``row_key`` is a hash of.
    hashed
        DuckDB's hash of a constant, to notice a version of it that hashes otherwise.
    rows
        How many rows the source held; 0 if a version of Assent loaded it that didn't note it.
    """

    place: str = ""
    state: str = ""
    content: str = ""
    declared: str = ""
    purposes: str = ""
    key: tuple[str, ...] = ()
    hashed: int = 0
    rows: int = 0

    def text(self) -> str:
        """Return the JSON of it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str | None) -> "Fingerprint":
        """Return a fingerprint from its JSON."""
        known = json.loads(text or "{}")
        return cls(**{**known, "key": tuple(known.get("key", ()))})


@dataclass(frozen=True)
class Load:
    """One earlier load of a feed."""

    load_id: int
    fingerprint: Fingerprint


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the schema and the tables that are missing."""
    connection.execute("create schema if not exists landing")
    for name, columns in TABLES.items():
        typed = ", ".join(f"{column.name} {column.type}" for column in columns)
        connection.execute(f"create table if not exists landing.{name} ({typed})")


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the tables of earlier schema versions the columns that they lacked."""
    create(connection)
    connection.execute(
        "alter table landing.consent_events add column if not exists given_by varchar"
    )
    connection.execute("alter table landing.quarantine add column if not exists note varchar")
    for added in ("rows_suppressed", "rows_emptied"):
        connection.execute(
            f"alter table landing.loads add column if not exists {added} bigint default 0"
        )
    for column in TABLES["loads"]:  # figures and clocks: of what was landed, noted after this
        connection.execute(
            f"alter table landing.loads add column if not exists {column.name} {column.type}"
        )


def earlier_loads(connection: duckdb.DuckDBPyConnection, feed: str) -> list[Load]:
    """Return the loads of a feed, oldest first."""
    rows = connection.execute(
        "select load_id, fingerprint from landing.loads where feed = ? order by load_id", [feed]
    ).fetchall()
    return [Load(load_id, Fingerprint.read(text)) for load_id, text in rows]


def sources_of_others(
    connection: duckdb.DuckDBPyConnection, feeds: Iterable[str]
) -> list[tuple[str, str]]:
    """Return feed and place of what was loaded of feeds that aren't among some; no inbox is."""
    rows = connection.execute(
        "select distinct feed, fingerprint->>'place' as place from landing.loads"
        " where feed not in (select unnest(?::varchar[])) and (fingerprint->>'place') <> ''",
        [[*feeds, *INBOX.values()]],
    ).fetchall()
    return [(feed, place) for feed, place in rows]


def next_load_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the next load."""
    return int(scalar(connection, "select coalesce(max(load_id), 0) + 1 from landing.loads"))


def rows_held(connection: duckdb.DuckDBPyConnection, feed: str) -> int:
    """Return how many rows of a feed are in its landing table, by its loads."""
    return int(
        scalar(
            connection,
            "select coalesce(sum(rows_accepted - rows_corrected), 0)::bigint from landing.loads"
            f" where feed = {quoted(feed)}",
        )
    )


def declared(feed: FeedSource, contract: Contract, policy: Policy) -> str:
    """Return a digest of everything that decides how a feed's rows are read."""
    said: dict[str, Any] = feed.model_dump(mode="json", include=set(_READ_BY))
    if contract.name == "transactions":
        said["days"] = policy.time_zone
    return digest([CONTRACT_VERSION, said])


def digest(value: Any) -> str:
    """Return a short digest of plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def row_key(key: Iterable[str]) -> str:
    """Return the SQL of a row's key; a customer counts by the pseudonym, not by the id."""
    return f"hash({', '.join(key_columns(key))})"


def key_columns(key: Iterable[str]) -> list[str]:
    """Return the natural key in columns of the landing table."""
    return ["subject_key" if name == "customer_id" else name for name in key]


def hash_of_constant(connection: duckdb.DuckDBPyConnection) -> int:
    """Return what DuckDB's hash makes of a constant row of every type that is hashed."""
    return int(
        scalar(
            connection,
            "select hash('assent', 1.5::decimal(18,2), 1::integer, timestamp '2020-01-01',"
            " '00000000-0000-0000-0000-000000000001'::uuid, null::varchar)",
        )
    )


def rekey(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute all row keys anew if they were made by a DuckDB that hashes otherwise."""
    current = hash_of_constant(connection)
    rows = connection.execute("select load_id, feed, fingerprint from landing.loads").fetchall()
    for load_id, feed, text in rows:
        made = Fingerprint.read(text)
        if not made.key or made.hashed == current:
            continue
        table = table_of(feed)
        connection.execute(
            f"update landing.{table} set row_key = {row_key(made.key)} where load_id = {load_id}"
        )
        renewed = Fingerprint(**{**asdict(made), "hashed": current})
        connection.execute(
            "update landing.loads set fingerprint = ? where load_id = ?", [renewed.text(), load_id]
        )


def move(
    connection: duckdb.DuckDBPyConnection, feed: str, moved: Iterable[tuple[str, str]]
) -> None:
    """Note where sources are now that were loaded from another place."""
    places = dict(moved)
    for load in earlier_loads(connection, feed) if places else []:
        if load.fingerprint.place in places:
            there = replace(load.fingerprint, place=places[load.fingerprint.place])
            connection.execute(
                "update landing.loads set fingerprint = ? where load_id = ?",
                [there.text(), load.load_id],
            )


def table_of(feed: str) -> str:
    """Return the landing table of a feed."""
    return next((table for table, name in INBOX.items() if name == feed), feed)


def clear(connection: duckdb.DuckDBPyConnection, feed: str, *, load_id: int, now: datetime) -> None:
    """Remove all rows of a feed, because it is about to be read from the beginning.

    Parameters
    ----------
    load_id
        The load that replaces them: its changed days include theirs.
    now
        When their quarantined rows count as read again.
    """
    loads = f"(select load_id from landing.loads where feed = {quoted(feed)})"
    if feed == "transactions":
        connection.execute(
            f"insert into landing.changed_days select distinct event_day, {load_id}"
            f" from landing.transactions where load_id in {loads}"
        )
    connection.execute(f"delete from landing.{table_of(feed)} where load_id in {loads}")
    connection.execute("delete from landing.corrected where feed = ?", [feed])
    connection.execute(
        "update landing.quarantine set resolved_at = ?, resolution = 'read_again'"
        f" where resolved_at is null and load_id in {loads}",
        [now],
    )
    # What was removed before may lie in the file still: that is remembered, without its rows.
    connection.execute(
        f"update landing.loads set rows_corrected = 0 where feed = ? and {NOTE}", [feed]
    )
    connection.execute(f"delete from landing.loads where feed = ? and not {NOTE}", [feed])


def record_load(
    connection: duckdb.DuckDBPyConnection,
    identity: tuple[int, str, datetime, str, str],
    counts: Sequence[int],
) -> None:
    """Note one load.

    Parameters
    ----------
    identity
        load_id, feed, loaded_at, source, fingerprint.
    counts
        Rows read, accepted, quarantined, duplicate, corrected, suppressed.
    """
    columns = [column.name for column in TABLES["loads"]][: len(identity) + len(counts)]
    connection.execute(
        f"insert into landing.loads ({', '.join(columns)}, rows_emptied)"
        f" values ({', '.join('?' * len(columns))}, 0)",
        [*identity, *counts],
    )


def scalar(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the one value that a query yields."""
    return connection.execute(query).fetchall()[0][0]
