"""Landing one feed: the writing half of a load, inside its transaction.

Belongs here: putting good rows into the landing table, bad ones into the quarantine, what was
superseded out, and noting what was done. Does not belong here: what is read (``plan``), which of
two rows counts (``resolve``), the order of feeds (``load``).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb

from governance.policy.model import Policy
from ingest import counted, landing, quarantine, resolve, superseded
from ingest.connectors.source import reading
from ingest.contract import CUSTOMERS
from ingest.days import local_day
from ingest.plan import Part, Plan
from ingest.resolve import HELD, Outcome
from ingest.survey import MEND
from warehouse.errors import UsageError
from warehouse.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Landed:
    """What became of a source's rows: read = accepted + quarantined + duplicates + suppressed.

    ``corrected`` counts the rows that an accepted row has superseded (within this source or of an
    earlier one); they are no longer in the landing table.
    """

    load_id: int
    feed: str
    source: str
    read: int
    accepted: int
    quarantined: int
    duplicates: int
    corrected: int
    suppressed: int = 0


@dataclass(frozen=True)
class Moment:
    """When a load happens, and in which days it thinks.

    Attributes
    ----------
    now
        UTC without a zone.
    zone
        The policy's time zone.
    """

    now: datetime
    zone: str

    @classmethod
    def of(cls, now: datetime, policy: Policy) -> "Moment":
        """Return the moment of a load under a policy."""
        return cls(now, policy.time_zone)

    @property
    def day(self) -> str:
        """Today, as an SQL date."""
        today = self.now.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).date()
        return f"date {quoted(today)}"


def land(
    connection: duckdb.DuckDBPyConnection, plan: Plan, moment: Moment, first: int
) -> list[Landed]:
    """Land one feed; its sources get the load ids from ``first`` on.

    Raises
    ------
    UsageError
        If a source changed while it was being read.
    """
    loads = (first, first + len(plan.parts) - 1)
    connection.execute("drop table if exists verdicts")
    if plan.afresh:
        _clear(connection, plan, moment, first)
    for number, part in enumerate(plan.parts):
        _insert(connection, plan, part, moment, first + number)
    contested = resolve.find_contested(connection, plan.contract.name, plan.feed, loads)
    if contested:
        resolve.gather(connection, plan, loads)
        resolve.decide(connection, plan, contested)
        _settle(connection, plan, moment, loads)
    done = [
        _note(connection, plan, part, moment, first + number, contested=bool(contested))
        for number, part in enumerate(plan.parts)
    ]
    if plan.contract.name == "transactions":
        connection.execute(
            "insert into landing.changed_days select distinct event_day, load_id"
            f" from landing.transactions where load_id between {loads[0]} and {loads[1]}"
            " except select event_day, load_id from landing.changed_days"
        )
    if plan.afresh and plan.contract is CUSTOMERS:
        _keep_recorded(connection)
    superseded.note(connection, plan, moment.now, contested=bool(contested))
    return done


def _clear(connection: duckdb.DuckDBPyConnection, plan: Plan, moment: Moment, first: int) -> None:
    if plan.contract is CUSTOMERS:
        _note_recorded(connection, "true")
    superseded.remember(connection, plan)
    landing.clear(connection, plan.feed, load_id=first, now=moment.now)


def _note_recorded(connection: duckdb.DuckDBPyConnection, which: str) -> None:
    connection.execute(
        f"create or replace temp table customers_before as from landing.customers where {which}"
    )


def _keep_recorded(connection: duckdb.DuckDBPyConnection, only_if: str = "true") -> None:
    """Let nobody's attributes grow younger by being read again."""
    connection.execute(
        "update landing.customers as c set recorded_on = known.recorded_on"
        " from customers_before as known where known.subject_key = c.subject_key"
        f" and known.recorded_on < c.recorded_on and {only_if}"
    )


def _insert(
    connection: duckdb.DuckDBPyConnection, plan: Plan, part: Part, moment: Moment, load_id: int
) -> None:
    made = {
        "row_key": landing.row_key(part.projection.key()),
        "load_id": str(load_id),
        **_made(plan, moment),
    }
    columns = [made.get(c.name, c.name) for c in plan.contract.table]
    with reading(part.source.name, MEND):
        done = connection.execute(
            f"insert into landing.{plan.contract.name} ({_names(plan)}) select {', '.join(columns)}"
            f" from {part.projection.typed()} join vault.subjects using (customer_id)"
            f" where not {part.projection.bad}"
        ).fetchall()
    if done[0][0] != part.survey.rows - part.survey.bad - part.survey.suppressed:
        raise _changed(part)


