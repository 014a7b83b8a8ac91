"""What a load takes the place of: gone for every reader, it lies in the files until a purge.

Belongs here: telling whether a load, of landing or of the vault, has replaced or dropped anything
that no row says any more, and noting it, so that the days to purge begin. Rows that are read again
and say the same are none of it. It is noted once for a load, without a number: of whom it is, or
of how many, nobody learns. Does not belong here: which of two rows counts (``resolve``), when the
files are written anew (``governance.rights.purge``).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from governance.rights import leaving
from ingest.landing import scalar
from ingest.plan import Plan
from warehouse import catalogue, journal
from warehouse.connect import connected, warehouse_store
from warehouse.journal import Entry, Step
from warehouse.sql import quoted

KIND = "superseded"
_BEFORE = "rows_before"  # temporary table: a hash of what each row said that is to be cleared


def remember(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Remember what the rows of a feed say, before they are cleared to be read again."""
    loads = f"select load_id from landing.loads where feed = {quoted(plan.feed)}"
    connection.execute(
        f"create or replace temp table {_BEFORE} as {_said(plan)} where load_id in ({loads})"
    )


def note(
    connection: duckdb.DuckDBPyConnection, plan: Plan, at: datetime, *, contested: bool
) -> None:
    """Note it if the load of a feed has left rows behind; once its rows are in place.

    Parameters
    ----------
    connection
        In the load's transaction.
    at
        The moment of the load, UTC without a zone.
    contested
        Whether rows had to be decided on (``resolve.decide``).
    """
    if (contested and _superseded(connection)) or (
        plan.afresh and _not_met_again(connection, plan)
    ):
        note_lying(connection, at)


def note_lying(connection: duckdb.DuckDBPyConnection, at: datetime) -> None:
    """Note that the load of that moment has replaced something."""
    leaving.note_lying(connection, at, leaving.CORRECTION)


def begin_in_vault(at: datetime) -> Entry:
    """Begin to replace something in the vault, which commits before the warehouse can note it."""
    return journal.begin(KIND, {"at": at.isoformat()})


def finish(payload: Mapping[str, Any]) -> None:
    """Note what a load that was killed or refused may have replaced in the vault."""
    with connected(warehouse_store()) as connection:
        if catalogue.columns(connection, "landing", "loads"):  # it may have been lost since
            note_lying(connection, datetime.fromisoformat(payload["at"]))


def _superseded(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a row doesn't stand, be it for a moment that it did, that says another thing."""
    return bool(
        scalar(
            connection,
            "select count(*) from (select 1 from verdicts"
            " where not kept and (verdict <> 'duplicate' or differs) limit 1)",
        )
    )


def _not_met_again(connection: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    found = bool(
        scalar(
            connection,
            f"select count(*) from (select 1 from {_BEFORE} anti join ({_said(plan)})"
            " using (said) limit 1)",
        )
    )
    connection.execute(f"drop table {_BEFORE}")
    return found


def _said(plan: Plan) -> str:
    columns = ", ".join(["subject_key", *(column.name for column in plan.contract.landed)])
    return f"select hash({columns}) as said from landing.{plan.contract.name}"


STEPS: Mapping[str, Step] = {KIND: finish}
