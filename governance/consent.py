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
from governance.policy.words import GRANTS, PARENT
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

GPC = "gpc"  # Global Privacy Control
BY_GPC = f"coalesce(lower(signal) = '{GPC}', false)"
SIGNALS = f"(action = 'opted_out' and {BY_GPC})"


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


def placed_sql(policy: Policy, subjects: str) -> str:
    """Return the ``select`` of each subject under its regime, with what that makes of its age.

    Yields subject_key, ``STOPS``, limited_since, regime, outlasts (whether an opt-in outlasts a
    signal), unasked_months (for which nobody may ask after an opt-out or a limit), is_child and
    asks_consent.
    """
    places = _rows(
        (
            (quoted(j), quoted(name), regime.age_in(j))
            for name, regime in policy.regimes.items()
            for j in regime.jurisdictions
        ),
        "r(jurisdiction, regime, own_age)",
    )
    rules = _rows(
        (
            (
                quoted(n),
                r.age_of_consent,
                r.opt_in_below or 0,
                r.opt_in_outlasts_signal,
                r.ask_again_after_months or "null",
            )
            for n, r in policy.regimes.items()
        ),
        "a(regime, any_age, opt_in_below, outlasts, unasked_months)",
    )
    return f"""
        select s.subject_key, {", ".join(f"s.{name}" for name in STOPS)}, s.limited_since,
            a.regime, a.outlasts,
            a.unasked_months::integer as unasked_months,
            coalesce(r.own_age, a.any_age) as least_age,
            coalesce(s.age_years < least_age, false) as is_child,
            is_child or coalesce(s.age_years < a.opt_in_below, false) as asks_consent
        from {subjects} as s left join {places}
            on lower(trim(r.jurisdiction)) = lower(trim(s.jurisdiction))
        join {rules} on a.regime = coalesce(r.regime, {quoted(policy.unknown_jurisdiction)})
    """


def heard_sql(policy: Policy, relations: Relations, *, known: str = "$known") -> str:
    """Return the ``select`` of each event that was known, once for each purpose it speaks of.

    Yields the columns of the events, and ``about`` (the purpose), valid_days, grants, named (names
    the purpose), objects, repeats (a signal that an opt-in overrules: after an earlier signal, the
    subject agreed to the purpose by name, and has denied nothing since), and counts: whether it is
    neither that, nor a grant on a notice older than is accepted, nor a child's own, nor one that a
    signal is said to have given: that it ceased is no consent (Cal. Code Regs. tit. 11 §
    7025(c)(5); GDPR Art. 4(11)).
    """
    return f"with {_heard_tables(policy, relations, known)} select * from heard"


def _heard_tables(policy: Policy, relations: Relations, known: str) -> str:
    """Return the tables ``placed`` (:func:`placed_sql`) and ``heard``, to follow a ``with``.

    Events are many, children and those who signal few: they are found first, so that all events
    needn't be joined to their subjects.
    """
    few = f"(select * from {relations.events} where subject_key in (from signallers))"
    return f"""
        placed as materialized ({placed_sql(policy, relations.subjects)}),
        signallers as materialized (
            select subject_key from {relations.events} where {SIGNALS}
                and subject_key in (select subject_key from placed where outlasts)
        ),
        told_by_few as materialized ({_told_sql(policy, few, known)}),
        signalled as (
            select subject_key, about, min(occurred_at) as first
            from told_by_few where signals group by all
        ),
        answered as (  -- from when on a signal is overruled, and up to which denial
            select g.subject_key, g.about, g.occurred_at as since,
                coalesce(min(d.occurred_at), 'infinity') as before
            from told_by_few as g
            join signalled as f on f.subject_key = g.subject_key and f.about = g.about
                and f.first < g.occurred_at
            left join told_by_few as d on d.subject_key = g.subject_key and d.about = g.about
                and d.occurred_at >= g.occurred_at and not d.grants and not d.signals
            where g.grants and g.named and g.said
            group by all
        ),
        overruled as (
            select s.subject_key, s.about, s.occurred_at
            from told_by_few as s
            join answered as a on a.subject_key = s.subject_key and a.about = s.about
                and a.since < s.occurred_at and s.occurred_at < a.before
            where s.signals
        ),
        heard as not materialized (
            select * exclude (signals, said), said and not repeats as counts
            from (
                select *, signals and (subject_key, about, occurred_at) in (from overruled)
                    as repeats
                from ({_told_sql(policy, relations.events, known)})
            )
        )
    """


