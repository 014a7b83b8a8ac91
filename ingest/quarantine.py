"""The quarantine: rows that could not be accepted, without their values.

Belongs here: putting rows there, listing and resolving them. Does not belong here: what makes a row
bad (``projection``), what a quarantined consent event means for its subject (``int_consent_*``) or
for publishing (``expectations.feeds``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import duckdb

from governance import limits
from governance.policy.words import RESOLUTIONS
from ingest import suppression
from ingest.connectors.source import POSITION
from ingest.landing import scalar, table_of
from ingest.projection import Projection
from warehouse.clock import utc_naive
from warehouse.errors import UsageError
from warehouse.sql import quoted


@dataclass(frozen=True)
class QuarantinedRow:
    """One quarantined row: where it stands in its source, never what it says.

    A row that is waited for (``returned``) stands nowhere: it has no ``position``.
    ``note`` is why somebody resolved it, in their words: it stays in the warehouse, encrypted.
    """

    quarantine_id: int
    feed: str
    reason: str
    column_name: str | None
    source: str
    position: int | None
    subject_key: UUID | None
    quarantined_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    note: str | None


def quarantine_list(
    connection: duckdb.DuckDBPyConnection, *, feed: str | None = None, resolved: bool = False
) -> list[QuarantinedRow]:
    """List quarantined rows, oldest first.

    Parameters
    ----------
    connection
        With the warehouse attached.
    feed
        Only of this feed.
    resolved
        Whether to list resolved rows too.
    """
    columns = ", ".join(QuarantinedRow.__dataclass_fields__)
    conditions = ["true"]
    conditions += [] if resolved else ["resolved_at is null"]
    conditions += [f"feed = {quoted(feed)}"] if feed else []
    rows = connection.execute(
        f"select {columns} from landing.quarantine where {' and '.join(conditions)}"
        " order by quarantine_id"
    ).fetchall()
    return [QuarantinedRow(*row) for row in rows]


def quarantine_resolve(
    connection: duckdb.DuckDBPyConnection,
    ids: int | Iterable[int],
    resolution: str,
    *,
    note: str,
    now: datetime,
) -> int:
    """Resolve quarantined rows; they no longer hold anything back.

    Parameters
    ----------
    connection
        With the warehouse attached for writing.
    ids
        Quarantine ids, one or several.
    resolution
        ``corrected_at_source`` (the row was delivered again, readable, and has landed) or
        ``dismissed`` (it is to have no effect). Who says so belongs into the record of acts.
    note
        Why. People write names into such a text, so it is kept here, where it is encrypted.
    now
        When.

    Returns
    -------
    int
        How many were resolved.

    Raises
    ------
    UsageError
        If the resolution is unknown, the note is blank or too long, an id isn't an unresolved row,
        or nothing has been delivered that could be the correction; then none is resolved.
    """
    if resolution not in RESOLUTIONS:
        raise UsageError("no such resolution", f"use one of: {', '.join(RESOLUTIONS)}")
    if not note.strip():
        raise UsageError("the note is blank", "say why, with --note", rule="note.blank")
    if len(note.encode(errors="replace")) > limits.LONGEST_TEXT:
        raise UsageError(
            f"the note is longer than {limits.LONGEST_TEXT} bytes", "name where it is kept",
            rule="note.long",
        )  # fmt: skip
    wanted = sorted({ids} if isinstance(ids, int) else set(ids))
    listed = ", ".join(str(int(i)) for i in wanted) or "null"
    condition = f"quarantine_id in ({listed}) and resolved_at is null"
    rows = connection.execute(
        f"select quarantine_id from landing.quarantine where {condition}"
    ).fetchall()
    unknown = set(wanted) - {i for (i,) in rows}
    if unknown:
        raise UsageError(
            f"not in the quarantine, or resolved already: {', '.join(map(str, sorted(unknown)))}",
            "`assent quarantine list` shows what is there",
            rule="quarantine.unknown",
        )
    if resolution == "corrected_at_source":
        _require_corrected(connection, condition)
    connection.execute(
        "update landing.quarantine set resolved_at = ?, resolution = ?, note = ?"
        f" where {condition}",
        [utc_naive(now), resolution, note],
    )
    return len(rows)


def _require_corrected(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Refuse rows after which their feed brought nothing of their subject, or of anybody.

    What came with them was there already, and a word of the inbox is no delivery of a feed.
    """
    rows = connection.execute(
        "select quarantine_id, quarantine.feed, coalesce(loads.feed, quarantine.feed),"
        " quarantined_at, subject_key from landing.quarantine left join landing.loads"
        " using (load_id)"
        f" where {condition} order by quarantine_id"
    ).fetchall()
    for number, table, feed, at, subject in rows:
        whose = "true" if subject is None else f"subject_key = {quoted(subject)}"
        if not scalar(
            connection,
            f"select count(*) from landing.{table} join landing.loads using (load_id) where"
            f" loads.feed = {quoted(feed)} and loaded_at > timestamp {quoted(at)} and {whose}",
        ):
            of_whom = "" if subject is None else " of its subject"
            raise UsageError(
                f"row {number} of the quarantine wasn't corrected: {feed} has accepted"
                f" nothing{of_whom} since",
                "have it delivered again and `assent run`; or, if it is to have no effect,"
                " resolve it --as dismissed",
                rule="quarantine.uncorrected",
            )


def put_bad_rows(
    connection: duckdb.DuckDBPyConnection,
    projection: Projection,
    load: tuple[int, str, datetime],
) -> int:
    """Put the bad rows of one source into the quarantine, by one narrow reading.

    Parameters
    ----------
    connection
        In the load's transaction, with the vault attached.
    projection
        Of the source.
    load
        load_id, feed and moment of the load.

    Returns
    -------
    int
        How many.
    """
    rows = (
        f"select {POSITION} as position, {projection.case('reason')} as reason,"
        f" {projection.case('column')} as column_name, customer_id"
        f" from {projection.typed(numbered=True)} where {projection.bad}"
        f" and {suppression.admitted()}"
    )
    return insert(
        connection,
        "select position, reason, column_name, subject_key"
        f" from ({rows}) left join vault.subjects using (customer_id)",
        load,
        projection.source.name,
    )


def insert(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    load: tuple[int, str, datetime],
    source: str,
) -> int:
    """Put rows (a ``select`` of position, reason, column_name, subject_key) into the quarantine."""
    load_id, feed, now = load
    last = scalar(connection, "select coalesce(max(quarantine_id), 0) from landing.quarantine")
    done = connection.execute(
        f"insert into landing.quarantine select {last} + row_number() over (order by position),"
        f" {quoted(table_of(feed))}, reason, column_name, {quoted(source)}, position, subject_key,"
        f" {load_id}, timestamp {quoted(now)}, null, null, null from ({rows})"
    ).fetchall()
    return int(done[0][0])
