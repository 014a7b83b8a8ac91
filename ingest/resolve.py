"""Rows seen again: exact duplicates, corrections, conflicts.

Belongs here: finding rows whose natural key occurs more than once, and deciding what becomes of
each of them. Does not belong here: rows that occur once; those are landed without being compared.

How it stays fast: the rows are landed first, each with a 64-bit hash of its natural key. Only rows
whose hash occurs more than once ("contested") are read again, with their positions, and compared
exactly: key columns first, so that two keys of one hash don't meet, then contents.

What is decided, by key, in order of arrival (what is held, then file by file, row by row):

- ``latest_arrival``: a row equal to the one before it is a duplicate; any other is accepted and
  supersedes it. If the last arrival equals what is held, nothing has changed, and all are
  duplicates: reading a feed twice never flips a row back and forth.
- ``refuse``: a row equal to the first is a duplicate; any other is quarantined.

An age corrects an age, and a row that tells none doesn't take back that of a child
(``undone.with_ages_kept``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from ingest.connectors.source import POSITION, reading
from ingest.contract import CUSTOMERS, Contract
from ingest.landing import key_columns, row_key, scalar
from ingest.plan import Part, Plan
from ingest.survey import MEND
from ingest.undone import with_ages_kept
from warehouse.errors import UsageError
from warehouse.sql import quoted

KEYS_AT_ONCE = 2_000_000
ARRIVAL = "source_number, position"  # the order in which contenders arrived
HELD = -1  # the source number of a row that was landed by an earlier load


@dataclass(frozen=True)
class Outcome:
    """What became of the contested rows of one load."""

    contested: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    corrected: int = 0


def find_contested(
    connection: duckdb.DuckDBPyConnection, table: str, feed: str, loads: tuple[int, int]
) -> int:
    """Fill the temporary table ``contested`` with the row keys that occur more than once.

    Parameters
    ----------
    connection
        In the load's transaction, its good rows landed.
    table, feed
        The landing table, and the feed whose earlier rows count.
    loads
        First and last id of the new loads.

    Returns
    -------
    int
        How many keys.
    """
    import numpy as np
    import pyarrow as pa

    new = f"load_id between {loads[0]} and {loads[1]}"
    # Sorting 64-bit numbers takes a fifth of the time and memory of grouping them.
    keys = np.array(
        connection.execute(f"select row_key from landing.{table} where {new}").fetchnumpy()[
            "row_key"
        ]
    )
    keys.sort()
    repeated = np.unique(keys[1:][keys[1:] == keys[:-1]])
    connection.register("repeated", pa.table({"row_key": repeated}))
    connection.execute(
        "create or replace temp table contested as select row_key::ubigint as row_key from repeated"
    )
    connection.unregister("repeated")
    held = f"select load_id from landing.loads where feed = {quoted(feed)}"
    if scalar(connection, f"select count(*) from ({held})"):
        connection.execute(
            f"insert into contested select distinct row_key from landing.{table} as fresh"
            f" where {new} and row_key not in (select row_key from contested) and row_key in"
            f" (select row_key from landing.{table} where load_id in ({held}))"
        )
    return int(scalar(connection, "select count(*) from contested"))


def gather(connection: duckdb.DuckDBPyConnection, plan: Plan, loads: tuple[int, int]) -> None:
    """Fill the temporary table ``contenders`` with all rows of contested keys, new and held.

    Raises
    ------
    UsageError
        If a source no longer holds the rows that were landed from it.
    """
    contract = plan.contract
    columns = [column.name for column in contract.landed]
    identifiers = list(contract.identifiers)
    connection.execute("drop table if exists contenders")
    for number, part in enumerate(plan.parts):
        select = _of_part(part, columns + identifiers, number, loads[0] + number)
        verb = "insert into contenders by name" if number else "create temp table contenders as"
        with reading(part.source.name, MEND):
            connection.execute(f"{verb} {select}")
    landed = scalar(
        connection,
        f"select count(*) from landing.{contract.name} where load_id between {loads[0]} and"
        f" {loads[1]} and row_key in (select row_key from contested)",
    )
    if landed != scalar(connection, "select count(*) from contenders"):
        raise UsageError(f"{plan.feed} changed while it was being read", "run again")
    vault = " left join vault.identifiers using (subject_key)" if identifiers else ""
    connection.execute(
        f"insert into contenders by name select load_id, {HELD} as source_number,"
        f" held.rowid as position, row_key, subject_key, {', '.join(columns + identifiers)}"
        f" from landing.{contract.name} as held{vault}"
        " where row_key in (select row_key from contested) and load_id in"
        f" (select load_id from landing.loads where feed = {quoted(plan.feed)})"
    )


def _of_part(part: Part, columns: Sequence[str], number: int, load_id: int) -> str:
    key = row_key(part.projection.key())
    keyed = (
        f"select *, {key} as row_key from {part.projection.typed(numbered=True)}"
        f" join vault.subjects using (customer_id) where not {part.projection.bad}"
    )
    return (
        f"select {load_id}::integer as load_id, {number}::integer as source_number,"
        f" {POSITION}::bigint as position, row_key, subject_key, {', '.join(columns)}"
        f" from ({keyed}) where row_key in (select row_key from contested)"
    )


def decide(connection: duckdb.DuckDBPyConnection, plan: Plan, contested: int) -> None:
    """Fill the temporary table ``verdicts``: every contender with what becomes of it.

    Columns besides the contenders': ``verdict`` (held, accepted, duplicate, refused), ``follows``
    (whether an accepted row supersedes another), ``kept`` (whether the row is to stand in the
    landing table) and ``differs`` (whether it says another thing than the first of its key). A
    history delivered once more contests every key, so the keys are judged slice by slice: memory
    holds one slice.
    """
    slices = 1 + contested // KEYS_AT_ONCE
    for i in range(slices):
        verb = "insert into verdicts" if i else "create or replace temp table verdicts as"
        some = f"(select * from contenders where row_key % {slices} = {i})"
        connection.execute(f"{verb} {_judged(plan, some)}")


def _judged(plan: Plan, contenders: str) -> str:
    contract: Contract = plan.contract
    key = ", ".join(key_columns(plan.parts[0].projection.key()))
    # Whose row it is is part of what it says: the natural key may leave the customer out.
    content = ", ".join(["subject_key", *(c.name for c in contract.landed), *contract.identifiers])
    if plan.declaration.corrections == "refuse":
        verdict = (
            "case when n = 1 then 'accepted'"
            " when content is not distinct from first_content then 'duplicate' else 'refused' end"
        )
    else:
        verdict = (
            "case when any_held and last_content is not distinct from first_content"
            " then 'duplicate'"
            " when n > 1 and content is not distinct from content_before then 'duplicate'"
            " else 'accepted' end"
        )
        if contract is CUSTOMERS:
            grown = plan.parts[0].projection.rules.of_age
            contenders = with_ages_kept(contenders, key, ARRIVAL, grown)
    return f"""
        with arrivals as (select *, row({content}) as content from {contenders}),
        compared as (
            select
                *,
                row_number() over (w) as n,
                lag(content) over (w) as content_before,
                first_value(content) over (w) as first_content,
                first_value(source_number) over (w) = {HELD} as any_held,
                last_value(content) over (
                    w rows between unbounded preceding and unbounded following
                ) as last_content
            from arrivals
            window w as (partition by {key} order by {ARRIVAL})
        ),
        judged as (
            select
                * exclude (content, content_before, first_content, last_content, any_held),
                case when source_number = {HELD} then 'held' else {verdict} end as verdict,
                content is distinct from first_content as differs
            from compared
        )
        select
            *,
            verdict = 'accepted' and n > 1 as follows,
            verdict in ('held', 'accepted') and n = max(n) filter (
                where verdict in ('held', 'accepted')
            ) over (partition by {key}) as kept
        from judged
        """


def outcome_of(connection: duckdb.DuckDBPyConnection, load_id: int) -> Outcome:
    """Return the counts of one load."""
    return Outcome(
        *connection.execute(
            "select count(*), count(*) filter (where verdict = 'accepted'),"
            " count(*) filter (where verdict = 'duplicate'),"
            " count(*) filter (where verdict = 'refused'), count(*) filter (where follows)"
            " from verdicts where load_id = ? and source_number <> ?",
            [load_id, HELD],
        ).fetchall()[0]
    )
