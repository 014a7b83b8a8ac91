"""What is left of a purpose or a model that there no longer is, and taking it away.

Belongs here: finding such purposes, by what is published and by their keys, and removing their
files, tables and keys; dropping what dbt has built that no model makes any more, or of which
nobody knows whose rows it holds. Does not belong here: how a file is withdrawn
(``warehouse.publish``), rows that are too old (retention), rows of a subject (rights).
"""

from collections.abc import Collection, Sequence

import duckdb

from governance.policy.model import Policy
from governance.policy.words import PERMISSION
from governance.rights import discovery, leaving
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.publish import published_purposes, withdraw
from warehouse.sql import identifier, quoted

# The schemas that hold tables of one purpose, beside the one that bears its name.
OF_PURPOSES = ("consented", "marts")
# Those whose tables dbt doesn't build, beside that of each purpose.
NOT_BY_DBT = ("landing", "governance")


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


def drop_strays(
    policy: Policy, declared: Collection[tuple[str, str]] | None = None
) -> dict[tuple[str, str], str]:
    """Drop what dbt has built that no model makes any more, or nobody knows whose rows it holds.

    Nothing would take anybody out of it. A model that is put right is built anew.

    Parameters
    ----------
    declared
        The tables and views that models make, by schema and name; None if that isn't known.

    Returns
    -------
    dict
        Why, by schema and name.
    """
    if not Home.current().warehouse.exists():
        return {}
    with connected(warehouse_store()) as connection:
        built = _built(connection, [*NOT_BY_DBT, *policy.purposes])
        why = discovery.unknown(connection, "warehouse")
        if declared is not None:
            gone = [place for place in built if place not in declared]
            why |= dict.fromkeys(gone, "no model makes it any more")
        strays = {place: why[place] for place in built if place in why}
        connection.execute("begin")
        for schema, name in strays:
            kind = built[schema, name]
            connection.execute(f"drop {kind} {identifier(schema)}.{identifier(name)}")
        connection.execute("commit")
    return strays


def _built(
    connection: duckdb.DuckDBPyConnection, others: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return the tables and views that dbt has built, with the kind of each; no other schemas'."""
    rows = connection.execute(
        "select schema_name, table_name as name, 'table' from duckdb_tables()"
        " where database_name = 'warehouse' and not list_contains($others, schema_name)"
        " union all select schema_name, view_name, 'view' from duckdb_views()"
        " where database_name = 'warehouse' and not internal"
        " and not list_contains($others, schema_name) order by all",
        {"others": list(others)},
    ).fetchall()
    return {(schema, name): kind for schema, name, kind in rows}


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
    if catalogue.columns(connection, "landing", "loads"):
        leaving.note_lying(connection, utc_naive(now()), leaving.NO_PURPOSE)
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
