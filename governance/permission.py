"""How many subjects may be processed for what: counts for people to read.

Belongs here: figures over the built models of permission. Does not belong here: deciding it
(``int_consent_*``) or proving it (``governance.consent``, ``expectations``).
"""

from typing import Any

import duckdb

from governance.consent_conflicts import EARLY, OVERRULED, conflicts_sql
from governance.consent_relations import LANDED
from governance.consent_statistics import told
from governance.policy.model import Policy


def permission_figures(connection: duckdb.DuckDBPyConnection, policy: Policy) -> dict[str, Any]:
    """Return the number of subjects, and by purpose those with a basis and the mart's rows.

    And what stands beside opt-outs of sale and sharing: signals that an opt-in by name overrules,
    and opt-ins within the months in which the subject may not be asked.

    Subjects are those that customers or transactions know; an id that only a word (a consent event,
    a rights request) has ever named is counted apart. What few have is told in whole groups: exact
    numbers of two days would tell whether one who left had it.
    """
    least = policy.thresholds.bias.smallest_group
    subjects, unknown = connection.execute(
        "select count(*) filter (known), count(*) filter (not known) from (select subject_key in"
        " (select subject_key from landing.customers union all"
        " select distinct subject_key from landing.transactions) as known"
        " from consented.int_consent_subjects)"
    ).fetchall()[0]
    permitted = dict(
        connection.execute(
            "select purpose, count(*) from consented.int_consent_permitted where permitted"
            " and subject_key in (select subject_key from landing.customers union all"
            " select distinct subject_key from landing.transactions) group by purpose"
        ).fetchall()
    )
    overruled, early = _opt_ins(connection, policy)
    rows = {
        purpose: connection.execute(
            f"select count(*) from marts.mart_{purpose}"
            " where as_of = (select as_of from landing.clocks)"
        ).fetchall()[0][0]
        for purpose in policy.purposes
    }
    return {
        "subjects": subjects,
        "known_by_consent_only": told(unknown, least),
        "signals_overruled": told(overruled, least),
        "opted_in_early": told(early, least),
        "purposes": [
            {"purpose": p, "permitted": permitted.get(p, 0), "rows": rows[p]}
            for p in policy.purposes
        ],
    }


def _opt_ins(connection: duckdb.DuckDBPyConnection, policy: Policy) -> tuple[int, int]:
    """Count signals that opt-ins overrule, and opt-ins too early to have been asked for."""
    found = conflicts_sql(policy, LANDED, known="'infinity'")
    overruled, early = connection.execute(
        f"select count(*) filter (kind = ?), count(*) filter (kind = ?) from ({found})",
        [OVERRULED, EARLY],
    ).fetchall()[0]
    return overruled, early
