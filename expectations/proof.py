"""The proof: who may be in a mart and what it may hold, worked out from landing.

Belongs here: a derivation of permission and of usable rows that shares nothing with dbt's
``int_*`` models but ``landing`` and the policy. It goes by ``governance.consent``, which totals
events where dbt walks along intervals. It reads the crosswalk ``landing.purpose_keys`` to hold a
mart to it, and for counts only (``governance.bias_bridge`` says who else does). Does not belong
here: verdicts (``marts``).
"""

from datetime import datetime
from typing import NamedTuple

import duckdb

from expectations.sql import one, pattern, run
from expectations.suites import LAWFUL
from governance import consent
from governance.clocks import Clocks
from governance.consent_relations import LANDED
from governance.policy.columns import purpose_named
from governance.policy.model import Allowance, Policy
from governance.policy.words import TRANSACTION_ATTRIBUTES
from warehouse.catalogue import columns
from warehouse.sql import identifier, quoted

USABLE = "proof_usable"
OTHERS = "proof_others"  # keys of anybody, for any purpose, but of who may be processed for one
INSTANTS = ("as_of", "known")
TEMPORARY = (LAWFUL, USABLE, OTHERS, *(f"proof_{kind}_{at}" for kind in ("state", "since")
                               for at in INSTANTS))  # fmt: skip


