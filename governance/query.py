"""A read-only look at one purpose's published data, on record.

Belongs here: running one ``select`` on one published file. Does not belong here: printing.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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

SECONDS = 60.0
TEXT_FUNCTIONS = ("query", "query_table")  # run what a text says, which the record would strip
ASKING = (exp.Query, exp.Describe, exp.Show, exp.Summarize)
VALUES = (
    exp.Literal, exp.RawString, exp.ByteString, exp.HexString, exp.BitString, exp.National,
    exp.UnicodeString,
)  # fmt: skip

# It would repeat, on the terminal and in logs, statements that it doesn't understand.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query; ``cut`` if there were more rows than these."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    cut: bool = False


def query(
    policy: Policy, purpose: str, sql: str, *, most: int = 1000, seconds: float = SECONDS
) -> Answer:
    """Run one ``select`` on a purpose's published tables.

    The act is recorded with the statement's shape; its literals, which may be values of rows,
    are stripped. Of a statement that is refused only the rule is recorded: a bare word in it may
    be a value whose quotes were forgotten.

    Parameters
    ----------
    most
        Rows to return.
    seconds
        How long it may take before it is stopped.

    Raises
    ------
    UsageError
        If there is no such purpose, the statement isn't one ``select``, DuckDB can't run it, or it
        takes too long.
    """
    with acts.acting("query", purpose=acts.known(purpose, policy.purposes)) as act:
        purpose_named(policy, purpose)
        shape = _shape(sql)
        with connected(published_store(purpose)) as connection, _within(connection, seconds):
            cursor = connection.execute(sql)
            columns = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(most + 1)
        answer = Answer(columns, rows[:most], cut=len(rows) > most)
        act |= {"statement": shape, "rows": len(answer.rows)}
    return answer


@contextmanager
def _within(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Stop what the connection runs after so many seconds; say what DuckDB refuses."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise UsageError(
            f"the query was stopped after {seconds:g} s", "ask for less, or pass --timeout SECONDS",
            rule="statement.time",
        ) from None  # fmt: skip
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        raise UsageError(
            str(error).splitlines()[0], "see the tables with `show tables`", rule=_rule(error)
        ) from None
    except duckdb.Error as error:
        raise UsageError(
            f"DuckDB can't run this: {type(error).__name__}", "check casts and functions",
            rule=_rule(error),
        ) from None  # fmt: skip
    except RuntimeError:  # what DuckDB makes of Ctrl-C
        connection.interrupt()  # closing it would wait for what still runs
        raise KeyboardInterrupt from None
    finally:
        timer.cancel()


def _rule(error: duckdb.Error) -> str:
    return f"statement.{type(error).__name__}"


def _shape(sql: str) -> str:
    """Return the statement without anything that may be a value of a row.

    Literals become marks; comments go; so do quoted names, which may be anything.
    """
    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        raise UsageError(
            "that isn't SQL", "write one select statement", rule="statement.unreadable"
        ) from None
    if len(statements) != 1 or not isinstance(statements[0], ASKING):
        raise UsageError(
            "only one select statement can be asked", "write one select statement",
            rule="statement.kind",
        )  # fmt: skip
    if any(call.name.lower() in TEXT_FUNCTIONS for call in statements[0].find_all(exp.Anonymous)):
        raise UsageError(
            "a statement in a text can't be put on record", "write the statement itself",
            rule="statement.text",
        )  # fmt: skip
    return str(statements[0].transform(_marked).sql(dialect="duckdb", comments=False))


def _marked(node: exp.Expression) -> exp.Expression:
    if isinstance(node, VALUES):
        return exp.Placeholder()
    if isinstance(node, exp.Identifier) and node.args.get("quoted"):
        return exp.to_identifier("?", quoted=True)
    return node
