"""The inbox: consent events that no run has landed yet.

Belongs here: appending one, listing those that wait, and dropping those that a run has landed.
The file is open only for the moment of writing or reading, so that nobody waits for a run. It is
the door itself: until landing takes an event in, the customer's id stands here, encrypted.
Does not belong here: what the events mean (``governance.consent``).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.connect import Store, connected
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "customer_id", "action", "purpose", "occurred_at", "recorded_at", "notice_version", "method",
    "channel", "language", "wording_hash", "evidence_ref", "signal",
)  # fmt: skip

TABLE = """
create table if not exists inbox.consent_events (
    event_id bigint, customer_id varchar not null, action varchar not null, purpose varchar,
    occurred_at timestamp not null, recorded_at timestamp not null, notice_version integer,
    method varchar, channel varchar, language varchar, wording_hash varchar, evidence_ref varchar,
    signal varchar
)
"""


@contextmanager
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the inbox; others wait for these few milliseconds."""
    home = Home.current().make()
    descriptor = os.open(home.root / "inbox.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with connected(Store("inbox", home.inbox, "inbox")) as connection:
            connection.execute(TABLE)
            yield connection
    finally:
        os.close(descriptor)


def add(event: dict[str, Any]) -> int:
    """Append one consent event with the fields of ``COLUMNS``; return its number."""
    with opened() as connection:
        number = int(
            connection.execute(
                "select coalesce(max(event_id), 0) + 1 from inbox.consent_events"
            ).fetchall()[0][0]
        )
        connection.execute(
            f"insert into inbox.consent_events values ({', '.join('?' * (len(COLUMNS) + 1))})",
            [number, *(event.get(name) for name in COLUMNS)],
        )
        connection.execute("checkpoint inbox")
    return number


def waiting() -> "pa.Table":
    """Return the events that wait, oldest first: ``event_id`` and ``COLUMNS``."""
    if not Home.current().inbox.exists():
        return _empty()
    with opened() as connection:
        return connection.execute(
            "select * from inbox.consent_events order by event_id"
        ).to_arrow_table()


def drop_through(event_id: int) -> None:
    """Drop the events that a run has landed."""
    with opened() as connection:
        connection.execute("delete from inbox.consent_events where event_id <= ?", [event_id])
        connection.execute("checkpoint inbox")


def _empty() -> "pa.Table":
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as inbox")
        connection.execute(TABLE)
        return connection.execute("select * from inbox.consent_events").to_arrow_table()
