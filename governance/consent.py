"""The state of consent at a moment, worked out from the events themselves.

Belongs here: the second derivation of permission, independent of dbt's intervals: what was true
at one instant, given what was known at another. It answers ``assent consent show``, guards each
export, and proves the marts (`permission.*`). Does not belong here: intervals
(``int_consent_intervals``), or recording an event (``governance.inbox``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from governance.policy.model import Policy
from governance.policy.words import (
    GRANTS,
    HOLDING_FEEDS,
    HOLDING_REQUESTS,
    HOLDING_STATES,
    RELEASING_STATES,
)
from warehouse.sql import quoted

# The rules that decide, besides the bases that need no consent; the first that applies.
HELD = "held: a request that stands, or an unread row"
TOO_YOUNG = "below the age of consent"
OBJECTED = "objected or opted out"
WITHDRAWN = "withdrawn"
NEVER = "no consent on an accepted notice"
EXPIRED = "consent expired"
CONSENTED = "consent"


@dataclass(frozen=True)
class Relations:
    """Where the events and the subjects are: names of tables, or parenthesised selects.

    events: subject_key, action, purpose, occurred_at, recorded_at, notice_version, signal; to tell
    what decided (:func:`heard_sql`), ``EVIDENCE`` too.
    subjects: subject_key, jurisdiction, age_years, held.
    """

    events: str
    subjects: str


def _listed(words: Iterable[str]) -> str:
    return f"({', '.join(map(quoted, words))})"


# What is kept of an event beside what decides.
EVIDENCE = ("method", "channel", "language", "wording_hash", "evidence_ref")

# Held: a request to erase, object or restrict that is open or was granted, or a row that couldn't
# be read and may forbid all: a consent event or a request a denial, a customer's row a child's age.
# A request counts from when it was received; a row that couldn't be read may be of any date.
LANDED = Relations(
    events="landing.consent_events",
    subjects=f"""(
        select k.subject_key, c.jurisdiction, c.age_years, h.held_since is not null as held,
            h.held_since
        from (select distinct subject_key from landing.purpose_keys) as k
        left join landing.customers as c using (subject_key)
        left join (
            select subject_key, min(since) as held_since
            from (
                select subject_key, coalesce(min(received_at), timestamp '-infinity') as since
                from landing.rights_requests
                where type in {_listed(HOLDING_REQUESTS)}
                group by subject_key, request_id, type
                having bool_or(status in {_listed(HOLDING_STATES)})
                    and not bool_or(status in {_listed(RELEASING_STATES)})
                union all
                select subject_key, timestamp '-infinity' from landing.quarantine
                where feed in {_listed(HOLDING_FEEDS)} and resolved_at is null
                    and subject_key is not null
            )
            group by subject_key
        ) as h using (subject_key)
    )""",
)

# Whose rows stay, however old: subjects under a restriction that stands (a legal hold is one: GDPR
# Art. 18(1)(c)), or of whom a request couldn't be read, which may be one.
RESTRICTED = f"""(
    select subject_key from landing.rights_requests where type = 'restriction'
    group by subject_key, request_id
    having bool_or(status in {_listed(HOLDING_STATES)})
        and not bool_or(status in {_listed(RELEASING_STATES)})
    union all
    select subject_key from landing.quarantine
    where feed = 'rights_requests' and resolved_at is null and subject_key is not null
)"""


def _known_now(held: str, received: str) -> Relations:
    """Return what readers judge by, of the holds those that meet a condition."""
    return Relations(
        events=f"""(
            select subject_key, action, purpose, occurred_at, recorded_at, notice_version, signal,
                {", ".join(EVIDENCE)}
            from permission.consent_events
            union all
            select s.subject_key, w.action, w.purpose, w.occurred_at, w.recorded_at,
                w.notice_version, w.signal, {", ".join(f"w.{name}" for name in EVIDENCE)}
            from waiting as w join vault.subjects as s using (customer_id)
        )""",
        subjects=f"""(
            select p.subject_key, p.jurisdiction, p.age_years, {held} or p.subject_key in (
                select s.subject_key from waiting_requests as w join vault.subjects as s
                    using (customer_id)
                where w.type in {_listed(HOLDING_REQUESTS)}
                    and w.status in {_listed(HOLDING_STATES)} and {received}
            ) as held
            from permission.subjects as p
        )""",
    )


# For readers: the permission file, and words that wait in the inbox (`Waiting.register`; the vault,
# attached, says whose they are).
KNOWN_NOW = _known_now("p.held", "true")
# The same without the requests that came later than $known: not to act upon, but to tell what was
# known at an earlier moment.
KNOWN_THEN = _known_now("(p.held and p.held_since <= $known)", "w.received_at <= $known")


def moment(connection: duckdb.DuckDBPyConnection, clock: datetime) -> datetime:
    """Return the moment at which a reader judges: its clock's, in UTC, or that of a later event.

    A denial counts from the moment it is recorded, whatever the host believes the time to be and
    whatever later date it bears.
    ``connection`` has what :data:`KNOWN_NOW` names.
    """
    (newest,) = connection.execute(
        "select max(greatest(recorded_at, occurred_at)) from"
        " (select recorded_at, occurred_at from permission.consent_events"
        " union all select recorded_at, occurred_at from waiting)"
    ).fetchall()[0]
    return max(clock, newest or clock)


def _rows(rows: Iterable[tuple[Any, ...]], names: str) -> str:
    literals = ", ".join(
        "(" + ", ".join(v if isinstance(v, str) else _literal(v) for v in row) + ")" for row in rows
    )
    return f"(values {literals}) as {names}"


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def heard_sql(policy: Policy, events: str, *, known: str = "$known") -> str:
    """Return the ``select`` of each event that was known, once for each purpose it speaks of.

    Yields the columns of ``events``, and ``about`` (the purpose), valid_days, grants, named (names
    the purpose), objects, and counts: whether it is no grant on a notice older than is accepted.
    """
    purposes = _rows(
        (
            (quoted(n), p.notice_version, p.consent_valid_days, p.sale_or_share)
            for n, p in policy.purposes.items()
        ),
        "p(about, least_notice, valid_days, sale_or_share)",
    )
    grants = _listed(GRANTS)
    return f"""
        select e.*, p.about, p.valid_days,
            e.action in {grants} as grants,
            e.purpose is not null as named,
            e.action in ('objected', 'opted_out') as objects,
            coalesce(e.action not in {grants} or e.notice_version >= p.least_notice, false)
                as counts
        from {events} as e, {purposes}
        where e.recorded_at <= {known}
            and coalesce(e.purpose, p.about) = p.about
            and (
                e.purpose is not null or p.sale_or_share
                or lower(coalesce(e.signal, '')) <> 'gpc'
                or e.action not in {_listed(("opted_out", *GRANTS))}
            )
    """


def state_sql(
    policy: Policy, relations: Relations, *, at: str = "$at", known: str = "$known"
) -> str:
    """Return the ``select`` of each subject's state by purpose, at one instant as known at another.

    ``at`` and ``known`` are SQL: parameters, unless the select has to stand by itself, such as one
    that fills a published file. Yields subject_key, purpose, regime, basis, rule (why), permitted,
    when the event occurred that decided it (null if none did), and until when a consent lasts.
    Written as totals per subject up to the instant, where dbt walks along the history: two ways to
    one answer.
    """
    bases = _rows(
        (
            (quoted(n), quoted(regime), quoted(basis))
            for n, p in policy.purposes.items()
            for regime, basis in p.basis.items()
        ),
        "b(purpose, regime, basis)",
    )
    places = _rows(
        (
            (quoted(j), quoted(name))
            for name, regime in policy.regimes.items()
            for j in regime.jurisdictions
        ),
        "r(jurisdiction, regime)",
    )
    ages = _rows(
        ((quoted(n), r.age_of_consent) for n, r in policy.regimes.items()),
        "a(regime, least_age)",
    )
    return f"""
    with speaking as (
        select subject_key, about as purpose, valid_days, grants, named, objects,
            e.occurred_at as moment
        from ({heard_sql(policy, relations.events, known=known)}) as e where counts
    ),
    totals as (
        select subject_key, purpose, any_value(valid_days) as valid_days,
            max(moment) filter (grants) as granted,
            max(moment) filter (grants and named) as named,
            max(moment) filter (not grants and not objects) as withdrawn,
            max(moment) filter (objects) as objected
        from speaking where moment <= {at} group by all
    ),
    placed as (
        select s.subject_key, s.held, s.age_years,
            coalesce(r.regime, {quoted(policy.unknown_jurisdiction)}) as regime
        from {relations.subjects} as s left join {places}
            on lower(trim(r.jurisdiction)) = lower(trim(s.jurisdiction))
    )
    select placed.subject_key, b.purpose, placed.regime, b.basis,
        case
            when placed.held then {quoted(HELD)}
            when placed.age_years < a.least_age then {quoted(TOO_YOUNG)}
            when objected >= coalesce(named, '-infinity') then {quoted(OBJECTED)}
            when withdrawn >= coalesce(granted, '-infinity') then {quoted(WITHDRAWN)}
            when b.basis <> 'consent' then b.basis
            when granted is null then {quoted(NEVER)}
            when granted + to_days(valid_days) <= {at} then {quoted(EXPIRED)}
            else {quoted(CONSENTED)}
        end as rule,
        rule in ({quoted(CONSENTED)}, b.basis) as permitted,
        case rule
            when {quoted(OBJECTED)} then objected
            when {quoted(WITHDRAWN)} then withdrawn
            when {quoted(CONSENTED)} then granted
            when {quoted(EXPIRED)} then granted
            -- Without a consent, a grant decides where it took back a denial.
            when b.basis then if(objected is null and withdrawn is null, null, granted)
        end as decided_at,
        case when rule = {quoted(CONSENTED)} then granted + to_days(valid_days) end as until
    from placed
    join {bases} on b.regime = placed.regime
    join {ages} on a.regime = placed.regime
    left join totals on totals.subject_key = placed.subject_key and totals.purpose = b.purpose
    """


def state(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    relations: Relations,
    *,
    at: datetime,
    known: datetime,
    into: str,
) -> None:
    """Work the state out at one instant, as known at another, into a temporary table.

    Parameters
    ----------
    at, known
        UTC without a zone.
    into
        Name of the temporary table.
    """
    connection.execute(
        f"create or replace temp table {into} as {state_sql(policy, relations)}",
        {"at": at, "known": known},
    )
