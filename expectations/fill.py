"""Completeness: which share of a mart's columns is filled.

Belongs here: shares by column, and what a null may mean. Does not belong here: columns that every
subject must have (Great Expectations counts those, ``suites``), whether rows are missing
(``proof``).
"""

from collections.abc import Collection
from typing import NamedTuple

import duckdb

from expectations.facts import OF_CATEGORIES, OF_DISCOUNTS, VISITING_DAYS
from expectations.sql import one
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy
from governance.policy.words import TRANSACTION_ATTRIBUTES
from warehouse.catalogue import columns
from warehouse.sql import identifier


class Fill(NamedTuple):
    """How far one column is filled.

    Attributes
    ----------
    rows
        Rows of the mart.
    filled
        Rows with a value.
    undefined
        Rows without one, rightly: a subject with a single visit has no gap between visits.
    """

    column: str
    rows: int
    filled: int
    undefined: int

    @property
    def share(self) -> float | None:
        """Filled rows among those that could be; None if none could."""
        due = self.rows - self.undefined
        return self.filled / due if due else None


def least_share(policy: Policy, purpose: str, column: str) -> float:
    """Return the least share of non-null values that the policy asks of a column."""
    own = policy.purposes[purpose].completeness
    return own.get(column, policy.thresholds.completeness)


def partial(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    purpose: str,
    absent: Collection[str],
) -> list[Fill]:
    """Return how far those columns are filled that not every subject must have."""
    mart = columns(connection, "marts", f"mart_{purpose}")
    wanted = [
        column
        for column in allowed_columns(policy, purpose)
        if column in mart and column not in absent and not always_defined(policy, purpose, column)
    ]
    return [_fill(connection, purpose, column) for column in wanted]


def always_defined(policy: Policy, purpose: str, column: str) -> bool:
    """Tell whether a column has a value for every subject of the mart.

    Columns made of transactions do, but for those that need more of a history than a single
    purchase or what not every line states. What is made of the customers' own attributes has one
    only where a feed has one.
    """
    attributes = purpose_named(policy, purpose).columns[column]
    of_rows = set(attributes) <= set(TRANSACTION_ATTRIBUTES)
    return of_rows and column not in {*VISITING_DAYS, *OF_CATEGORIES, *OF_DISCOUNTS}


def _fill(connection: duckdb.DuckDBPyConnection, purpose: str, column: str) -> Fill:
    rows, filled = one(
        connection, f"select count(*), count({identifier(column)}) from marts.mart_{purpose}"
    )
    undefined = 0
    relation, enough = _history(purpose, column)
    if filled < rows and columns(connection, "consented", relation):
        key = identifier(f"{purpose}_key")
        (undefined,) = one(
            connection,
            f"""
            with empty as (
                select as_of, {key} from marts.mart_{purpose} where {identifier(column)} is null
            )
            select count(*) from empty anti join (
                select e.as_of, e.{key} from empty as e
                join consented.{relation} as r on r.{key} = e.{key} and r.event_day <= e.as_of
                group by e.as_of, e.{key}{enough}
            ) using (as_of, {key})
            """,
        )
    return Fill(column, int(rows), int(filled), int(undefined))


def _history(purpose: str, column: str) -> tuple[str, str]:
    """Return where a column's history is, and the rest of a group by that asks for enough of it."""
    if column in VISITING_DAYS:
        enough = f" having count(distinct r.event_day) >= {VISITING_DAYS[column]}"
        return f"int_{purpose}_baskets", enough
    if column in OF_CATEGORIES:
        return f"int_{purpose}_categories", ", r.category having sum(r.value) > 0"
    if column in OF_DISCOUNTS:
        return f"int_{purpose}_baskets", " having count(r.discount) > 0"
    return "", ""
