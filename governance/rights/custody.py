"""Custody: what has been held for as many days as the policy allows leaves, as days go by.

Belongs here: which rows are too old on a day, and of which subjects nothing needs to be held any
more. Rows of transactions leave; a row of a customer loses what isn't needed to decide permission,
in landing and in the vault; a subject of whom only old words are left leaves altogether, unless
forgetting one of these would permit what it denied. A restriction that stands, a legal hold for one
(GDPR Art. 18(1)(c)), beats all of that. Does not belong here: how a subject leaves (``leaving``),
how old a value may be for a purpose (the marts), judging that nothing is too old
(``expectations.custody``).

GDPR Art. 5(1)(e).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb

from governance import acts, consent, identity, vaulted
from governance.clocks import Clocks, last_instant
from governance.consent_relations import RESTRICTED, landed, listed, requests_sql
from governance.policy.model import Policy
from governance.policy.words import OF_LANDING, PERMISSION_ATTRIBUTES
from governance.rights import kept, known, leaving, proofs, restricted, suppressed
from governance.rights.discovery import LEAVING, SUBJECT, holders, mark
from warehouse import catalogue, journal
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.journal import Step
from warehouse.publish import without_damaged
from warehouse.sql import identifier, quoted

KIND = "custody"
CUSTOMERS = ("landing", "customers")
# Temporary tables: what goes from there; whose rows lose values.
IN_VAULT, EMPTIED = "in_vault", "emptied"
_RESTRICTED = f"(select subject_key from {restricted.RESTRICTED_NOW})"


def newest_expired(policy: Policy, as_of: date) -> date:
    """Return the newest day whose rows are too old at the end of ``as_of``.

    A row of the day itself is 1 day old, as in every rule on ages.

    >>> from governance.policy.load import load_policy
    >>> from warehouse.home import PROJECT
    >>> newest_expired(load_policy(PROJECT / "policy.yaml"), date(2020, 12, 31))
    datetime.date(2018, 1, 1)
    """
    return as_of - timedelta(days=policy.custody.retention_days)


def let_expire(policy: Policy, clocks: Clocks) -> dict[str, int]:
    """Let go what is too old on the newest complete day; the caller holds the writer's lock.

    Done again on the same day, it finds nothing. A past ``as_of`` never comes here.

    Returns
    -------
    dict
        Rows that left by feed table, customers whose row was ``emptied`` in landing or the vault,
        and ``subjects`` who left altogether; what there is none of isn't named.
    """
    at = utc_naive(now())
    with identity.opened(warehouse_store()) as connection:
        connection.execute("use warehouse")
        restricted.note(connection)
        found = _rows(connection, policy, clocks.newest_day, at)
        # Noted by now: who is killed here has the next landing note it once more, and do it.
        of_vault = connection.execute(f"from {IN_VAULT}").to_arrow_table()
    if of_vault.num_rows:
        with connected(*identity.stores()) as connection:
            connection.register("of_vault", of_vault)
            known.note_emptied(connection, "of_vault")
            vaulted.let_go(connection, "of_vault")
    with identity.opened(warehouse_store(read_only=True)) as connection:
        connection.execute("use warehouse")
        restricted.note(connection)  # anew, as it may have taken a while
        subjects = _nothing_needed(connection, policy, clocks)
    if subjects:
        with acts.acting("custody.leave", as_of=clocks.newest_day, subjects=len(subjects)):
            payload = {"at": at.isoformat(), "subjects": subjects,
                       "left_by": f"custody {clocks.newest_day}"}  # fmt: skip
            entry = journal.begin(KIND, payload)
            finish(entry.payload)
            entry.close()
        found["subjects"] = len(subjects)
    return found


@without_damaged
def finish(payload: Mapping[str, Any]) -> None:
    """Do what the journal says; done again after a kill, it finds what is left to do."""
    subjects, at = payload["subjects"], datetime.fromisoformat(payload["at"])
    with identity.opened(warehouse_store(read_only=True)) as connection:
        mark(connection, subjects, [])
        words = proofs.words_of(connection)
        returned = connection.execute(
            "select customer_id from vault.readmitted join vault.subjects using (subject_key)"
            f" where subject_key in (select subject_key from {LEAVING})"
        ).fetchall()
    noted = leaving.noted_at(at)
    with kept.opened() as connection:
        proofs.keep(connection, words, dict.fromkeys(subjects, payload["left_by"]), at)
        for (customer_id,) in returned:  # else the door would stop them again
            suppressed.end(connection, customer_id, noted)
    leaving.leave(subjects, at, leaving.NO_PURPOSE)
    kept.require_newest()  # notes that it has come further: an older copy isn't taken for this one


def _rows(
    connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date, at: datetime
) -> dict[str, int]:
    """Delete rows that are too old wherever they bear a day, and empty those of customers."""
    old = f"<= date {quoted(newest_expired(policy, as_of))}"
    free = f"subject_key not in {_RESTRICTED}"
    found: dict[str, int] = {}
    connection.execute("begin")
    for table in holders(connection, "warehouse"):
        if "event_day" not in catalogue.columns(connection, table.schema, table.table):
            continue
        which = f"event_day {old}" + (f" and {free}" if table.key == SUBJECT else "")
        gone = leaving.delete(connection, table, which, at=at, why=leaving.RETENTION)
        if table.schema == "landing" and gone:
            found[table.table] = gone
    emptied = _empty_customers(connection, old, free, at)
    connection.execute("commit")
    return found | ({"emptied": emptied} if emptied else {})


def _empty_customers(
    connection: duckdb.DuckDBPyConnection, old: str, free: str, at: datetime
) -> int:
    """Empty the rows of customers in landing, and note what goes from the vault; return how many.

    ``IN_VAULT`` is what goes from there, in a transaction of its own.
    """
    connection.execute(
        f"create or replace temp table {IN_VAULT} as from"
        f" ({vaulted.dated(connection, 'landing.customers')}) where recorded_on {old} and {free}"
    )
    # What decides permission stays: without it, a child would count as grown up.
    told = [
        name for name in catalogue.columns(connection, *CUSTOMERS)
        if name not in (*OF_LANDING, *PERMISSION_ATTRIBUTES)
    ]  # fmt: skip
    which = f"recorded_on {old} and {free} and coalesce({', '.join(told)}) is not null"
    # What a killed load has left in the vault alone is noted of the feed as well.
    newest = "select load_id from landing.loads order by feed = 'customers' desc, load_id desc"
    ((emptied,),) = connection.execute(
        f"create or replace temp table {EMPTIED} as"
        f" select coalesce(load_id, ({newest} limit 1)) as load_id, subject_key"
        f" from (select subject_key from landing.customers where {which}"
        f" union select subject_key from {IN_VAULT})"
        " left join landing.customers using (subject_key)"
    ).fetchall()
    leaving.note_removal(connection, EMPTIED, at=at, why=leaving.RETENTION, emptied=True)
    nulled = ", ".join(f"{identifier(name)} = null" for name in told)
    connection.execute(f"update landing.customers set {nulled} where {which}")
    return int(emptied)


def oldest_in_vault(
    connection: duckdb.DuckDBPyConnection, restricted_now: Iterable[UUID | None]
) -> dict[str, date]:
    """Return by table of the vault since when it holds what custody doesn't let it keep for ever.

    Parameters
    ----------
    connection
        With the warehouse as its current database.
    restricted_now
        Who is under a restriction, besides those of whom landing knows it.
    """
    if not Home.current().vault.exists() or not catalogue.columns(connection, *CUSTOMERS):
        return {}
    customers = connection.execute(
        f"select subject_key, recorded_on from {'.'.join(CUSTOMERS)}"
    ).to_arrow_table()
    held = [key for (key,) in connection.execute(f"from {RESTRICTED}").fetchall()]
    held += [key for key in restricted_now if key]
    with identity.opened() as vault:
        vault.register("customers", customers)
        keyed = "(select subject_key::uuid as subject_key, recorded_on from customers)"
        return vaulted.oldest(vault, keyed, held)


def _nothing_needed(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks
) -> list[str]:
    """Return the keys of the subjects of whom only old words are left, and no live purpose."""
    oldest = newest_expired(policy, clocks.newest_day)
    # Who only waits for a row of customers may leave: who comes back is asked for one again.
    consent.state(
        connection, policy, landed(waits=False), into="standing",
        at=(at := max(last_instant(clocks.newest_day, policy.time_zone), clocks.known_at)),
        known=at,
    )  # fmt: skip
    # Who comes back after that is a new subject: what needs no consent would be permitted then.
    unasked = [name for name, p in policy.purposes.items() if {*p.basis.values()} != {"consent"}]
    denials = listed((consent.LIMITED, consent.NO_MARKETING, consent.OBJECTED, consent.WITHDRAWN))
    rows = connection.execute(
        f"""
        select subject_key::varchar from vault.subjects where subject_key not in (
            select subject_key from landing.transactions
            union all select subject_key from landing.customers where recorded_on > $day
            union all select subject_key from landing.consent_events
                where greatest(recorded_at, occurred_at) > $instant
            union all select subject_key from landing.rights_requests
                where received_at > $instant
            union all select subject_key from {requests_sql("landing.rights_requests")}
                where unanswered
            union all select subject_key from landing.quarantine
                where quarantined_at > $instant and subject_key is not null
            union all select subject_key from vault.readmitted where since > $instant
            union all select subject_key from standing
                where rule in ({quoted(consent.HELD)}, {quoted(consent.CONSENTED)})
                    or (rule in {denials} and list_contains($unasked, purpose))
        ) and subject_key not in {_RESTRICTED} order by all
        """,
        {"day": oldest, "instant": last_instant(oldest, policy.time_zone), "unasked": unasked},
    ).fetchall()
    return [key for (key,) in rows]


STEPS: Mapping[str, Step] = {KIND: finish}
