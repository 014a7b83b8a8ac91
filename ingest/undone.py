"""Whom a load would set free: by what holds before it and after.

Belongs here: noting, before feeds are read from the beginning, who is denied by a word, who is
known to be a child and who may be one by a row that couldn't be read; finding whom nothing denies
any more; and keeping a child's age where a newer row says nothing of it. Does not belong here:
whether each word is met again (``said``), stopping the load (``load``).

A word may be met again and say something else: for another purpose, or as of a day before the
grant that it took back. Who has said something new since is left out: that may be a grant.
"""

from datetime import datetime

import duckdb

from governance import consent
from governance.consent_relations import LANDED
from governance.policy.model import Policy

DENIED = ("withdrawn", "objected or opted out")  # rules of ``governance.consent``
BEFORE, AFTER = "undone_before", "undone_after"  # temporary tables
CHILDREN = "undone_children"
MAYBE_CHILDREN = "undone_maybe_children"
# The age of whoever is younger is kept, whatever the policy asks for today: it may ask for more.
MAJORITY = 18

# A row of customers that couldn't be read may say that its subject is a child.
_UNREAD = (
    "select subject_key from landing.quarantine"
    " where feed = 'customers' and resolved_at is null and subject_key is not null"
)


def note(connection: duckdb.DuckDBPyConnection, policy: Policy, now: datetime) -> None:
    """Note who is denied, before anything is read from the beginning."""
    _state(connection, policy, now, BEFORE)


def of_age(policy: Policy) -> int:
    """Return the age from which on nobody counts as a child."""
    ages = (
        age
        for regime in policy.regimes.values()
        for age in (
            regime.age_of_consent, regime.opt_in_below or 0, *regime.ages_of_consent.values(),
        )
    )  # fmt: skip
    return max([MAJORITY, *ages])


def with_ages_kept(rows: str, key: str, order: str, grown: int) -> str:
    """Return rows of customers in which nothing said of an age leaves a child's as it was.

    Parameters
    ----------
    rows, key, order
        The relation, what tells customers apart in it, and the order in which its rows arrived.
    grown
        From which age on nothing said takes it back (:func:`of_age`).
    """
    return (
        f"(select * replace (case when age_years is null and told < {grown} then told"
        " else age_years end as age_years) from (select *, last_value(age_years ignore nulls)"
        f" over (partition by {key} order by {order}) as told from {rows}))"
    )


def note_children(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Note who is known to be a child, or may be one, before customers are read anew."""
    connection.execute(
        f"create or replace temp table {CHILDREN} as"
        " select subject_key, age_years from landing.customers where age_years < ?",
        [of_age(policy)],
    )
    connection.execute(f"create or replace temp table {MAYBE_CHILDREN} as {_UNREAD}")


def denials(connection: duckdb.DuckDBPyConnection, policy: Policy, now: datetime) -> int:
    """Return how many subjects were denied for a purpose and aren't, without a new word."""
    _state(connection, policy, now, AFTER)
    return int(
        connection.execute(
            f"select count(distinct b.subject_key) from {BEFORE} as b"
            f" join {AFTER} as a using (subject_key, purpose)"
            " where list_contains(?, b.rule) and a.permitted and a.words <= b.words",
            [list(DENIED)],
        ).fetchall()[0][0]
    )


def keep_ages(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a child of whom no row tells an age any more the one that was known."""
    connection.execute(
        f"update landing.customers as c set age_years = known.age_years from {CHILDREN} as known"
        " where c.subject_key = known.subject_key and c.age_years is null"
    )


def children(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many were, or might be, children, and nothing is known of their age.

    Who might be one may also be held still, by a row that can't be read.
    """
    return int(
        connection.execute(
            f"select count(*) from (select subject_key from {CHILDREN} union (select subject_key"
            f" from {MAYBE_CHILDREN} except {_UNREAD})) where subject_key not in"
            " (select subject_key from landing.customers where age_years is not null)"
        ).fetchall()[0][0]
    )


def _state(connection: duckdb.DuckDBPyConnection, policy: Policy, now: datetime, into: str) -> None:
    consent.state(connection, policy, LANDED, at=now, known=now, into="undone_state")
    connection.execute(
        f"create or replace temp table {into} as"
        " select s.subject_key, s.purpose, s.rule, s.permitted, coalesce(w.words, 0) as words"
        " from undone_state as s left join (select subject_key, count(*) as words"
        " from landing.consent_events group by all) as w using (subject_key)"
    )
