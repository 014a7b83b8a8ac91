"""Unrecorded releases: times in which aggregates may have been shown that no record tells of.

Belongs here: noting such a time, when a restore can't read what was released since its backup; and
for how long nothing new is released after it. Does not belong here: taking over a record that can
be read (``governance.released``), the records themselves (``aggregates``, ``consent_statistics``).
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from governance.policy.model import Policy
from warehouse import catalogue

TABLE = "governance.unrecorded_releases"


class Unrecorded(NamedTuple):
    """From when to when nobody knows what was released, UTC without a zone."""

    since: datetime
    until: datetime


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table where it isn't there yet."""
    connection.execute("create schema if not exists governance")
    connection.execute(f"create table if not exists {TABLE} (since timestamp, until timestamp)")


def note(connection: duckdb.DuckDBPyConnection, time: Unrecorded) -> None:
    """Note a time; one whose clock is behind what it follows ends no earlier than it begins."""
    make(connection)
    connection.execute(f"insert into {TABLE} values (?, ?)", [time.since, max(time)])


def last(connection: duckdb.DuckDBPyConnection) -> Unrecorded | None:
    """Return the time that ends last; None if everything is on record."""
    if not catalogue.columns(connection, *TABLE.split(".")):
        return None
    row = connection.execute(
        f"select since, until from {TABLE} order by until desc, since limit 1"
    ).fetchone()
    return None if row is None else Unrecorded(*row)


def free_from(policy: Policy, time: Unrecorded) -> date:
    """Return from which newest day of the feeds on something new may be released after it."""
    ended = time.until.replace(tzinfo=UTC).astimezone(ZoneInfo(policy.time_zone)).date()
    return ended + timedelta(days=policy.segmentation.release_days)
