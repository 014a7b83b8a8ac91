"""The first reading of a source: how many rows, how many of them bad, whose they are.

Belongs here: one narrow scan per source, before anything is written, so that a feed that can't be
loaded changes nothing. Does not belong here: what makes a row bad (``projection``), writing
(``load``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from governance.limits import LONGEST_ID
from governance.policy.words import OF_HOLD
from ingest import heeding, suppression
from ingest.connectors.source import ENCODING, MalformedRowsError, reading
from ingest.landing import scalar
from ingest.projection import Projection, projected
from warehouse.errors import UsageError
from warehouse.sql import quoted

NEWCOMERS = "newcomers"  # temporary table of customer ids that the vault doesn't know
STOPPED = "stopped_rows"  # temporary table of the ids of rows from before their subjects returned
MEND = "check that it is whole, readable and written as its feed declares"


@dataclass(frozen=True)
class Survey:
    """What one source holds.

    Attributes
    ----------
    rows, bad
        All rows, and those that will be quarantined.
    first, last
        The span of the good rows' times (UTC without a zone), None without rows or times.
    suppressed
        Rows of subjects who are erased and may not come back, or of before they did; not among the
        bad ones.
    of_holds
        Of the bad ones, those that have no fault but that they name a legal hold.
    """

    rows: int
    bad: int
    first: datetime | None = None
    last: datetime | None = None
    suppressed: int = 0
    of_holds: int = 0


NOTHING = Survey(0, 0)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary tables of newcomers and of those who may not come back."""
    suppression.prepare(connection)
    heeding.prepare(connection)
    connection.execute(f"create or replace temp table {NEWCOMERS} (customer_id varchar)")


def read(
    connection: duckdb.DuckDBPyConnection, projection: Projection, *, enrol: bool
) -> tuple[Projection, Survey]:
    """Read a source once (:func:`surveyed`), or its tolerant form if it has malformed rows.

    Returns
    -------
    Projection
        The one to go on with.
    Survey
        What the source holds.
    """
    tolerant = projection.source.tolerant
    try:
        return projection, surveyed(connection, projection, enrol=enrol)
    except MalformedRowsError:
        if tolerant is None:
            raise
    contract, feed, rules = projection.contract, projection.feed, projection.rules
    again = projected(connection, contract, feed, tolerant(), rules).heeding(projection.heed)
    return again, surveyed(connection, again, enrol=enrol)


def surveyed(
    connection: duckdb.DuckDBPyConnection, projection: Projection, *, enrol: bool
) -> Survey:
    """Read a source once: count its rows and faults, and note the ids that are new.

    Parameters
    ----------
    connection
        With the vault attached if ``enrol``.
    projection
        Of the source.
    enrol
        Whether to note new ids in the table ``newcomers``.

    Raises
    ------
    MalformedRowsError
        If some rows can't be split into columns: read the source's tolerant form then.
    UsageError
        If it can't be read.
    """
    time = projection.contract.time or "null::timestamp"
    of_hold = "false"
    if projection.heed.holds:
        of_hold = f"{projection.case('reason')} = {quoted(OF_HOLD)}"
    with reading(projection.source.name, MEND):
        connection.execute(
            "create or replace temp table survey as select customer_id, count(*) as n,"
            f" count(*) filter (where {projection.bad}) as bad,"
            f" count(*) filter (where {of_hold}) as of_holds,"
            f" min({time}) filter (where not {projection.bad}) as first,"
            f" max({time}) filter (where not {projection.bad}) as last"
            f" from {projection.typed()} group by customer_id"
        )
        suppressed = 0
        if projection.heed.old:
            stopped = projection.heed.stopped(projection.delivered())
            connection.execute(f"create or replace temp table {STOPPED} as {stopped}")
            suppressed = scalar(connection, f"select count(*) from {STOPPED}")
    if enrol:
        if suppressed:
            suppression.note_stopped(connection, STOPPED)
        suppression.note(connection, "survey")
        suppressed += scalar(
            connection,
            f"select coalesce(sum(n), 0)::bigint from survey where not {suppression.admitted()}",
        )
        connection.execute(f"delete from survey where not {suppression.admitted()}")
        connection.execute(
            f"insert into {NEWCOMERS} select customer_id from survey"
            " anti join vault.subjects using (customer_id)"
            f" where customer_id is not null and strlen(customer_id) <= {LONGEST_ID}"
        )
    rows, bad, of_holds, first, last = connection.execute(
        "select coalesce(sum(n), 0)::bigint, coalesce(sum(bad), 0)::bigint,"
        " coalesce(sum(of_holds), 0)::bigint, min(first), max(last) from survey"
    ).fetchall()[0]
    connection.execute("drop table survey")
    return Survey(rows + suppressed, bad, first, last, suppressed, of_holds)


def require_few_bad(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    greatest: float,
    parts: Sequence[tuple[Projection, Survey]],
) -> None:
    """Stop if more than the declared share of a feed's rows is bad.

    A row of a legal hold could be read, and tells nothing of how the feed is written: a file of
    that row alone doesn't keep all feeds from landing.

    Raises
    ------
    UsageError
        With the number of rows by reason; no values.
    """
    rows = sum(survey.rows for _, survey in parts)
    bad = sum(survey.bad - survey.of_holds for _, survey in parts)
    if not bad or bad / rows <= greatest:
        return
    reasons: dict[str, int] = {}
    for projection, survey in parts:
        for reason, count in reasons_of(connection, projection, survey).items():
            if reason != OF_HOLD:
                reasons[reason] = reasons.get(reason, 0) + count
    listed = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=_by_count))
    misencoded = sum(projection.source.misencoded for projection, _ in parts)
    if misencoded:
        listed += f" ({misencoded} of them not in the declared encoding)"
    mend = f"{ENCODING}; " if misencoded else ""
    raise UsageError(
        f"{feed}: {bad} of {rows} rows are bad ({bad / rows:.2%}, at most {greatest:.2%} may be):"
        f" {listed}. Nothing was loaded",
        f"{mend}`assent sources check` says where; mend the feed or its mapping, or raise"
        " greatest_bad_share",
    )


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return (-item[1], item[0])


def reasons_of(
    connection: duckdb.DuckDBPyConnection, projection: Projection, survey: Survey
) -> dict[str, int]:
    """Return how many rows of a source are bad for which reason."""
    if not survey.bad:
        return {}
    with reading(projection.source.name, MEND):
        rows = connection.execute(
            f"select {projection.case('reason')} as reason, count(*)"
            f" from {projection.typed()} where {projection.bad} group by reason"
        ).fetchall()
    return dict(rows)
