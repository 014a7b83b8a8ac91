"""Replaying: who is suppressed leaves a state that was restored from an older copy.

Belongs here: finding, in such a state, whom it holds although they have been erased since, and
erasing them again. Their receipts and proofs are kept already. Their salts may be gone, so their
keys are taken from the crosswalk, which is as old as the rows. Does not belong here: what a first
erasure keeps and attests (``erasure``), bringing files back (``governance.backup``).
"""

from datetime import datetime

from governance import identity, inbox
from governance.rights import kept
from governance.rights.discovery import LEAVING, holders
from governance.rights.leaving import ERASURE, delete_marked
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home


def replay(at: datetime) -> int:
    """Erase again everybody who is suppressed, and return how many the state held.

    Every landing does, as files may have been put back by hand; mostly nobody is found.

    Parameters
    ----------
    at
        The moment, UTC without a zone.
    """
    home, (vault, salts) = Home.current(), identity.stores()
    if not all(path.exists() for path in (home.kept, home.warehouse, vault.path)):
        return 0
    with kept.opened() as connection:
        nobody = not connection.execute("select 1 from kept.suppressed limit 1").fetchall()
    if nobody:
        return 0
    # Every word of theirs leaves the inbox, whether or not they had ever landed.
    suppressed = f"{kept.handle_sql('customer_id')} in (select handle from kept.suppressed)"
    waiting = inbox.waiting()
    with kept.opened() as connection:
        waiting.register(connection)
        words = connection.execute(
            "select distinct customer_id from (select customer_id from waiting"
            f" union all select customer_id from waiting_requests) where {suppressed}"
        ).fetchall()
    inbox.forget([customer_id for (customer_id,) in words])
    with connected(warehouse_store(), vault, salts, kept.store(read_only=True)) as connection:
        found = connection.execute(
            f"select subject_key::varchar from vault.subjects where {suppressed} order by all"
        ).fetchall()
        subjects = [subject for (subject,) in found]
        connection.execute(
            f"create temp table {LEAVING} as"
            " select unnest(?)::uuid as subject_key, null::varchar as purpose,"
            " null::uuid as purpose_key union all select subject_key, purpose, purpose_key"
            " from warehouse.landing.purpose_keys where list_contains(?, subject_key::varchar)",
            [subjects, subjects],
        )
        if subjects:
            delete_marked(connection, holders(connection, "warehouse"), at, ERASURE)
        identity.forget(connection, subjects)
    return len(subjects)
