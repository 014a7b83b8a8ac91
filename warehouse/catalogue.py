"""What a database holds: its tables and views, and their columns.

Belongs here: look-ups in DuckDB's own catalogue, on a connection's current store or on another one
that is attached. Does not belong here: rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


def tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """Return the names of the tables and views of a schema, in order."""
    rows = connection.execute(
        "select distinct table_name from duckdb_columns()"
        " where database_name = current_database() and schema_name = ? order by all",
        [schema],
    ).fetchall()
    return [table for (table,) in rows]


def columns(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, database: str | None = None
) -> dict[str, str]:
    """Return the columns of a table or view with their types, in order; empty if there is none.

    ``database`` is the alias of an attached one; by default the current.
    """
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = coalesce($database, current_database())"
        " and schema_name = $schema and table_name = $table order by column_index",
        {"database": database, "schema": schema, "table": table},
    ).fetchall()
    return dict(rows)


@dataclass(frozen=True)
class Relation:
    """A table or a view (``kind``), and its columns with their types, in order."""

    kind: str
    columns: dict[str, str]


def relations(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> dict[tuple[str, str], Relation]:
    """Return the tables and views of a database by schema and name, in order; no temporary ones.

    ``database`` is the alias of an attached one; by default the current.
    """
    if database is None:
        ((database,),) = connection.execute("select current_database()").fetchall()
    return relations_of(connection, [database])[database]


def relations_of(
    connection: duckdb.DuckDBPyConnection, databases: Sequence[str]
) -> dict[str, dict[tuple[str, str], Relation]]:
    """Return the :func:`relations` of several databases, for which DuckDB looks through all."""
    rows = connection.execute(
        "with named as ("
        " select database_name, schema_name, table_name, 'table' as kind from duckdb_tables()"
        " where not temporary"
        " union all select database_name, schema_name, view_name, 'view' from duckdb_views()"
        " where not internal and not temporary)"
        " select database_name, schema_name, table_name, kind,"
        " list(column_name order by column_index), list(data_type order by column_index)"
        " from named join duckdb_columns() using (database_name, schema_name, table_name)"
        " where list_contains($databases, database_name) group by all order by all",
        {"databases": [*databases]},
    ).fetchall()
    found: dict[str, dict[tuple[str, str], Relation]] = {name: {} for name in databases}
    for database, schema, name, kind, names, types in rows:
        found[database][schema, name] = Relation(kind, dict(zip(names, types, strict=True)))
    return found


def is_number(kind: str) -> bool:
    """Tell whether a column's type is one of numbers.

    >>> [is_number(kind) for kind in ("DECIMAL(18,2)", "INTEGER", "DATE", "MAP(VARCHAR, DOUBLE)")]
    [True, True, False, False]
    >>> is_number("DECIMAL(18,2)[]")
    False
    """
    return kind.partition("(")[0] in NUMBERS and not kind.endswith("]")
