"""Replaying: who has left doesn't stay in a state that was put back from an older copy.

Belongs here: finding, in such a state, whom it holds although they have been erased since (and it
doesn't know them to have returned), or custody has let them go, and taking them out again. Their
receipts and proofs are kept already. Their salts may be gone, so their keys are taken from the
crosswalk, which is as old as the rows. Does not belong here: what a first erasure keeps and attests
(``erasure``), bringing files back (``governance.backup``).
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from governance import identity, inbox, release
from governance.rights import kept, suppressed
from governance.rights.discovery import LEAVING, holders
from governance.rights.leaving import ERASURE, NO_PURPOSE, delete_marked
from warehouse import catalogue
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home


def replay(at: datetime, *, state_of: datetime | None = None, words: bool = True) -> int:
    """Take out everybody who had left already, and return how many the state held.

    Every landing does, as files may have been put back by hand; mostly nobody is found.

    Parameters
    ----------
    at
        The moment, UTC without a zone.
    state_of
        When the state was as it is, if that is known, UTC without a zone: whom custody has let go
        since then, and whose salt is gone, leaves too.
    words
        Whether what waits of theirs in the inbox leaves, too.

    Raises
    ------
    UsageError
        If the warehouse, the vault or the salts are lost, or the warehouse is an older copy.
    """
    home, (vault, salts) = Home.current(), identity.stores()
    if not (home.kept.exists() and vault.path.exists()):
        return 0
    handle = kept.handle_sql("customer_id")
    with kept.opened() as connection:
        gone = connection.execute(
            "select 1 from kept.suppressed union all select 1 from kept.proofs"
            " where left_at >= $of limit 1", {"of": state_of},
        ).fetchall()  # fmt: skip
    if not gone:
        return 0
    # Before anything is taken out, or made where it is lost: a landing would say so only later.
    if home.warehouse.exists():
        release.require_recorded()
        identity.require_there()
    waiting = inbox.waiting()
    # Without a warehouse, it is begun anew with whom the vault knows.
    landed = [warehouse_store()] if home.warehouse.exists() else []
    with connected(*landed, vault, salts, kept.store(read_only=True)) as connection:
        waiting.register(connection)
        connection.execute(identity.READMITTED)
        gone_for_good = f"{handle} in ({suppressed.standing()})"
        # Every word of theirs leaves the inbox, whether or not they had ever landed.
        said = connection.execute(
            "select distinct customer_id from (select customer_id from waiting"
            f" union all select customer_id from waiting_requests) where {gone_for_good}"
        ).fetchall()
        if words:
            inbox.forget([customer_id for (customer_id,) in said])
        erased = _subjects(connection, gone_for_good)
        _take_out(connection, erased, at, ERASURE)
        left = [] if state_of is None else _subjects(
            connection,
            f"{handle} in (select handle from kept.proofs where left_at >= $of)"
            " and subject_key not in (select subject_key from salts.salts)",
            of=state_of,
        )  # fmt: skip
        _take_out(connection, left, at, NO_PURPOSE)
    return len(erased) + len(left)


def _subjects(
    connection: duckdb.DuckDBPyConnection, which: str, **values: datetime | None
) -> list[str]:
    found = connection.execute(
        f"select subject_key::varchar from vault.subjects where {which} order by all", values
    )
    return [subject for (subject,) in found.fetchall()]


def _take_out(
    connection: duckdb.DuckDBPyConnection, subjects: Sequence[str], at: datetime, why: str
) -> None:
    """Take subjects out of the warehouse, the vault and the salts; see ``leaving.leave``."""
    if not subjects:
        return
    if "purpose_keys" in catalogue.tables(connection, "landing"):
        connection.execute(
            f"create or replace temp table {LEAVING} as"
            " select unnest($subjects)::uuid as subject_key, null::varchar as purpose,"
            " null::uuid as purpose_key union all select subject_key, purpose, purpose_key"
            " from warehouse.landing.purpose_keys"
            " where list_contains($subjects, subject_key::varchar)",
            {"subjects": subjects},
        )
        delete_marked(connection, holders(connection, "warehouse"), at, why)
    identity.forget(connection, subjects)
