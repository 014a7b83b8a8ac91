"""The proof: who may be in a mart and what it may hold, worked out from landing.

Belongs here: a derivation of permission and of usable rows that shares nothing with dbt's
``int_*`` models but ``landing`` and the policy. It goes by ``governance.consent``, which totals
events where dbt walks along intervals. Beside ``int_*`` and the bias bridge, the proof is what
reads the crosswalk ``landing.purpose_keys``: to hold a mart to it, and for counts only. Does not
belong here: verdicts (``marts``).
"""

from typing import NamedTuple

import duckdb

from expectations.sql import columns, name, one, pattern, text
from expectations.suites import LAWFUL
from governance import consent
from governance.clocks import Clocks
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.policy.words import TRANSACTION_ATTRIBUTES

AT_AS_OF, AT_KNOWN, USABLE = "proof_at_as_of", "proof_at_known", "proof_usable"
TEMPORARY = (LAWFUL, AT_AS_OF, AT_KNOWN, USABLE)


def lawful(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> None:
    """Work out for every subject whether the purpose may process it, into ``proof_lawful``.

    One row per subject: subject_key, key (of the purpose), both_clocks (a basis at ``as_of`` and
    at ``known_at``), now (at ``known_at``), since (the day of a consent that doesn't cover data
    from before it, else null), reason (what decided, of the two clocks the one that refuses).
    """
    body = purpose_named(policy, purpose)
    alone = policy.model_copy(update={"purposes": {purpose: body}})
    for at, into in ((clocks.as_of_end, AT_AS_OF), (clocks.known_at, AT_KNOWN)):
        consent.state(connection, alone, consent.LANDED, at=at, known=clocks.known_at, into=into)
    since = "null::timestamp"
    joins = ""
    if not body.consent_covers_earlier_data:
        since = "greatest(any_value(s.since), any_value(n.since))"
        joins = (
            f"left join ({_since(policy, purpose, AT_AS_OF)}) as s"
            " on s.subject_key = k.subject_key and s.at = $as_of_end"
            f" left join ({_since(policy, purpose, AT_KNOWN)}) as n"
            " on n.subject_key = k.subject_key and n.at = $known_at"
        )
    connection.execute(
        f"""
        create or replace temp table {LAWFUL} as
        select k.subject_key, k.purpose_key as key,
            coalesce(bool_and(a.permitted), false) and coalesce(bool_and(b.permitted), false)
                as both_clocks,
            coalesce(bool_and(b.permitted), false) as now,
            ((({since}) at time zone 'UTC') at time zone $zone)::date as since,
            case when now then any_value(a.rule) else any_value(b.rule) end as reason
        from landing.purpose_keys as k
        left join {AT_AS_OF} as a on a.subject_key = k.subject_key
        left join {AT_KNOWN} as b on b.subject_key = k.subject_key
        {joins}
        where k.purpose = $purpose
        group by k.subject_key, k.purpose_key
        """,
        {
            "purpose": purpose,
            "zone": policy.time_zone,
            **({"as_of_end": clocks.as_of_end, "known_at": clocks.known_at} if joins else {}),
        },
    )
