"""What rights say of a feed's rows, applied before anything else looks at them.

Belongs here: rows of who was erased and has come back, which stay stopped if they are from before
that; values that were corrected, where a feed says again what was wrong; rows of a legal hold,
which no feed changes. The first two are known by the vault, holds by ``kept``. Does not belong
here: who may not come back at all (``suppression``), admitting, correcting and holding
(``governance.rights``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from governance import identity, spelling
from governance.policy.words import GRANTS
from governance.rights import kept
from governance.rights.requests import RESTRICTION
from ingest import suppression
from ingest.contract import CUSTOMERS, RIGHTS_REQUESTS, Contract
from ingest.landing import scalar
from warehouse.sql import quoted

READMITTED = "readmitted_ids"  # temporary tables, which never reach a disk in clear
CORRECTED = "corrected_values"
HOLDS = "standing_holds"


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Take what the vault and ``kept`` know into temporary tables, with the ids that sources have.

    The list of those who may not come back was taken before (``suppression.prepare``).
    """
    spelling.teach(connection)
    connection.execute(
        f"create or replace temp table {READMITTED} as select customer_id, since, written_after"
        " from vault.readmitted join vault.subjects using (subject_key)"
    )
    connection.execute(
        f"create or replace temp table {CORRECTED} as"
        " select customer_id, column_name, refused, value, salt from vault.corrections"
        " join vault.subjects using (subject_key) join salts.salts using (subject_key)"
    )
    with kept.opened() as file:
        holds = file.execute(
            f"select handle::varchar as handle, request_id from {kept.HOLDS}"
        ).to_arrow_table()
    connection.register("holds", holds)
    connection.execute(
        f"create or replace temp table {HOLDS} as select handle::uuid as handle, request_id"
        " from holds"
    )
    connection.unregister("holds")


@dataclass(frozen=True)
class Heed:
    """What is heeded of one source's rows.

    Attributes
    ----------
    old
        SQL over the typed columns and ``since``: whether a row of somebody who has come back is
        from before that; empty if nobody has.
    corrected
        The columns of which some value was corrected.
    holds
        Whether a row may be one of a legal hold: then the relation has the column ``of_hold``.
    """

    old: str = ""
    corrected: tuple[str, ...] = ()
    holds: bool = False

    def rows(self, relation: str, raw: Sequence[str]) -> str:
        """Return a typed relation without the rows that stay stopped, its values corrected.

        ``raw`` names the columns that the feed maps.
        """
        if self.old:
            relation = (
                f"(select t.* from {relation} as t left join {READMITTED} as r using (customer_id)"
                f" where r.since is null or not {self.old})"
            )
        if self.holds:
            relation = _marked(relation)
        if not self.corrected:
            return relation
        replaced, joined = [], ""
        for name in self.corrected:
            here = f"k_{name}.customer_id is not null"
            kind = CUSTOMERS.column(name).type
            replaced.append(
                f"case when {here} then k_{name}.value::{kind} else t.{name} end as {name}"
            )
            if name in raw:  # else what is corrected to nothing would count as unreadable
                replaced.append(
                    f"case when {here} and k_{name}.value is null then null"
                    f" else t.raw_{name} end as raw_{name}"
                )
            joined += (
                f" left join {CORRECTED} as k_{name} on k_{name}.column_name = {quoted(name)}"
                f" and k_{name}.customer_id = t.customer_id and k_{name}.refused ="
                f" {identity.refused_sql(name, f't.{name}', f'k_{name}.salt')}"
            )
        return f"(select t.* replace ({', '.join(replaced)}) from {relation} as t{joined})"

    def stopped(self, relation: str) -> str:
        """Return the SQL of the customer ids of a typed relation's rows that are ``old``."""
        met = f"{relation} join {READMITTED} using (customer_id)"
        return f"select customer_id from {met} where {self.old}"


NOTHING = Heed()


def _marked(relation: str) -> str:
    """Return a typed relation of requests with ``of_hold``: whether a row is one of a legal hold.

    Its number is one of ours, so that most rows need no handle; and one that is made within the
    join's condition would be made for every pair.
    """
    handle = kept.handle_sql("customer_id", suppression.OF_HANDLES)
    ours = f"type = {quoted(RESTRICTION)} and regexp_full_match(request_id, {quoted(kept.OURS)})"
    return (
        "(select t.* exclude (handle_of_ours), h.handle is not null as of_hold"
        f" from (select *, case when {ours} then {handle} end as handle_of_ours from {relation})"
        f" as t left join {HOLDS} as h"
        " on h.handle = t.handle_of_ours and h.request_id = t.request_id)"
    )


def heed(
    connection: duckdb.DuckDBPyConnection, contract: Contract, state: str, *, recorded: bool
) -> Heed:
    """Return what to heed of a source of a feed.

    Parameters
    ----------
    state
        Of the source (``connectors.source.Candidate``): a file's says when it was last written.
    recorded
        Whether Assent recorded the words itself: what is left of them is from after the erasure.
    """
    old = ""
    if scalar(connection, f"select count(*) from {READMITTED}"):
        # A row of customers says no time: that of its file counts, by the clock that files have.
        old = f"coalesce({contract.time} < since, false)" if contract.time else _unwritten(state)
        if recorded:
            old = _early_grant(contract)
    corrected = connection.execute(
        f"select distinct column_name from {CORRECTED} order by column_name"
    ).fetchall()
    names = [name for (name,) in corrected] if contract is CUSTOMERS else []
    # What Assent said itself of a hold, its opening and its end, lands as any word.
    holds = contract is RIGHTS_REQUESTS and not recorded
    holds = holds and bool(scalar(connection, f"select count(*) from {HOLDS}"))
    return Heed(old, tuple(names), holds)


def _early_grant(contract: Contract) -> str:
    """Return SQL that is true for a grant from before they returned; a denial always counts."""
    if contract.name != "consent_events":
        return ""
    return (
        f"(action in ({', '.join(map(quoted, GRANTS))}) and coalesce(recorded_at < since, false))"
    )


def _unwritten(state: str) -> str:
    """Return SQL that is true if a file wasn't written since; what is no file is as it is now."""
    size, _, nanoseconds = state.partition("-")
    if not (size.isdigit() and nanoseconds.isdigit()):
        return "false"
    written = datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC).replace(tzinfo=None)
    return f"(timestamp {quoted(written.isoformat(sep=' '))} < written_after)"
