"""The first reading of a source: how many rows, how many of them bad, whose they are.

Belongs here: one narrow scan per source, before anything is written, so that a feed that can't be
loaded changes nothing. Does not belong here: what makes a row bad (``projection``), writing
(``load``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ingest.connectors.files import REJECT_SCANS, REJECTS
from ingest.connectors.source import reading
from ingest.contract import LONGEST_ID
from ingest.landing import scalar
from ingest.projection import Projection
from warehouse.errors import UsageError

NEWCOMERS = "newcomers"  # temporary table of customer ids that the vault doesn't know
MEND = "check that it is whole and readable; `assent sources check` looks closer"


@dataclass(frozen=True)
class Survey:
    """What one source holds.

    Attributes
    ----------
    rows, bad
        All rows, and those that will be quarantined.
    first, last
        The span of the good rows' times (UTC without a zone), None without rows or times.
    malformed
        Temporary table (position, number) of rows that couldn't be split into columns, or None.
    """

    rows: int
    bad: int
    first: datetime | None = None
    last: datetime | None = None
    malformed: str | None = None


NOTHING = Survey(0, 0)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table of newcomers."""
    connection.execute(f"create or replace temp table {NEWCOMERS} (customer_id varchar)")


def surveyed(
    connection: duckdb.DuckDBPyConnection, projection: Projection, label: str, *, enrol: bool
) -> Survey:
    """Read a source once: count its rows and faults, and note the ids that are new.

    Parameters
    ----------
    connection
        With the vault attached if ``enrol``.
    projection
        Of the source.
    label
        Of the source, unique within the load.
    enrol
        Whether to note new ids in the table ``newcomers``.

    Raises
    ------
    UsageError
        If it can't be read.
    """
    time = projection.contract.time or "null::timestamp"
    with reading(projection.source.name, MEND):
        connection.execute(
            "create or replace temp table survey as select customer_id, count(*) as n,"
            f" count(*) filter (where {projection.bad}) as bad,"
            f" min({time}) filter (where not {projection.bad}) as first,"
            f" max({time}) filter (where not {projection.bad}) as last"
            f" from {projection.typed_rejecting()} group by customer_id"
        )
    malformed, rejected = None, 0
    if projection.source.rejecting:
        malformed, rejected = _malformed(connection, projection, label)
    if enrol:
        connection.execute(
            f"insert into {NEWCOMERS} select customer_id from survey"
            " anti join vault.subjects using (customer_id)"
            f" where customer_id is not null and strlen(customer_id) <= {LONGEST_ID}"
        )
    rows, bad, first, last = connection.execute(
        "select coalesce(sum(n), 0)::bigint, coalesce(sum(bad), 0)::bigint, min(first), max(last)"
        " from survey"
    ).fetchall()[0]
    connection.execute("drop table survey")
    return Survey(rows + rejected, bad + rejected, first, last, malformed if rejected else None)


def _malformed(
    connection: duckdb.DuckDBPyConnection, projection: Projection, label: str
) -> tuple[str, int]:
    """Keep the positions of rejected rows, and drop DuckDB's table of them: it quotes the rows.

    Raises
    ------
    UsageError
        If a quote that isn't closed has swallowed lines: how many rows they were can't be told.
    """
    header = 1 if projection.feed.csv is None or projection.feed.csv.header else 0
    table = f"malformed_{label}"
    inner_line_break = "regexp_matches(trim(csv_line, chr(10) || chr(13)), '[\\n\\r]')"
    swallowed = connection.execute(
        f"select min(line) from {REJECTS} where {inner_line_break}"
        " and error_type in ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM')"
    ).fetchall()[0][0]
    connection.execute(
        f"create or replace temp table {table} as select position,"
        " row_number() over (order by position) as number"
        f" from (select distinct line - {header} as position from {REJECTS})"
    )
    connection.execute(f"drop table {REJECTS}")
    connection.execute(f"drop table {REJECT_SCANS}")
    if swallowed is not None:
        raise UsageError(
            f"{projection.source.name}: the quote that opens in line {swallowed} isn't closed",
            "close it: what follows can't be told apart",
        )
    return table, int(scalar(connection, f"select count(*) from {table}"))


def require_few_bad(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    greatest: float,
    parts: Sequence[tuple[Projection, Survey]],
) -> None:
    """Stop if more than the declared share of a feed's rows is bad.

    Raises
    ------
    UsageError
        With the number of rows by reason; no values.
    """
    rows = sum(survey.rows for _, survey in parts)
    bad = sum(survey.bad for _, survey in parts)
    if not bad or bad / rows <= greatest:
        return
    reasons: dict[str, int] = {}
    for projection, survey in parts:
        for reason, count in reasons_of(connection, projection, survey).items():
            reasons[reason] = reasons.get(reason, 0) + count
    listed = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=_by_count))
    raise UsageError(
        f"{feed}: {bad} of {rows} rows are bad ({bad / rows:.2%}, at most {greatest:.2%} may be):"
        f" {listed}. Nothing was loaded",
        "`assent sources check` says where; mend the feed or its mapping, or raise"
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
    found = dict(rows)
    if survey.malformed:
        count = scalar(connection, f"select count(*) from {survey.malformed}")
        found["malformed_row"] = found.get("malformed_row", 0) + count
    return found
