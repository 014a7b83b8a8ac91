"""A read-only look at one purpose's published data, on record.

Belongs here: running one ``select`` on one published file. Does not belong here: printing.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from governance import acts
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from warehouse.connect import connected, published_store
from warehouse.errors import UsageError


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(policy: Policy, purpose: str, sql: str, *, most: int = 1000) -> Answer:
    """Run one ``select`` on a purpose's published tables.

    The act is recorded with the statement's shape; its literals, which may be values of rows,
    are stripped.

    Raises
    ------
    UsageError
        If the statement isn't one ``select``, or DuckDB can't run it.
    """
    purpose_named(policy, purpose)
    shape = _shape(sql)
    with connected(published_store(purpose)) as connection:
        try:
            cursor = connection.execute(sql)
            columns = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(most)
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
            raise UsageError(
                str(error).splitlines()[0], "see the tables with `show tables`"
            ) from None
        except duckdb.Error as error:
            raise UsageError(
                f"DuckDB can't run this: {type(error).__name__}", "check casts and functions"
            ) from None
    acts.record("query", purpose=purpose, statement=shape, rows=len(rows))
    return Answer(columns, rows)


def _shape(sql: str) -> str:
    """Return the statement with every literal replaced by a mark."""
    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        raise UsageError("that isn't SQL", "write one select statement") from None
    if len(statements) != 1 or not isinstance(
        statements[0], exp.Query | exp.Describe | exp.Show | exp.Command
    ):
        raise UsageError("only one select statement can be asked", "write one select statement")
    if isinstance(statements[0], exp.Command):
        return str(statements[0].this).lower()
    marked = statements[0].transform(
        lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node
    )
    return str(marked.sql(dialect="duckdb"))
