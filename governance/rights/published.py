"""Taking subjects out of what is published, whatever the reason.

Belongs here: finding their rows in the published files and writing these anew without them. Does
not belong here: who has to go (``erasure``, ``rectification``), who has no basis
(``governance.unpublish``).
"""

from collections.abc import Collection, Sequence

import duckdb

from governance import identity
from governance.rights.discovery import Holder, alias_of, holders, mark
from warehouse import catalogue
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.publish import BEFORE, publish, published_purposes
from warehouse.sql import identifier, quoted


def leave_published(subjects: Sequence[str], *, but: Collection[str] = ()) -> dict[str, int]:
    """Take the rows of some subjects out of every published file; return how many, by file.

    Parameters
    ----------
    subjects
        Their keys.
    but
        Files that are left as they are.
    """
    gone: dict[str, int] = {}
    for purpose in sorted(set(published_purposes()) - set(but)):
        alias = alias_of(purpose)
        with identity.opened(
            warehouse_store(read_only=True), published_store(purpose, alias=alias)
        ) as connection:
            tables = holders(connection, alias)
            mark(connection, subjects, tables)
            gone[purpose] = sum(_rows(connection, table) for table in tables)
            left = {table.table: left for table in tables if (left := _without(connection, table))}
        if not left:
            continue
        with connected(published_store(purpose)) as connection:
            names = catalogue.tables(connection, "main")
        publish({purpose: {
            name: f"select * from {BEFORE}.{identifier(name)} where {left.get(name, 'true')}"
            for name in names
        }}, over=True)  # fmt: skip
    return {purpose: rows for purpose, rows in gone.items() if rows}


def _rows(connection: duckdb.DuckDBPyConnection, table: Holder) -> int:
    return int(
        connection.execute(
            f"select count(*) from {table.name} where {table.of_leaving}"
        ).fetchall()[0][0]
    )


def _without(connection: duckdb.DuckDBPyConnection, table: Holder) -> str:
    """Return SQL that is true for the rows that stay; empty if none goes."""
    key = identifier(table.key)
    keys = connection.execute(
        f"select distinct {key}::varchar from {table.name} where {table.of_leaving} order by all"
    ).fetchall()
    return f"{key} not in ({', '.join(f'{quoted(k)}::uuid' for (k,) in keys)})" if keys else ""
