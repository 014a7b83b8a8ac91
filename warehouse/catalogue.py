"""What a database holds: its tables and views, and their columns.

Belongs here: look-ups in DuckDB's own catalogue, on a connection's current store or on another one
that is attached. Does not belong here: rows.
"""

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


def is_number(kind: str) -> bool:
    """Tell whether a column's type is one of numbers.

    >>> [is_number(kind) for kind in ("DECIMAL(18,2)", "INTEGER", "DATE", "MAP(VARCHAR, DOUBLE)")]
    [True, True, False, False]
    >>> is_number("DECIMAL(18,2)[]")
    False
    """
    return kind.partition("(")[0] in NUMBERS and not kind.endswith("]")
