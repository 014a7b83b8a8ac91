"""How many subjects may be processed for what: counts for people to read.

Belongs here: figures over the built models of permission. Does not belong here: deciding it
(``int_consent_*``) or proving it (``governance.consent``, ``expectations``).
"""

from typing import Any

import duckdb

from governance.policy.model import Policy


def permission_figures(connection: duckdb.DuckDBPyConnection, policy: Policy) -> dict[str, Any]:
    """Return the number of subjects, and by purpose those with a basis and the mart's rows.

    Subjects are those that customers or transactions know; an id that only a consent event has
    ever named is counted apart.
    """
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
    rows = {
        purpose: connection.execute(
            f"select count(*) from marts.mart_{purpose}"
            " where as_of = (select as_of from landing.clocks)"
        ).fetchall()[0][0]
        for purpose in policy.purposes
    }
    return {
        "subjects": subjects,
        "known_by_consent_only": unknown,
        "purposes": [
            {"purpose": p, "permitted": permitted.get(p, 0), "rows": rows[p]}
            for p in policy.purposes
        ],
    }
