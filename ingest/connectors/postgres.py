"""PostgreSQL: a table or a query, read once per load through DuckDB's extension.

Belongs here: connecting (TLS), copying the mapped columns. Does not belong here: credentials; the
connection string stands in an environment variable that ``sources.yaml`` names, and appears in no
message.
"""

import os

import duckdb

from ingest.connectors import conninfo
from ingest.connectors.source import (
    POSITION,
    Candidate,
    Source,
    content_digest,
    described,
    mapped_columns,
    reading,
    require_columns,
    selected,
)
from ingest.landing import digest
from ingest.model import FeedSource
from warehouse.errors import UsageError
from warehouse.extension import extension
from warehouse.sql import identifier, quoted

ALIAS = "feed_server"
PROTECTED = ("require", "verify-ca", "verify-full")
MODES = ("disable", "allow", "prefer", *PROTECTED)
MEND = "test the connection string with psql"

# What PostgreSQL's own messages mean; they may hold the connection string, so none is passed on.
CAUSES = (
    ("password authentication failed", "user or password is wrong"),
    ("no password supplied", "it asks for a password"),
    ("no pg_hba.conf entry", "it doesn't admit this user from this machine, or not without TLS"),
    ("certificate verify failed", "its certificate isn't trusted (sslrootcert)"),
    ("root certificate file", "the file of trusted certificates is missing (sslrootcert)"),
    ("does not support ssl", "it doesn't speak TLS"),
    ("does not match host name", "its certificate is for another host"),
    ("connection refused", "nothing listens there"),
    ("could not translate host name", "there is no such host"),
    ("timeout", "it doesn't answer"),
    ("does not exist", "user or database doesn't exist"),
)


def postgres_candidate(
    connection: duckdb.DuckDBPyConnection, feed: FeedSource, name: str
) -> Candidate:
    """Return a feed's table or query."""
    label = feed.table or "query"
    wanted = mapped_columns(feed)

    def opened() -> Source:
        _connect(connection, str(feed.connection_env))
        try:
            return _copied(connection, feed, f"feed_{name}", label, wanted)
        finally:
            connection.execute(f"detach {ALIAS}")

    def content(source: Source) -> str:
        # The server may return rows in any order.
        return content_digest(connection, source, wanted, ordered=False)

    place = digest([feed.connection_env, feed.table or feed.query])
    return Candidate(label, place, "", opened, content)


def _connect(connection: duckdb.DuckDBPyConnection, variable: str) -> None:
    target = os.environ.get(variable)
    if not target:
        raise UsageError(
            f"the environment variable {variable} isn't set",
            "set it to the connection string (host=... dbname=... user=... sslmode=verify-full)",
        )
    _require_protection(target, variable)
    try:
        connection.execute(f"load {quoted(extension('postgres_scanner'))}")
        # The empty secret keeps the extension from asking for the storage of persistent ones, which
        # no connection of ours has (it fails with "Unknown secret storage found").
        connection.execute(f"create or replace temporary secret {ALIAS} (type postgres)")
        connection.execute(
            f"attach {quoted(target)} as {ALIAS} (type postgres, read_only, secret {ALIAS})"
        )
    except duckdb.Error as error:
        message = str(error).lower()
        why = next((said for sign, said in CAUSES if sign in message), "it can't be reached")
        raise UsageError(f"PostgreSQL ({variable}): {why}", MEND) from None


def _require_protection(target: str, variable: str) -> None:
    """Stop unless the connection string asks for TLS: libpq falls back to clear text otherwise."""
    try:
        found = conninfo.settings(target)
    except ValueError:
        raise UsageError(
            f"PostgreSQL ({variable}): its connection string can't be read", MEND
        ) from None
    modes = [value for keyword, value in found if keyword == "sslmode"]
    if len(modes) > 1:
        raise UsageError(
            f"PostgreSQL ({variable}): sslmode is given more than once", "write it once"
        )
    # A service may set another mode than the variable does, in a file that we don't read.
    service = "service" in dict(found) or "PGSERVICE" in os.environ
    unsaid = "prefer" if service else os.environ.get("PGSSLMODE", "prefer")
    mode = modes[0] if modes else unsaid
    if mode not in PROTECTED:
        said = f"sslmode={mode}" if mode in MODES else "its sslmode"
        raise UsageError(
            f"PostgreSQL ({variable}): {said} doesn't insist on TLS",
            "add sslmode=verify-full (or at least require) to the connection string",
        )


def _copied(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedSource,
    relation: str,
    label: str,
    wanted: tuple[str, ...],
) -> Source:
    """Copy the mapped columns into a temporary table: one reading, one state of the table."""
    if feed.table:
        schema, _, table = feed.table.partition(".")
        scan = f"{ALIAS}.{identifier(schema)}.{identifier(table)}"
    else:
        scan = f"postgres_query({quoted(ALIAS)}, {quoted(feed.query)})"
    with reading(f"PostgreSQL: {label}", "check its name, its SQL and the user's rights"):
        columns = described(connection, scan)
    require_columns(f"PostgreSQL: {label}", wanted, columns)
    with reading(f"PostgreSQL: {label}", "check the user's rights and the connection"):
        connection.execute(
            f"create or replace temp table {relation} as select *,"
            f" row_number() over () as {POSITION} from {selected(scan, wanted)}"
        )
    kept = {name: columns[name] for name in wanted}
    return Source(label, kept, relation=relation, numbered=relation)
