"""What is left of a purpose that the policy no longer has, and taking it away.

Belongs here: finding such purposes, by what is published and by their keys, and removing their
files, tables and keys. Does not belong here: how a file is withdrawn (``warehouse.publish``), rows
that are too old (retention), rows of a subject (rights).
"""

from collections.abc import Sequence

import duckdb

from governance.policy.model import Policy
from governance.policy.words import PERMISSION
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.publish import published_purposes, withdraw
from warehouse.sql import identifier, quoted

# The schemas that hold tables of one purpose, beside the one that bears its name.
OF_PURPOSES = ("consented", "marts")


def withdraw_removed(policy: Policy) -> list[str]:
    """Withdraw what was made for purposes that the policy no longer has; return their names.

    Their published files go first, so that nobody reads on; then, in one transaction, the tables
    and keys. Done again after a kill, it finds what is left.
    """
    if not Home.current().warehouse.exists():
        gone = _gone(policy, ())
        withdraw(gone)
        return gone
    with connected(warehouse_store()) as connection:
        gone = _gone(policy, _with_keys(connection))
        withdraw(gone)
        if gone:
            _drop(connection, gone)
    return gone


def _gone(policy: Policy, with_keys: Sequence[str]) -> list[str]:
    return sorted({*published_purposes(), *with_keys} - {PERMISSION, *policy.purposes})


def _with_keys(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the purposes that subjects have keys for."""
    if ("landing", "purpose_keys") not in _with_columns(connection, ["purpose", "purpose_key"]):
        return []
    rows = connection.execute("select distinct purpose from landing.purpose_keys").fetchall()
    return [purpose for (purpose,) in rows]


def _drop(connection: duckdb.DuckDBPyConnection, purposes: Sequence[str]) -> None:
    """Drop what is keyed by a purpose's own key, and the keys themselves."""
    connection.execute("begin")
    for purpose in purposes:
        for (schema, name), kind in _with_columns(connection, [f"{purpose}_key"]).items():
            if schema in (*OF_PURPOSES, purpose):
                connection.execute(f"drop {kind} {identifier(schema)}.{identifier(name)}")
        for (schema, name), kind in _with_columns(connection, ["purpose", "purpose_key"]).items():
            if kind == "table":
                connection.execute(
                    f"delete from {identifier(schema)}.{identifier(name)}"
                    f" where purpose = {quoted(purpose)}"
                )
    connection.execute("commit")


def _with_columns(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return the tables and views of the warehouse that have all of some columns, with the kind."""
    rows = connection.execute(
        "select c.schema_name, c.table_name, if(any_value(v.view_name) is null, 'table', 'view')"
        " from duckdb_columns() as c left join duckdb_views() as v"
        " on v.database_name = c.database_name and v.schema_name = c.schema_name"
        " and v.view_name = c.table_name"
        " where c.database_name = 'warehouse' and not c.internal"
        " and list_contains(?, c.column_name) group by all having count(*) = ?"
        " order by all",
        [list(columns), len(columns)],
    ).fetchall()
    return {(schema, name): kind for schema, name, kind in rows}