def _made(plan: Plan, moment: Moment) -> dict[str, str]:
    """Return the expressions of the columns that no feed has."""
    spans = [part.survey for part in plan.parts]
    first = min((s.first for s in spans if s.first), default=None)
    last = max((s.last for s in spans if s.last), default=None)
    return {
        "event_day": local_day("occurred_at", moment.zone, first, last),
        "recorded_on": moment.day,
    }


def _names(plan: Plan) -> str:
    """Return the table's columns by name: one that an earlier version made has another order."""
    return ", ".join(column.name for column in plan.contract.table)


def _changed(part: Part) -> UsageError:
    return UsageError(f"{part.source.name} changed while it was being read", "run again")


def _settle(
    connection: duckdb.DuckDBPyConnection, plan: Plan, moment: Moment, loads: tuple[int, int]
) -> None:
    """Let the landing table hold of every contested key what ``verdicts`` says."""
    table = plan.contract.name
    gone = f"rowid in (select position from verdicts where source_number = {HELD} and not kept)"
    if table == "transactions":
        # The day of a row that leaves has changed too; the row that supersedes it may be of
        # another day. The first of the new loads stands for all: they commit together.
        connection.execute(
            f"insert into landing.changed_days select distinct event_day, {loads[0]}"
            f" from landing.transactions where {gone}"
            " except select event_day, load_id from landing.changed_days"
        )
    corrects = plan.contract is CUSTOMERS and not plan.afresh
    if corrects:
        _note_recorded(connection, gone)
    counted.note_corrected(connection, plan.feed, gone)
    connection.execute(f"delete from landing.{table} where {gone}")
    connection.execute(
        f"delete from landing.{table} where load_id between {loads[0]} and {loads[1]}"
        " and row_key in (select row_key from contested)"
    )
    made = _made(plan, moment)
    columns = [made.get(c.name, c.name) for c in plan.contract.table]
    connection.execute(
        f"insert into landing.{table} ({_names(plan)}) select {', '.join(columns)} from verdicts"
        f" where kept and source_number <> {HELD}"
    )
    if corrects:
        # A direct identifier may have changed alone: that makes no attribute younger.
        same = [f"c.{column.name} is not distinct from known.{column.name}"
                for column in CUSTOMERS.landed]  # fmt: skip
        _keep_recorded(connection, " and ".join(same))


def _note(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    part: Part,
    moment: Moment,
    load_id: int,
    *,
    contested: bool,
) -> Landed:
    load = (load_id, plan.feed, moment.now)
    bad = 0
    if part.survey.bad:
        with reading(part.source.name, MEND):
            bad = quarantine.put_bad_rows(connection, part.projection, load)
        if bad != part.survey.bad:
            raise _changed(part)
    outcome = resolve.outcome_of(connection, load_id) if contested else Outcome()
    if outcome.refused:
        quarantine.insert(
            connection,
            "select position, 'conflicting_row' as reason, null::varchar as column_name,"
            f" subject_key from verdicts where verdict = 'refused' and load_id = {load_id}",
            load,
            part.source.name,
        )
    done = Landed(
        load_id,
        plan.feed,
        part.source.name,
        read=part.survey.rows,
        accepted=part.survey.rows
        - part.survey.suppressed
        - bad
        - outcome.duplicates
        - outcome.refused,
        quarantined=bad + outcome.refused,
        duplicates=outcome.duplicates,
        corrected=outcome.corrected,
        suppressed=part.survey.suppressed,
    )
    made = replace(part.made, hashed=landing.hash_of_constant(connection))
    landing.record_load(
        connection,
        (load_id, plan.feed, moment.now, part.source.name, made.text()),
        (
            done.read,
            done.accepted,
            done.quarantined,
            done.duplicates,
            done.corrected,
            done.suppressed,
        ),
    )
    return done


def vault_rows(
    connection: duckdb.DuckDBPyConnection, plan: Plan, done: list[Landed]
) -> "pa.Table | None":
    """Return the direct identifiers of the customers whose rows this load has put in place.

    Returns
    -------
    pyarrow.Table or None
        ``subject_key`` and every identifier, one row per subject; None if there are none.
    """
    if not any(landed.accepted for landed in done):
        return None
    columns = ", ".join(["subject_key", *CUSTOMERS.identifiers])
    parts = [
        f"select {columns} from {part.projection.typed()}"
        f" join vault.subjects using (customer_id) where not {part.projection.bad}"
        f" and {landing.row_key(part.projection.key())} not in (select row_key from contested)"
        for part in plan.parts
    ]
    settled = connection.execute(
        "select count(*) from duckdb_tables() where temporary and table_name = 'verdicts'"
    ).fetchall()[0][0]
    if settled:
        parts.append(f"select {columns} from verdicts where kept and source_number <> {HELD}")
    with reading(plan.feed, MEND):
        return connection.execute(" union all ".join(parts)).to_arrow_table()
