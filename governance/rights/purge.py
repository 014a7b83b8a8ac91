"""Purging: deleted rows leave the disk, within the policy's days.

Belongs here: which files are written anew, and since when they hold nothing deleted. Does not
belong here: writing them (``warehouse.rewrite``), judging how long deleted rows have lain there
(rule ``custody.purge``).
"""

from datetime import datetime

import duckdb

from governance import acts, identity, inbox
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.rewrite import rewrite

TABLE = "governance.rewritten"


def purge() -> bool:
    """Write the warehouse, the vault, the salts and the inbox anew, without what was deleted.

    The caller holds the writer's lock. Published files are written anew whenever they change.

    Returns
    -------
    bool
        Whether the inbox is among them: while words wait in it, it is left as it is.
    """
    with acts.acting("rights.purge") as act:
        at = utc_naive(now())
        rewrite([warehouse_store(), *identity.stores()])
        act["inbox"] = whole = inbox.rewrite()
        with connected(warehouse_store()) as connection:
            connection.execute("create schema if not exists governance")
            connection.execute(
                f"create or replace table {TABLE} as select ?::timestamp as at", [at]
            )
    return whole


def rewritten_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return when the warehouse was last written anew, UTC without a zone; None if it never was."""
    schema, table = TABLE.split(".")
    if not catalogue.columns(connection, schema, table):
        return None
    found: datetime = connection.execute(f'select "at" from {TABLE}').fetchall()[0][0]
    return found
