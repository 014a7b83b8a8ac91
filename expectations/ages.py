"""Retention: how old the oldest value behind a mart is.

Belongs here: the age of each attribute that a purpose may use, measured where its values are: the
rows that the marts are made from, the marts themselves, and for what a customer says of itself, the
day on which landing recorded it. Does not belong here: the age of landing's own rows (``feeds``).

Ages are counted to the end of ``as_of``, from the beginning of the day on which something
happened: on the day itself it is 1 day old. At most 400 days means 400 days and no more. Snapshots
age, too: what was young enough on their own day is older today.

An age is told only where it is over its limit: that of the oldest value is one subject's, and moves
when that one leaves.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import duckdb

from expectations.proof import OTHERS, behaviour_days
from expectations.result import Result, by_id, result
from expectations.sql import one, run
from expectations.suites import LAWFUL
from governance.clocks import Clocks
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy
from governance.policy.words import TRANSACTION_ATTRIBUTES
from warehouse.catalogue import relations, tables
from warehouse.sql import identifier, quoted

DAY = "event_day"  # of a row of transactions (``governance.dated``)
Oldest = tuple[date | None, str]  # a day, and the table whose it is


class Mart(NamedTuple):
    """What is known of a mart, which is keyed by `as_of` and its purpose's key.

    ``whole`` is whether each build writes all of it: then no value is of an older one.
    """

    columns: Collection[str]
    whole: bool


Marts = Mapping[str, Mart]  # by name


def check_retention(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str,
    marts: Marts,
) -> Iterator[Result]:  # fmt: skip
    """Judge ``retention.<purpose>.<attribute>`` for every attribute; needs ``proof_lawful``.

    Over all marts of the purpose: one that nobody publishes keeps nothing longer, either.
    """
    catalogue = by_id(policy)
    of_rows = _oldest_row(connection, policy, clocks, purpose, marts)
    of_no_day = _undated(connection, purpose)
    for attribute in purpose_named(policy, purpose).attributes:
        rule = catalogue[f"retention.{purpose}.{attribute}"]
        if attribute in TRANSACTION_ATTRIBUTES:
            (oldest, where), undated = of_rows, of_no_day
        else:
            (oldest, where), values = _oldest_record(
                connection, policy, clocks, purpose, attribute, marts
            )
            undated = f"{values} values" if values else ""
        age = _age(oldest, clocks)
        if undated:
            yield result(rule, "broken", None, f"of {undated} nobody knows how old they are")
        elif age is None:
            yield result(rule, "holds", None, "the mart holds no value of it")
        elif age > rule.limit:
            why = f"the oldest value is from {oldest}: {age} days old, as {where} has it"
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
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str,
    marts: Marts,
) -> Oldest:  # fmt: skip
    """Return the day of the oldest transaction behind the marts, and which table tells of it.

    A row of transactions carries all of its columns, so that one day speaks for each of them. A
    mart's own word counts beside that of the rows it is made from: older snapshots may outlive
    these.
    """
    days = []
    for mart, (names, whole) in marts.items():
        named, table = f"marts.{mart}", f"marts.{identifier(mart)}"
        days += [
            (named, f"select min(as_of - {column}::integer) from {table}")
            for column in ("tenure_days", "recency_days")
            if column in names
        ]
        shown = any(_showing(policy, purpose, a, names) for a in TRANSACTION_ATTRIBUTES)
        if shown and not whole:
            oldest_then = oldest_of_snapshot(policy, purpose, names)
            older = f"where as_of < date {quoted(clocks.as_of)}"
            days.append((named, f"select min({oldest_then}) from {table} {older}"))
    for table, quoted_table in _dated(connection, purpose):
        # Only those older than what is known already: mostly none, so none are read.
        older = f"where {DAY} < coalesce($oldest, date 'infinity')"
        days.append((table, f"select min({DAY}) from {quoted_table} {older}"))
    oldest: date | None = None
    where = ""
    for table, query in days:
        (found,) = one(connection, f"select least($oldest, ({query})::date)", oldest=oldest)
        oldest, where = found, where if found == oldest else table
    return oldest, where


def _undated(connection: duckdb.DuckDBPyConnection, purpose: str) -> str:
    """Return how many rows of which relation have no day, or nobody's key, in words; if any."""
    key = identifier(f"{purpose}_key")
    for name, table in _dated(connection, purpose):
        # Apart: a condition of one column is answered by what DuckDB knows of it.
        (rows,) = one(
            connection,
            f"select (select count(*) from {table} where {DAY} is null)"
            f" + (select count(*) from {table} where {key} is null and {DAY} is not null)",
        )
        if rows:
            return f"{rows} rows of {name}, without {DAY} or key,"
    return ""


