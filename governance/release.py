"""What leaves the warehouse: the published files.

Belongs here: which tables a purpose publishes, and whether it may. Does not belong here: how a
file is swapped (``warehouse.publish``), exports to recipients (``governance.export``).
"""

from typing import Any

import duckdb

from governance import status
from governance.clocks import Clocks
from governance.consent import LANDED
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.words import SEGMENT_PURPOSE
from warehouse import catalogue
from warehouse.connect import connected, quoted, warehouse_store
from warehouse.errors import RuleBrokenError
from warehouse.publish import publish

PERMISSION = "permission"

UNREAD_CONSENT = (
    "select count(*) from landing.quarantine"
    " where feed = 'consent_events' and resolved_at is null and subject_key is null"
)


def publish_permission(policy: Policy) -> None:
    """Publish what decides permission, so that readers never need the warehouse.

    Done as soon as events have landed, whatever becomes of the rest of the run: a denial takes
    effect on exports even if no mart can be published.
    """
    publish(
        {
            PERMISSION: {
                "consent_events": f"select * from {LANDED.events}",
                "subjects": f"select * from {LANDED.subjects}",
                "unread": f"select ({UNREAD_CONSENT}) as events",
                "about": f"select {quoted(policy_hash(policy))} as policy_hash",
            }
        }
    )


def published_tables(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, about: dict[str, Any]
) -> dict[str, str]:
    """Return the tables of a purpose's published file, as selects over the warehouse."""
    mart = f"mart_{purpose}"
    there = mart in catalogue.tables(connection, "marts")
    tables = {mart: f"select * from marts.{mart}"} if there else {}
    if purpose == SEGMENT_PURPOSE:
        tables["assignments"] = "select * from segmentation.assignments"
        tables["segments"] = "select * from segmentation.segments"
    facts = ", ".join(f"{quoted(value)} as {name}" for name, value in about.items())
    return {**tables, "about": f"select {facts}"}


def publish_purpose(policy: Policy, purpose: str, clocks: Clocks, about: dict[str, Any]
                    ) -> dict[str, int]:  # fmt: skip
    """Publish one purpose, if every blocking rule lets it.

    Returns
    -------
    dict
        Rows by table; empty for a past ``as_of``, which never replaces the current state.

    Raises
    ------
    RuleBrokenError
        If a blocking rule is broken, unchecked or a gap, or a consent event can't be read.
    """
    if not clocks.current:
        return {}
    with connected(warehouse_store(read_only=True)) as connection:
        unread = connection.execute(UNREAD_CONSENT).fetchall()[0][0]
        obstacles = status.obstacles(connection, policy, purpose, clocks)
        tables = published_tables(connection, policy, purpose, about)
    if unread:
        raise RuleBrokenError(
            f"{unread} consent event(s) name no readable subject; nothing is published",
            "see `assent quarantine list`; then `assent quarantine resolve`",
        )
    if obstacles:
        lines = "\n".join(f"  {v.rule}: {v.status}; {v.why}" for v in obstacles)
        raise RuleBrokenError(
            f"'{purpose}' isn't published; these rules stand against it:\n{lines}",
            "mend what they name, or have an override recorded in policy.yaml where one is allowed",
        )
    return publish({purpose: tables})[purpose]
