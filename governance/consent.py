"""The state of consent at a moment, worked out from the events themselves.

Belongs here: the second derivation of permission, independent of dbt's intervals: what was true
at one instant, given what was known at another. It answers ``assent consent show``, guards each
export, and proves the marts (`permission.*`). Does not belong here: intervals
(``int_consent_intervals``), where events are (``consent_relations``), or recording one
(``governance.inbox``).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import duckdb

from governance.consent_relations import STOPS, Relations, listed
from governance.policy.model import Policy
from governance.policy.words import GRANTS
from warehouse.sql import quoted

# The rules that decide, besides the bases that need no consent; the first that applies.
HELD = "held: a request that stands, or an unread row"
TOO_YOUNG = "below the age of consent"
LIMITED = "use of sensitive data limited"
NO_MARKETING = "objected to direct marketing"
OBJECTED = "objected or opted out"
WITHDRAWN = "withdrawn"
NEVER = "no consent on an accepted notice"
EXPIRED = "consent expired"
CONSENTED = "consent"


def moment(connection: duckdb.DuckDBPyConnection, clock: datetime) -> datetime:
    """Return the moment at which a reader judges: its clock's, in UTC, or that of a later event.

    A denial counts from the moment it is recorded, whatever the host believes the time to be and
    whatever later date it bears.
    ``connection`` has what ``consent_relations.KNOWN_NOW`` names.
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
    grants = listed(GRANTS)
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
                or e.action not in {listed(("opted_out", *GRANTS))}
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
            (quoted(n), quoted(regime), quoted(basis), p.sensitive, p.direct_marketing)
            for n, p in policy.purposes.items()
            for regime, basis in p.basis.items()
        ),
        "b(purpose, regime, basis, sensitive, direct_marketing)",
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
        select s.subject_key, {", ".join(f"s.{name}" for name in STOPS)}, s.age_years,
            coalesce(r.regime, {quoted(policy.unknown_jurisdiction)}) as regime
        from {relations.subjects} as s left join {places}
            on lower(trim(r.jurisdiction)) = lower(trim(s.jurisdiction))
    )
    select placed.subject_key, b.purpose, placed.regime, b.basis,
        case
            when placed.held then {quoted(HELD)}
            when placed.age_years < a.least_age then {quoted(TOO_YOUNG)}
            when placed.limited and b.sensitive then {quoted(LIMITED)}
            when placed.marketing_objected and b.direct_marketing then {quoted(NO_MARKETING)}
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
