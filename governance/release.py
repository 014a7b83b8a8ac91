"""What leaves the warehouse: the published files.

Belongs here: which tables a purpose publishes, and whether it may; and that what decides
permission is never published by a warehouse that has lost some of it. Does not belong here: how a
file is swapped (``warehouse.publish``), exports to recipients (``governance.export``).
"""

from typing import Any

import duckdb

from governance import aging, kept_bound, lapse, permission_bound, status
from governance.clocks import Clocks
from governance.consent_relations import LANDED
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.rules import override_of
from governance.policy.words import INBOX, PERMISSION, SEGMENT_PURPOSE, WORD_FEEDS
from governance.status import Verdict
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import DAMAGED, RuleBrokenError, UsageError
from warehouse.home import Home
from warehouse.publish import publish
from warehouse.sql import quoted

UNREAD = (
    "select count(*) from landing.quarantine where resolved_at is null and subject_key is null"
    f" and feed in ({', '.join(map(quoted, WORD_FEEDS))})"
)

# How many words of the inbox have landed, ever; they are in no feed.
RECORDED = (
    "select coalesce(sum(rows_read), 0)::bigint as recorded from landing.loads"
    f" where feed in ({', '.join(map(quoted, INBOX.values()))})"
)


def require_recorded() -> None:
    """Refuse to land in, or publish from, a warehouse that lacks recorded words which have landed.

    Whoever withdrew would be published again, and that file be replaced.

    Raises
    ------
    UsageError
        If there is no warehouse though there was one, or an older copy of it.
    """
    home = Home.current()
    if not home.published_file(PERMISSION).exists():
        return
    landed = _recorded()
    if landed is None or landed < _recorded_by_permission():
        raise UsageError(
            f"{home.warehouse} is missing, or an older copy: consent events that were recorded and"
            " have landed aren't in it",
            "put back the newest; docs/operating.md says under Backup how to begin anew without it",
            rule="warehouse.missing",
        )


def _recorded() -> int | None:
    """Return how many recorded words the warehouse knows of; None if nothing has ever landed."""
    if not Home.current().warehouse.exists():
        return None
    with connected(warehouse_store()) as connection:
        if "loads" not in catalogue.tables(connection, "landing"):
            return None
        return int(connection.execute(RECORDED).fetchall()[0][0])


def _recorded_by_permission() -> int:
    try:
        with connected(published_store(PERMISSION)) as connection:
            if "recorded" not in catalogue.columns(connection, "main", "about"):
                return 0  # an earlier version kept no count
            return int(connection.execute("select recorded from about").fetchall()[0][0])
    except UsageError as error:
        if error.rule != DAMAGED:
            raise
        return 0  # a run writes it anew


def publish_permission(policy: Policy) -> None:
    """Publish what decides permission, so that readers never need the warehouse.

    Done as soon as events have landed, whatever becomes of the rest of the run: a denial takes
    effect on exports even if no mart can be published. The vault notes its number then.
    """
    number = permission_bound.next_number()
    publish(
        {
            PERMISSION: {
                "consent_events": f"select * from {LANDED.events}",
                "subjects": f"select * from {LANDED.subjects}",
                "rights_requests": (
                    "select subject_key, request_id, type, received_at, status, channel"
                    " from landing.rights_requests"
                ),
                "unread": f"select ({UNREAD}) as events",
                "about": f"select {quoted(policy_hash(policy))} as policy_hash, ({RECORDED})"
                f" as recorded, {number}::bigint as {permission_bound.NUMBER}",
                kept_bound.TABLE: kept_bound.note_sql(kept_bound.known()),
            }
        }
    )
    permission_bound.note(number)


def renew_permission(policy: Policy) -> bool:
    """Publish what decides permission anew, if an older copy was put there; return whether."""
    if not permission_bound.is_older():
        return False
    require_recorded()
    publish_permission(policy)
    return True


def published_tables(
    connection: duckdb.DuckDBPyConnection, purpose: str, about: dict[str, Any],
    permitted: str = "true",
) -> dict[str, str]:  # fmt: skip
    """Return the tables of a purpose's published file, as selects over the warehouse.

    Parameters
    ----------
    permitted
        SQL that is true for the rows of those who may be published (``governance.lapse``).
    """
    mart = f"mart_{purpose}"
    there = mart in catalogue.tables(connection, "marts")
    tables = {mart: f"select * from marts.{mart} where {permitted}"} if there else {}
    if purpose == SEGMENT_PURPOSE:
        tables["assignments"] = f"select * from segmentation.assignments where {permitted}"
        tables["segments"] = "select * from segmentation.segments"
    facts = ", ".join(f"{quoted(value)} as {name}" for name, value in about.items())
    return {**tables, "about": f"select {facts}"}


def publish_purpose(policy: Policy, purpose: str, clocks: Clocks, about: dict[str, Any]
                    ) -> dict[str, int]:  # fmt: skip
    """Publish one purpose, if every blocking rule lets it.

    Whose basis lapses between the clocks of the run and the end of this day is held back.

    Returns
    -------
    dict
        Rows by table; empty for a past ``as_of``, which never replaces the current state.

    Raises
    ------
    RuleBrokenError
        If a blocking rule is broken, unchecked or a gap, or somebody's word can't be read.
    """
    if not clocks.current:
        return {}
    require_recorded()
    with connected(warehouse_store(read_only=True)) as connection:
        _refuse_unread(connection)
        _refuse(purpose, status.obstacles(connection, policy, purpose, clocks))
        # An act's own instant; if the clock is behind what has been read, that was permitted then.
        at = max(utc_naive(now()), clocks.known_at)
        found = lapse.standing(connection, policy, purpose, at, all_day=True)
        if purpose == SEGMENT_PURPOSE and found.held_back:
            _refuse(purpose, _too_small(connection, policy, clocks, found.permitted))
        facts = about | {"held_back": found.held_back}
        tables = published_tables(connection, purpose, facts, found.permitted)
    lapse.announce(purpose, found)
    counts = publish({purpose: tables})[purpose]
    lapse.show(purpose, found)
    return counts


def _refuse_unread(connection: duckdb.DuckDBPyConnection) -> None:
    unread = connection.execute(UNREAD).fetchall()[0][0]
    if unread:
        raise RuleBrokenError(
            f"{unread} consent event(s) or request(s) name no readable subject, so nothing is"
            " published",
            "see `assent quarantine list`; then `assent quarantine resolve`",
        )


def _refuse(purpose: str, obstacles: list[Verdict]) -> None:
    if obstacles:
        lines = "\n".join(f"  {v.rule}: {v.status}; {v.why}" for v in obstacles)
        raise RuleBrokenError(
            f"'{purpose}' isn't published; these rules stand against it:\n{lines}",
            "mend what they name, or have an override recorded in policy.yaml where one is allowed",
        )


def _too_small(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, permitted: str
) -> list[Verdict]:
    """Judge the size of segments again, without those who are held back."""
    present = aging.present_day(policy, clocks.newest_day)
    rule, limit = f"size.{SEGMENT_PURPOSE}", policy.thresholds.smallest_segment
    least = connection.execute(
        "select min(subjects) from (select count(a.segment_id) as subjects"
        " from segmentation.segments as s left join"
        f" (select * from segmentation.assignments where {permitted}) as a using (segment_id)"
        " group by s.segment_id)"
    ).fetchall()[0][0]
    if least >= limit or override_of(policy, rule, present):
        return []
    why = f"without subjects whose basis has lapsed, the smallest segment has fewer than {limit}"
    return [Verdict(rule, "broken", None, limit, why)]
