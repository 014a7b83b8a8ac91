"""Who is restricted now: nothing of them may leave, however old it is and whoever asks for it.

Belongs here: the one answer to that for what is about to delete, by what has landed, what waits in
the inbox and, of legal holds, what is kept; and lifting legal holds whose last day has ended. Does
not belong here: which request is a restriction that stands (``governance.consent_relations``), what
a step does (``requests``).
"""

import duckdb

from governance import acts, inbox
from governance.consent_relations import restricted_sql
from governance.policy.words import HOLDING_STATES, PERMISSION
from governance.rights import kept
from governance.rights.recall import lost_holds
from governance.rights.requests import RESTRICTION, day_everywhere, hold_is_over, listing
from governance.rights.steps import note_step
from warehouse.home import Home

RESTRICTED_NOW = "restricted_now"  # temporary table: subject_key, request_id


def note(connection: duckdb.DuckDBPyConnection) -> None:
    """Note who is restricted at this moment in the temporary table ``RESTRICTED_NOW``.

    Parameters
    ----------
    connection
        With the warehouse as its current database, and the vault attached.
    """
    inbox.waiting().register(connection)
    columns = "request_id, type, received_at, status"
    connection.execute(
        f"create or replace temp table {RESTRICTED_NOW} as from"
        + restricted_sql(
            f"(select subject_key, {columns} from landing.rights_requests union all"
            f" select subject_key, {columns} from waiting_requests"
            " join vault.subjects using (customer_id))"
        )
    )
    rows = connection.execute(
        f"select customer_id, subject_key, request_id from {RESTRICTED_NOW}"
        " join vault.subjects using (subject_key) where request_id is not null"
    ).fetchall()
    with kept.opened() as file:
        steps = kept.steps_of(file, {customer_id for customer_id, *_ in rows})
    for customer_id, subject, number in rows:
        if hold_is_over(steps.get((customer_id, number, RESTRICTION), [])):
            connection.execute(
                f"delete from {RESTRICTED_NOW} where subject_key = ? and request_id = ?",
                [subject, number],
            )
    for hold in lost_holds(connection):
        connection.execute(
            f"insert into {RESTRICTED_NOW} values (?, ?)", [hold.subject_key, hold.request_id]
        )


def lift_ended() -> int:
    """Lift each legal hold whose last day has ended, and return how many; it lands with the next.

    Nobody has to be told: it was the company's own.
    """
    if not Home.current().published_file(PERMISSION).exists():
        return 0  # nobody has landed, or nothing is read before the next landing
    with kept.opened() as connection:
        ended = connection.execute(
            f"select 1 from {kept.HOLDS} where until < ? limit 1", [day_everywhere()]
        ).fetchall()
    if not ended:
        return 0
    over = [
        request for request in listing()
        if request.type == RESTRICTION and request.status in HOLDING_STATES
        and hold_is_over(request.steps)
    ]  # fmt: skip
    for request in over:
        with acts.acting(
            "rights.step", step="lifted", subject_key=request.subject_key,
            request_id=request.request_id, type=request.type,
        ):  # fmt: skip
            note_step(request, "lifted", ground="the last day of the hold has ended")
    return len(over)