def unlawful(connection: duckdb.DuckDBPyConnection, purpose: str) -> dict[str, int]:
    """Return how many rows behind the marts the purpose may not have, by relation, if it has any.

    Of transactions: those of others than who may be processed at both clocks, and those from before
    a consent that doesn't cover them. Needs ``proof_lawful``.
    """
    key = identifier(f"{purpose}_key")
    run(
        connection,
        f"create or replace temp table {OTHERS} as select purpose_key as key"
        f" from landing.purpose_keys anti join (from {LAWFUL} where both_clocks) as l"
        " on l.key = purpose_key",
    )
    (early,) = one(connection, f"select count(*) > 0 from {LAWFUL} where since is not null")
    found = {}
    for name, table in _dated(connection, purpose):
        # Apart, and the second only where it can find something: each reads every row.
        counts = [f"select count(*) from {table} where {key} in (select key from {OTHERS})"]
        if early:
            counts.append(
                f"select count(*) from {table} as r join {LAWFUL} as l on l.key = r.{key}"
                f" where l.both_clocks and r.{DAY} <= l.since"
            )
        found[name] = sum(one(connection, count)[0] for count in counts)
    return {name: rows for name, rows in found.items() if rows}


def _dated(connection: duckdb.DuckDBPyConnection, purpose: str) -> list[tuple[str, str]]:
    """Return the relations with rows of transactions for a purpose, each also as SQL.

    By their columns: the column gate lets no other model bring rows of transactions to a purpose.
    """
    return [
        (f"{schema}.{name}", f"{identifier(schema)}.{identifier(name)}")
        for (schema, name), found in relations(connection).items()
        if schema != "marts" and {DAY, f"{purpose}_key"} <= {name.lower() for name in found.columns}
    ]


def _oldest_record(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, purpose: str,
    attribute: str, marts: Marts,
) -> tuple[Oldest, int]:  # fmt: skip
    """Return the oldest day on which landing recorded an attribute that the marts show.

    A value in an older snapshot may have been corrected since: it may be from the first day that
    the purpose could see then.

    Returns
    -------
    oldest
        No day if they show no value of it.
    undated : int
        Values of which nobody knows the day.
    """
    oldest: Oldest = (None, "")
    undated, key = 0, identifier(f"{purpose}_key")
    days = purpose_named(policy, purpose).attributes[attribute].retention_days
    older = f"case when m.as_of < date {quoted(clocks.as_of)} then m.as_of - {days - 1} end"
    for mart, (names, whole) in marts.items():
        showing = _showing(policy, purpose, attribute, names)
        shown = [f"m.{identifier(column)} is not null" for column in showing]
        if not shown or "customers" not in tables(connection, "landing"):
            continue
        day, unknown = one(
            connection,
            f"select min(least(c.recorded_on, {'null' if whole else older})),"
            " count(*) filter (c.recorded_on is null)"
            f" from marts.{identifier(mart)} as m left join {LAWFUL} as l on l.key = m.{key}"
            " left join landing.customers as c on c.subject_key = l.subject_key"
            f" where {' or '.join(shown)}",
        )
        undated += int(unknown)
        if day is not None and (oldest[0] is None or day < oldest[0]):
            oldest = day, f"marts.{mart}"
    return oldest, undated


def _showing(policy: Policy, purpose: str, attribute: str, names: Collection[str]) -> list[str]:
    """Return which of a mart's columns tell of an attribute."""
    return [
        column for column, attributes in allowed_columns(policy, purpose).items()
        if attribute in attributes and column in names
    ]  # fmt: skip
