"""The checks of feeds and of holding data: what landed, how fresh it is, how long it is kept.

Belongs here: verdicts on reconciliation, freshness, due dates, what decides permission, and who
consumes marts. Does not belong here: those on custody (``custody``), figures of the feeds for
people (``ingest.feeds``); this is the second count that those are held to.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb

from expectations import custody
from expectations.exposures import exposures, faults_of
from expectations.result import Result, Status, Table, aged, by_id, result, unjudged
from expectations.sql import one
from governance.clocks import Clocks
from governance.consent_relations import requests_sql
from governance.gate import judge_columns
from governance.lineage.graph import Lineage
from governance.policy.model import Policy
from governance.policy.rules import Rule
from governance.policy.words import (
    FEEDS,
    INBOX,
    WORD_FEEDS,
    FeedName,
)
from governance.rights.due import next_due, outlook
from governance.rights.leaving import NOTE
from warehouse.catalogue import columns

Asked = tuple[UUID | None, str, str]  # a request: subject key, number and type


def check_feeds(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    clocks: Clocks,
    *,
    now: datetime,
    manifest: dict[str, Any] | None = None,
    lineage: Lineage | None = None,
    lying_since: datetime | None = None,
    in_clear: Sequence[str] | None = None,
    oldest_salts: datetime | None = None,
    oldest_kept: Mapping[str, datetime] | None = None,
    oldest_in_vault: Mapping[str, date] | None = None,
    acknowledged: Collection[Asked] = (),
    extended: Collection[Asked] = (),
    holds: Collection[Asked] = (),
    restricted: Collection[UUID | None] = (),
    untold: Collection[datetime] = (),
) -> list[Result]:
    """Judge the rules that belong to no purpose's mart and to no segment.

    Parameters
    ----------
    connection
        With the warehouse as its current database.
    now
        The present moment, with a time zone.
    manifest
        dbt's manifest; without it nobody has looked at the exposures.
    lineage
        The column lineage; without it nobody has looked at what decides permission.
    lying_since
        Since when deleted rows lie in the files, UTC without a zone; None if none do.
    in_clear
        The files that aren't encrypted; without it nobody has looked.
    oldest_salts
        When the oldest backup of salts that is still there was made, UTC without a zone.
    oldest_kept
        By table of ``kept``, from when its oldest row counts, UTC without a zone; without it nobody
        has looked.
    oldest_in_vault
        By table of the vault, from when the oldest counts that it holds of a customer's row, but of
        subjects under a restriction; without it nobody has looked.
    acknowledged
        The requests whose subject was told that they have arrived.
    extended
        The requests whose time to answer was extended.
    holds
        The legal holds, which nobody has to answer.
    restricted
        Who is under a restriction that waits in the inbox, or has landed.
    untold
        Since when each notice waits that a recipient hasn't been handed, UTC without a zone.

    Returns
    -------
    list of Result
        ``reconciliation.<feed>``, ``readable.<feed>``, ``rights.due``, ``rights.notices``,
        ``freshness.transactions``, ``custody.*``,
        ``encryption.files``, ``minimisation.permission``, ``exposure.recipients``.
    """
    catalogue = by_id(policy)
    # A clock that is behind the feeds makes nothing younger.
    today = max(now.astimezone(ZoneInfo(policy.time_zone)).date(), clocks.newest_day)
    return [
        *(_reconciliation(connection, catalogue[f"reconciliation.{feed}"], feed) for feed in FEEDS),
        *(_readable(connection, catalogue[f"readable.{feed}"], feed) for feed in WORD_FEEDS),
        _due(connection, catalogue["rights.due"], policy, today, acknowledged, extended, holds),
        _notices(catalogue["rights.notices"], untold, today),
        _freshness(catalogue["freshness.transactions"], clocks, today),
        custody.retention(
            connection, catalogue["custody.retention"], clocks, restricted, oldest_in_vault
        ),
        custody.purge(connection, catalogue["custody.purge"], today, lying_since),
        *custody.kept(catalogue, policy, clocks, oldest_kept),
        _encryption(catalogue["encryption.files"], in_clear),
        custody.salt_backups(catalogue["custody.salt_backups"], today, oldest_salts),
        _permission(catalogue["minimisation.permission"], policy, lineage),
        _exposure(catalogue["exposure.recipients"], policy, manifest),
    ]


def _reconciliation(connection: duckdb.DuckDBPyConnection, rule: Rule, feed: FeedName) -> Result:
    """Judge whether what was read, what was put aside and what is held add up.

    Shown is what was read, and by how much it doesn't add up: of what is held, or has left, two
    days' numbers would tell how many rows one subject had.
    """
    if not columns(connection, "landing", feed) or not columns(connection, "landing", "loads"):
        return unjudged(rule)
    # Words that the company's subjects gave to Assent itself land beside those of the feed.
    names = (feed, INBOX.get(feed, feed))
    loads = "from landing.loads where list_contains($feeds, feed)"
    row = one(
        connection,
        f"""
        select
            count(*) filter (not {NOTE}),
            coalesce(sum(rows_read), 0)::bigint,
            coalesce(sum(rows_accepted), 0)::bigint,
            coalesce(sum(rows_quarantined), 0)::bigint,
            coalesce(sum(rows_duplicate), 0)::bigint,
            coalesce(sum(rows_corrected), 0)::bigint,
            coalesce(sum(rows_suppressed), 0)::bigint,
            (select count(*) from landing.{feed}),
            (select count(*) from landing.quarantine where load_id in (select load_id {loads}))
        {loads}
        """,
        feeds=list(names),
    )
    count, read, accepted, quarantined, duplicates, gone, suppressed, held, aside = row
    parts = {
        "loads": count, "read": read, "accepted": accepted, "quarantined": quarantined,
        "duplicates": duplicates, "suppressed": suppressed,
    }  # fmt: skip
    off = {
        "read and not accounted for": read - accepted - quarantined - duplicates - suppressed,
        "held beyond what was accepted": held - (accepted - gone),
        "missing from the quarantine": quarantined - aside,
    }
    facts = {"account": Table(("rows", "count"), [*parts.items(), *off.items()])}
    if not count and not held:
        return unjudged(rule, "the feed has never been loaded", **facts)
    wrong = {what: rows for what, rows in off.items() if rows}
    why = "; ".join(f"{rows} rows {what}" for what, rows in wrong.items())
    return result(rule, "broken" if wrong else "holds", sum(map(abs, wrong.values())),
                  why or f"all {read} rows that were read are accounted for", **facts)  # fmt: skip


def _readable(connection: duckdb.DuckDBPyConnection, rule: Rule, feed: str) -> Result:
    """Judge whether a row that nobody has resolved names no subject."""
    if not columns(connection, "landing", "quarantine"):
        return unjudged(rule)
    (unread,) = one(
        connection,
        "select count(*) from landing.quarantine"
        " where feed = $feed and resolved_at is null and subject_key is null",
        feed=feed,
    )
    if unread:
        why = f"{unread} name none: `assent quarantine list`, then `assent quarantine resolve`"
        return result(rule, "broken", unread, why)
    return result(rule, "holds", 0, "every row names a subject, or has been resolved")


def _due(
    connection: duckdb.DuckDBPyConnection, rule: Rule, policy: Policy, today: date,
    acknowledged: Collection[Asked], extended: Collection[Asked], holds: Collection[Asked],
) -> Result:  # fmt: skip
    """Judge whether a request that nobody has answered, or acknowledged, is past its last day.

    A request is open until a row of it says otherwise, whoever says so, the feed or Assent.
    """
    if not all(columns(connection, "landing", table) for table in ("rights_requests", "loads")):
        return unjudged(rule)
    rows = connection.execute(
        f"""
        select c.jurisdiction, r.type, r.received_at, r.subject_key, r.request_id
        from {requests_sql("landing.rights_requests")} as r
        left join landing.customers as c using (subject_key) where r.unanswered
        """
    ).fetchall()
    waiting = [row for row in rows if (row[3], row[4], row[1]) not in holds]
    if not waiting:
        return result(rule, "holds", 0, "no request is open")
    dues = [
        next_due(
            policy, (number, request_type, received_at), jurisdiction,
            acknowledged=(subject, number, request_type) in acknowledged,
            extended=(subject, number, request_type) in extended,
        )
        for jurisdiction, request_type, received_at, subject, number in waiting
    ]  # fmt: skip
    found = outlook(policy, dues, today)
    held, soon, late = (
        Counter((due.regime, due.kind) for due in some) for some in (dues, found.soon, found.late)
    )
    heads = ("regime", "type", "open", f"due by {found.warned}", "late")
    table = Table(heads, [(*k, held[k], soon[k], late[k]) for k in sorted(held)])
    judged = aged(rule, found.first, today, found.why, **{"open requests": table})
    return replace(judged, soon=bool(soon) and not late)


def _notices(rule: Rule, untold: Collection[datetime], today: date) -> Result:
    """Judge how long a recipient hasn't been told what has become of data that it received."""
    if not untold:
        return result(rule, "holds", 0, "no recipient has to be told anything")
    first = min(untold).date()
    return aged(rule, first, today, f"notices that wait: {len(untold)}, the first since {first}")


