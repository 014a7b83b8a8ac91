"""Rows that may no longer stand in what is published: taken out as soon as that is known.

Belongs here: whom a published file holds without a basis now, by what has landed and by the policy
in force. Publishing replaces a file only if every rule lets it; nobody stays published because a
feed is stale or a segment too small. Does not belong here: how anybody stands (``lapse``,
``consent``), how a file is replaced (``warehouse.publish``).
"""

from datetime import datetime

from governance import lapse
from governance.policy.model import Policy
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import DAMAGED, UsageError
from warehouse.publish import BEFORE, publish, published_purposes
from warehouse.sql import identifier


def take_out(policy: Policy, known_at: datetime) -> dict[str, int]:
    """Take those who have no basis any more out of the published files.

    Parameters
    ----------
    policy
        The policy in force: what was published under another is judged by it, too.
    known_at
        The newest event that has landed, UTC without a zone.

    Returns
    -------
    dict
        How many subjects were taken out, by purpose; purposes without any aren't named.
    """
    at = max(utc_naive(now()), known_at)
    purposes = [purpose for purpose in published_purposes() if purpose in policy.purposes]
    counts = {purpose: _take_out(policy, purpose, at) for purpose in purposes}
    return {purpose: count for purpose, count in counts.items() if count}


def _take_out(policy: Policy, purpose: str, at: datetime) -> int:
    mart, key = f"mart_{purpose}", f"{purpose}_key"
    store = published_store(purpose)
    try:
        with connected(store) as connection:
            names = catalogue.tables(connection, "main")
            keyed = [n for n in names if key in catalogue.columns(connection, "main", n)]
        if mart not in keyed:
            return 0
        with connected(warehouse_store(read_only=True), store) as connection:
            found = lapse.standing(
                connection, policy, purpose, at, mart=f"{store.alias}.{identifier(mart)}"
            )
    except UsageError as error:
        if error.rule != DAMAGED:
            raise
        return 0  # nobody can read it either; a run writes it anew
    if found.held_back:
        publish({purpose: {
            name: f"select * from {BEFORE}.{identifier(name)}"
            + (f" where {found.permitted}" if name in keyed else "")
            for name in names
        }}, over=True)  # fmt: skip
        lapse.show(purpose, found)
    return found.held_back
