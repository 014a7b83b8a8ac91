"""A read-only look at one purpose's published data, on record.

Belongs here: running one ``select`` on one published file. Does not belong here: printing.
"""

import json
import logging
import re
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

from governance import acts
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from warehouse.connect import connected, published_store
from warehouse.errors import UsageError, of_machine

T = TypeVar("T")
SECONDS = 60.0
PUNCTUATION = re.compile(r"[^\w\s'\"$#]+")  # operators, brackets; nothing that opens a text
# DuckDB takes thousands of them; who else reads a statement ends the process with it (Python 3.13).
NESTED = re.compile(r"(?:[-+~(\[{]\s*){500}")
# What DuckDB itself calls things, and what the file's tables and columns are called.
WORDS = """
select keyword_name from duckdb_keywords() union select function_name from duckdb_functions()
union select type_name from duckdb_types()
union select table_name from duckdb_columns() where database_name = current_database()
union select column_name from duckdb_columns() where database_name = current_database()
"""

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

    The act is recorded with the statement's shape: of its words, only those of DuckDB and of the
    published tables; anything else may be a value of a row. Of a statement that is refused only
    the rule is recorded.

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
        statement = _statement(sql)
        with (
            connected(published_store(purpose)) as connection,
            _within(connection, seconds),
            ThreadPoolExecutor(1) as thread,
        ):
            words, answer = _awaited(thread.submit(_asked, connection, sql, most), connection)
        act |= {"statement": _shape(statement, words), "rows": len(answer.rows)}
    return answer


def _asked(connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> tuple[set[str], Answer]:
    """Return the words that a record may repeat, and the answer."""
    words = {word.lower() for (word,) in connection.execute(WORDS).fetchall()}
    cursor = connection.execute(sql)
    columns = [column[0] for column in cursor.description or []]
    rows = cursor.fetchmany(most + 1)
    return words, Answer(columns, rows[:most], cut=len(rows) > most)


def _awaited(asked: Future[T], connection: duckdb.DuckDBPyConnection) -> T:
    """Wait for what another thread asks: Ctrl-C reaches who waits, but DuckDB only now and then."""
    try:
        return asked.result()
    except KeyboardInterrupt:
        while not asked.done():  # one that comes before the query begins is forgotten
            connection.interrupt()
            wait([asked], timeout=0.1)
        raise


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
    except duckdb.PermissionException as error:
        raise UsageError(
            "this reaches beyond the published file", "ask for its tables alone, see `show tables`",
            rule=_rule(error),
        ) from None  # fmt: skip
    except duckdb.Error as error:
        if of_machine(type(error).__name__, str(error)):
            raise
        raise UsageError(
            f"DuckDB can't run this: {type(error).__name__}", "check casts and functions",
            rule=_rule(error),
        ) from None  # fmt: skip
    finally:
        timer.cancel()


def _rule(error: duckdb.Error) -> str:
    return f"statement.{type(error).__name__}"


def _statement(sql: str) -> str:
    """Return one statement that asks, in sqlglot's spelling and without comments.

    Whether it is one is DuckDB's word, which runs it: another reader may take it for another.
    """
    try:
        if NESTED.search(sql):
            raise RecursionError
        with duckdb.connect() as connection:
            (read,) = connection.execute("select json_serialize_sql(?)", [sql]).fetchall()[0]
        parsed = json.loads(read)
        # Only of what DuckDB reads, which knows a limit.
        spelled = None if parsed["error"] else _spelled(sql)
    except RecursionError:
        raise UsageError(
            "the statement is nested too deeply", "write it flatter", rule="statement.unreadable"
        ) from None
    if parsed["error"] and parsed["error_type"] == "parser":
        raise UsageError(
            "that isn't SQL", "write one select statement", rule="statement.unreadable"
        )
    if parsed["error"] or len(parsed["statements"]) != 1:  # a statement of another kind, or more
        raise UsageError(
            "only one select statement can be asked", "write one select statement",
            rule="statement.kind",
        )  # fmt: skip
    for function in _refused(parsed):
        raise UsageError(
            f"{function} reads or runs what the statement doesn't show, so it can't be put on"
            " record",
            "ask the published tables, see `show tables`",
            rule="statement.function",
        )
    if spelled is None:
        raise UsageError(
            "that is SQL that can't be put on record", "write it more plainly",
            rule="statement.unreadable",
        )  # fmt: skip
    return spelled


def _spelled(sql: str) -> str | None:
    """Return a statement in sqlglot's spelling, None if it can't read it."""
    import sqlglot  # here: it takes long to load, and most commands ask nothing

    try:
        (statement,) = sqlglot.parse(sql, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, ValueError):
        return None
    return str(statement.sql(dialect="duckdb", comments=False)) if statement else None


def _refused(parsed: Any) -> Iterator[str]:
    """Find, in a statement as DuckDB reads it, the functions that no query may call."""
    from governance.lineage.functions import OPAQUE, TABLE_FUNCTIONS

    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            name = str(node.get("function_name", "")).lower()
            if name in OPAQUE:
                yield name
            if node.get("type") == "TABLE_FUNCTION":
                name = str(node["function"]["function_name"]).lower()
                if name not in TABLE_FUNCTIONS:
                    yield name
            waiting += node.values()


def _shape(statement: str, words: Collection[str]) -> str:
    """Return a statement with a mark for each word that isn't one of these.

    So nothing of it is kept that could be a value of a row, in whatever place: a literal, an
    alias, the key of a struct, the name of a lambda's argument.
    """
    import sqlglot

    kept, end = "", 0
    for token in sqlglot.tokenize(statement, dialect="duckdb"):
        written = statement[token.start : token.end + 1]
        spoken = written.strip('"').lower().split()
        known = all(word in words or PUNCTUATION.fullmatch(word) for word in spoken)
        kept += (" " if token.start > end else "") + (written if known else "?")
        end = token.end + 1
    return kept
