"""Retention: how old the oldest value behind a mart is.

Belongs here: the age of each attribute that a purpose may use, measured where its values are: the
rows that the mart is made from, the mart itself, and for what a customer says of itself, the day
on which landing recorded it. Does not belong here: the age of landing's own rows (``feeds``).

Ages are counted to the end of ``as_of``, from the beginning of the day on which something
happened: on the day itself it is 1 day old. At most 400 days means 400 days and no more. Snapshots
age, too: what was young enough on their own day is older today.

An age is told only where it is over its limit: that of the oldest value is one subject's, and moves
when that one leaves.
"""

from collections.abc import Collection, Iterator
from datetime import date

import duckdb

from expectations.proof import behaviour_days
from expectations.result import Result, by_id, result
from expectations.sql import one
from expectations.suites import LAWFUL
from governance.clocks import Clocks
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy
from governance.policy.words import TRANSACTION_ATTRIBUTES
from warehouse.catalogue import columns, tables
from warehouse.sql import identifier, quoted

ROWS = ("baskets", "categories")  # the shorter relation first


def check_retention(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> Iterator[Result]:
    """Judge ``retention.<purpose>.<attribute>`` for every attribute; needs ``proof_lawful``."""
    catalogue = by_id(policy)
    of_rows = _oldest_row(connection, policy, clocks, purpose)
    for attribute in purpose_named(policy, purpose).attributes:
        rule = catalogue[f"retention.{purpose}.{attribute}"]
        undated = 0
        if attribute in TRANSACTION_ATTRIBUTES:
            oldest = of_rows
        else:
            oldest, undated = _oldest_record(connection, policy, clocks, purpose, attribute)
        age = _age(oldest, clocks)
        if undated:
            why = f"of {undated} values nobody knows how old they are"
            yield result(rule, "broken", None, why)
        elif age is None:
            yield result(rule, "holds", None, "the mart holds no value of it")
        elif age > rule.limit:
            why = f"the oldest value is from {oldest}: {age} days old"
            yield result(rule, "broken", age, why)
        else:
            yield result(rule, "holds", None, "the oldest value is young enough")


def _age(day: date | None, clocks: Clocks) -> int | None:
    """Return an age in days at the end of ``as_of``; 0 for what is dated after it."""
    return None if day is None else max(0, (clocks.as_of - day).days + 1)


def oldest_of_snapshot(policy: Policy, purpose: str, mart: Collection[str]) -> str:
    """Return the SQL of the oldest day of which a row of an older snapshot may tell.

    As the mart has it, else the first day that its purpose could see then.

    Parameters
    ----------
    mart
        The names of the mart's columns.
    """
    told = "tenure_days::integer" if "tenure_days" in mart else "null"
    return f"as_of - coalesce({told}, {(behaviour_days(policy, purpose) or 1) - 1})"


def _oldest_row(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str
) -> date | None:
    """Return the day of the oldest transaction behind a mart.

    A row of transactions carries all of its columns, so that one day speaks for each of them. A
    mart's own word counts beside that of the rows it is made from: older snapshots may outlive
    these.
    """
    mart = columns(connection, "marts", f"mart_{purpose}")
    days = [
        f"select min(as_of - {column}::integer) from marts.mart_{purpose}"
        for column in ("tenure_days", "recency_days")
        if column in mart and "as_of" in mart
    ]
    days.append(
        f"select min({oldest_of_snapshot(policy, purpose, mart)}) from marts.mart_{purpose}"
        f" where as_of < date {quoted(clocks.as_of)}"
    )
    days += [
        # Of rows, only those older than what is known already: mostly none, so none are read.
        f"select min(event_day) from consented.int_{purpose}_{rows}"
        " where event_day < coalesce($oldest, date 'infinity')"
        for rows in ROWS
        if "event_day" in columns(connection, "consented", f"int_{purpose}_{rows}")
    ]
    oldest: date | None = None
    for query in days:
        (oldest,) = one(connection, f"select least($oldest, ({query})::date)", oldest=oldest)
    return oldest


def _oldest_record(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str,
    attribute: str,
) -> tuple[date | None, int]:  # fmt: skip
    """Return the oldest day on which landing recorded an attribute that the mart shows.

    A value in an older snapshot may have been corrected since: it may be from the first day that
    the purpose could see then.

    Returns
    -------
    day
        None if the mart shows no value of it.
    undated : int
        Values of which nobody knows the day.
    """
    mart, key = columns(connection, "marts", f"mart_{purpose}"), f"{purpose}_key"
    shown = [
        f"m.{identifier(column)} is not null"
        for column, attributes in allowed_columns(policy, purpose).items()
        if attribute in attributes and column in mart
    ]
    if not shown or key not in mart or "customers" not in tables(connection, "landing"):
        return None, 0
    days = purpose_named(policy, purpose).attributes[attribute].retention_days
    then = f"case when m.as_of < date {quoted(clocks.as_of)} then m.as_of - {days - 1} end"
    day, undated = one(
        connection,
        f"select min(least(c.recorded_on, {then})), count(*) filter (c.recorded_on is null)"
        f" from marts.mart_{purpose} as m left join {LAWFUL} as l on l.key = m.{identifier(key)}"
        " left join landing.customers as c on c.subject_key = l.subject_key"
        f" where {' or '.join(shown)}",
    )
    return day, int(undated)