def lawful(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> None:
    """Work out for every subject whether the purpose may process it, into ``proof_lawful``.

    One row per subject: subject_key, key (the purpose's), both_clocks (a basis at ``as_of`` and at
    ``known_at``), now (at ``known_at``), since (the day of a consent that doesn't cover data from
    before it, else null), reason (what decided; of the two clocks, the one that refuses).
    """
    body = purpose_named(policy, purpose)
    alone = policy.model_copy(update={"purposes": {purpose: body}})
    for instant, at in zip(INSTANTS, (clocks.as_of_end, clocks.known_at), strict=True):
        consent.state(
            connection, alone, LANDED, at=at, known=clocks.known_at,
            into=f"proof_state_{instant}",
        )  # fmt: skip
        _since(connection, alone, purpose, instant, at=at, known=clocks.known_at)
    run(
        connection,
        f"""
        create or replace temp table {LAWFUL} as
        select k.subject_key, k.purpose_key as key,
            coalesce(bool_and(a.permitted), false) and coalesce(bool_and(b.permitted), false)
                as both_clocks,
            coalesce(bool_and(b.permitted), false) as now,
            ((greatest(any_value(x.since), any_value(y.since)) at time zone 'UTC')
                at time zone $zone)::date as since,
            case when now then any_value(a.rule) else any_value(b.rule) end as reason
        from landing.purpose_keys as k
        left join proof_state_as_of as a on a.subject_key = k.subject_key
        left join proof_state_known as b on b.subject_key = k.subject_key
        left join proof_since_as_of as x on x.subject_key = k.subject_key
        left join proof_since_known as y on y.subject_key = k.subject_key
        where k.purpose = $purpose
        group by k.subject_key, k.purpose_key
        """,
        purpose=purpose,
        zone=policy.time_zone,
    )


def _since(
    connection: duckdb.DuckDBPyConnection,
    alone: Policy,
    purpose: str,
    instant: str,
    *,
    at: datetime,
    known: datetime,
) -> None:
    """Work out since when each subject's basis has stood without a break.

    That is the latest of: the first grant after the last withdrawal, the first grant naming the
    purpose after the last objection, and the grant that ended the last lapse. Empty where consent
    covers earlier data: then nobody asks.
    """
    body = purpose_named(alone, purpose)
    into = f"proof_since_{instant}"
    if body.consent_covers_earlier_data:
        run(connection, f"create or replace temp table {into} (subject_key uuid, since timestamp)")
        return
    run(
        connection,
        f"""
        create or replace temp table {into} as
        with events as (
            select subject_key, named, grants, not (grants or objects) as withdraws,
                occurred_at as moment
            from ({consent.heard_sql(alone, LANDED)}) where counts
        ),
        denials as (
            select subject_key, max(moment) filter (withdraws) as withdrawn,
                max(moment) filter (not withdraws) as objected
            from events where not grants and moment <= $at group by all
        ),
        grants as (
            select subject_key, moment, named,
                lag(moment) over (partition by subject_key order by moment) as before
            from events where grants and moment <= $at
        )
        select g.subject_key, greatest(
            min(g.moment) filter (
                g.moment > coalesce(d.withdrawn, '-infinity')
                and (s.basis = 'consent' or d.withdrawn is not null)
            ),
            min(g.moment) filter (g.named and g.moment > d.objected),
            max(g.moment) filter (s.basis = 'consent' and g.before + to_days($days) < g.moment)
        ) as since
        from grants as g
        join proof_state_{instant} as s using (subject_key)
        left join denials as d using (subject_key)
        group by g.subject_key
        """,
        at=at,
        known=known,
        days=body.consent_valid_days,
    )


def behaviour_days(policy: Policy, purpose: str) -> int | None:
    """Return the retention, in days, of transactions for a purpose; None if it may use none.

    A row of transactions carries all of its columns, so the shortest retention among them decides.
    """
    allowances = purpose_named(policy, purpose).attributes
    days = [a.retention_days for key, a in allowances.items() if key in TRANSACTION_ATTRIBUTES]
    return min(days, default=None)


def usable(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> None:
    """Work out what of landing the mart may be made from, into ``proof_usable``.

    One row for each permitted subject with at least one usable transaction or, for a purpose that
    uses none, one attribute of its own that is usable: subject_key, key, value (the exact sum over
    the transactions, else null). Needs ``proof_lawful``.
    """
    days = behaviour_days(policy, purpose)
    if days is None:
        _usable_customers(connection, policy, clocks, purpose)
        return
    run(
        connection,
        f"create or replace temp table {USABLE} as"
        " select l.subject_key, l.key, sum(t.value)::decimal(38, 2) as value"
        f" from landing.transactions t join {LAWFUL} l on l.subject_key = t.subject_key"
        " where l.both_clocks and t.event_day <= $as_of and t.event_day > $as_of::date - $days"
        " and (l.since is null or t.event_day > l.since)"
        f"{_ordinary(connection, policy)}"
        " group by l.subject_key, l.key",
        as_of=clocks.as_of,
        days=days,
    )


def _usable_customers(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> None:
    """Find the permitted subjects of whom the purpose may know at least one attribute now."""
    landed = columns(connection, "landing", "customers")
    known = [
        f"(c.recorded_on > $as_of::date - {allowance.retention_days} and"
        f" {_tells(attribute, allowance)})"
        for attribute, allowance in purpose_named(policy, purpose).attributes.items()
        if attribute in landed
    ]
    run(
        connection,
        f"create or replace temp table {USABLE} as"
        f" select distinct l.subject_key, l.key, null::decimal(38, 2) as value from {LAWFUL} as l"
        " join landing.customers as c on c.subject_key = l.subject_key"
        f" where l.both_clocks and ({' or '.join(known) or 'false'})",
        **({"as_of": clocks.as_of} if known else {}),
    )


def _tells(attribute: str, allowance: Allowance) -> str:
    """Return the condition that an attribute of a customer ``c`` says something in its form."""
    if isinstance(allowance.bands, dict):
        listed = ", ".join(quoted(v) for values in allowance.bands.values() for v in values)
        return f"c.{identifier(attribute)} in ({listed})"
    return f"c.{identifier(attribute)} is not null"


def _ordinary(connection: duckdb.DuckDBPyConnection, policy: Policy) -> str:
    """Return the condition that a transaction ``t`` reveals no special category.

    The values are looked up first: a pattern is matched once per value, not once per row.
    """
    landed = columns(connection, "landing", "transactions")
    conditions = []
    for attribute, body in policy.attributes.items():
        if not body.special_values or landed.get(attribute) != "VARCHAR":
            continue
        found = " or ".join(
            f"regexp_full_match(lower(word), {quoted(pattern(value.pattern))})"
            for value in body.special_values
        )
        special = run(
            connection,
            f"select word from (select distinct {identifier(attribute)} as word"
            f" from landing.transactions) where {found}",
        ).fetchall()
        if special:
            listed = ", ".join(quoted(word) for (word,) in special)
            conditions.append(f" and coalesce(t.{identifier(attribute)}, '') not in ({listed})")
    return "".join(conditions)


class Account(NamedTuple):
    """Where every subject of landing went; in subjects.

    Attributes
    ----------
    landed, with_rows, without_rows, refused
        All subjects of the crosswalk, and the three parts that they fall into: permitted with at
        least one usable row, permitted without one, not permitted at both clocks.
    mart
        Subjects of the mart at ``as_of``.
    lost, extra
        Subjects with usable rows that the mart lacks; subjects of the mart that have none.
    """

    landed: int
    with_rows: int
    without_rows: int
    refused: int
    mart: int
    lost: int
    extra: int


def account(connection: duckdb.DuckDBPyConnection, clocks: Clocks, purpose: str) -> Account:
    """Follow every subject from landing to the mart; needs ``proof_lawful``, ``proof_usable``."""
    key = identifier(f"{purpose}_key")
    mart = f"(select distinct {key} as key from marts.mart_{purpose} where as_of = $as_of)"
    row = one(
        connection,
        f"""
        select
            (select count(distinct subject_key) from {LAWFUL}),
            (select count(*) from {USABLE}),
            (select count(*) from {LAWFUL} anti join {USABLE} using (key) where both_clocks),
            (select count(*) from {LAWFUL} where not both_clocks),
            (select count(*) from {mart}),
            (select count(*) from {USABLE} anti join {mart} using (key)),
            (select count(*) from {mart} anti join {USABLE} using (key))
        """,
        as_of=clocks.as_of,
    )
    return Account(*row)


def reasons(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, bool, int]]:
    """Return subjects by what decided about them: (reason, whether permitted, subjects)."""
    return run(
        connection,
        f"select coalesce(reason, 'unknown subject'), both_clocks, count(*) from {LAWFUL}"
        " group by all order by all",
    ).fetchall()


def dropped(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables of the proof."""
    for table in TEMPORARY:
        run(connection, f"drop table if exists temp.{table}")