def _told_sql(policy: Policy, events: str, known: str) -> str:
    """Return the ``select`` of events, once for each purpose, and whether by itself each counts."""
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
            {SIGNALS} as signals,
            coalesce(e.action not in {grants} or (
                not {BY_GPC} and e.notice_version >= p.least_notice and (
                    e.given_by = {quoted(PARENT)}
                    or e.subject_key not in (select subject_key from placed where is_child)
                )
            ), false) as said
        from {events} as e, {purposes}
        where e.recorded_at <= {known}
            and coalesce(e.purpose, p.about) = p.about
            and (
                e.purpose is not null or p.sale_or_share or not {SIGNALS}
            )
    """


def state_sql(
    policy: Policy, relations: Relations, *, at: str = "$at", known: str = "$known"
) -> str:
    """Return the ``select`` of each subject's state by purpose, at one instant as known at another.

    ``at`` and ``known`` are SQL: parameters, unless the select has to stand by itself, such as one
    that fills a published file. Yields subject_key, purpose, regime, basis (consent, of who is too
    young for another), rule (why), permitted, when the event occurred that decided it (null if none
    did), until when a consent lasts, and from when the subject may be asked to opt in again, if not
    yet.
    Written as totals per subject up to the instant, where dbt walks along the history: two ways to
    one answer.
    """
    bases = _rows(
        (
            (
                quoted(n),
                quoted(regime),
                quoted(basis),
                p.sensitive,
                p.direct_marketing,
                p.sale_or_share,
            )
            for n, p in policy.purposes.items()
            for regime, basis in p.basis.items()
        ),
        "b(purpose, regime, named_basis, sensitive, direct_marketing, sale_or_share)",
    )
    return f"""
    with {_heard_tables(policy, relations, known)},
    totals as (
        select subject_key, about as purpose, any_value(valid_days) as valid_days,
            max(e.occurred_at) filter (grants) as granted,
            max(e.occurred_at) filter (grants and named) as named,
            max(e.occurred_at) filter (not grants and not objects) as withdrawn,
            max(e.occurred_at) filter (objects) as objected,
            max(e.occurred_at) filter (not grants) as denied
        from heard as e where counts and e.occurred_at <= {at} group by all
    )
    select placed.subject_key, b.purpose, placed.regime,
        if(placed.asks_consent, 'consent', b.named_basis) as basis,
        case
            when placed.held then {quoted(HELD)}
            when placed.limited and b.sensitive then {quoted(LIMITED)}
            when placed.marketing_objected and b.direct_marketing then {quoted(NO_MARKETING)}
            when objected >= coalesce(named, '-infinity') then {quoted(OBJECTED)}
            when withdrawn >= coalesce(granted, '-infinity') then {quoted(WITHDRAWN)}
            when basis <> 'consent' then basis
            when granted is null then if(placed.is_child, {quoted(TOO_YOUNG)}, {quoted(NEVER)})
            when granted + to_days(valid_days) <= {at} then {quoted(EXPIRED)}
            else {quoted(CONSENTED)}
        end as rule,
        rule in ({quoted(CONSENTED)}, basis) as permitted,
        case rule
            when {quoted(OBJECTED)} then objected
            when {quoted(WITHDRAWN)} then withdrawn
            when {quoted(CONSENTED)} then granted
            when {quoted(EXPIRED)} then granted
            -- Without a consent, a grant decides where it took back a denial.
            when basis then if(objected is null and withdrawn is null, null, granted)
        end as decided_at,
        case when rule = {quoted(CONSENTED)} then granted + to_days(valid_days) end as until,
        greatest(
            -- However it is said: who withdraws a consent to be sold or shared has opted out of it.
            if(b.sale_or_share and denied >= coalesce(named, '-infinity'), denied, null),
            if(b.sensitive and placed.limited, placed.limited_since, null)
        ) + to_months(placed.unasked_months) as asked_from,
        if(asked_from > {at}, asked_from, null) as ask_again_at
    from placed
    join {bases} on b.regime = placed.regime
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