def _freshness(rule: Rule, clocks: Clocks, today: date) -> Result:
    return aged(rule, clocks.newest_day, today, f"the newest complete day is {clocks.newest_day}")


def _encryption(rule: Rule, in_clear: Sequence[str] | None) -> Result:
    if in_clear is None:
        return unjudged(rule)
    if in_clear:
        return result(rule, "broken", len(in_clear), f"in clear: {', '.join(in_clear)}")
    return result(rule, "holds", 0, "every file is encrypted")


def _permission(rule: Rule, policy: Policy, lineage: Lineage | None) -> Result:
    if lineage is None:
        return unjudged(rule)
    found = [f for f in judge_columns(policy, lineage) if f.rule == rule.id]
    if not found:
        return result(rule, "holds", 0, "permission is decided by nothing else")
    status: Status = "gap" if all(f.kind == "gap" for f in found) else "broken"
    return result(rule, status, len(found), "; ".join(f"{f.place} {f.what}" for f in found))


def _exposure(rule: Rule, policy: Policy, manifest: dict[str, Any] | None) -> Result:
    if manifest is None:
        return unjudged(rule)
    consumers = list(exposures(manifest, policy))
    facts = {
        "consumers": Table(
            ("exposure", "recipient", "purposes"),
            [(e.name, e.recipient, ", ".join(sorted(e.purposes))) for e in consumers],
        )
    }
    if not consumers:
        return unjudged(rule, "the dbt project describes no consumer", **facts)
    faults = [fault for e in consumers for fault in faults_of(e, policy)]
    if not faults:
        return result(rule, "holds", 0, "every consumer is a listed recipient", **facts)
    status: Status = "gap" if all(f.kind == "gap" for f in faults) else "broken"
    return result(rule, status, len(faults), "; ".join(f.what for f in faults), **facts)
