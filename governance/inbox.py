"""The inbox: consent events that no run has landed yet.

Belongs here: appending one, listing those that wait, dropping those that a run has landed, and
beginning anew where the file is lost.
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

from governance.release import PERMISSION
from warehouse.connect import Store, connected
from warehouse.errors import UsageError
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

# As landing has them (a test holds that), and which of them an event can't lack.
COLUMNS = {
    "customer_id": "varchar not null",
    "action": "varchar not null",
    "purpose": "varchar",
    "occurred_at": "timestamp not null",
    "recorded_at": "timestamp not null",
    "notice_version": "integer",
    **dict.fromkeys(
        ("method", "channel", "language", "wording_hash", "evidence_ref", "signal"), "varchar"
    ),
}
TABLE = (
    "create table if not exists inbox.consent_events (event_id bigint, "
    + ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    + ")"
)


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
        If it is lost: whatever has been published was landed, and landing makes an inbox.
    """
    home = Home.current().make()
    descriptor = os.open(home.root / "inbox.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        published = home.published_file(PERMISSION).exists()
        if published and not anew and not home.inbox.exists():
            raise UsageError(
                f"{home.inbox} is missing, and with it the consent events that no run has landed",
                "put it back; if it is lost for good, `assent consent new-inbox` begins an empty"
                " one, and what it held has to be recorded again",
                rule="inbox.missing",
            )
        with connected(Store("inbox", home.inbox, "inbox")) as connection:
            connection.execute(TABLE)
            yield connection
    finally:
        os.close(descriptor)


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
    with opened() as connection:
        return connection.execute(
            "select * from inbox.consent_events order by event_id"
        ).to_arrow_table()


def drop_through(event_id: int) -> None:
    """Drop the events that a run has landed."""
    with opened() as connection:
        connection.execute("delete from inbox.consent_events where event_id <= ?", [event_id])
        connection.execute("checkpoint inbox")
