"""What is held of one subject, wherever it is held.

Belongs here: reading its rows from every file, as plain values. Does not belong here: which tables
these are (``discovery``), what a person is told of them (``access``, ``portability``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isnan
from typing import Any
from uuid import UUID

import duckdb

from governance import identity, inbox
from governance.policy.words import WORD_FEEDS
from governance.rights.discovery import LEAVING, Holder, alias_of, holders, mark
from warehouse.connect import published_store, warehouse_store
from warehouse.publish import published_purposes
from warehouse.sql import identifier


@dataclass(frozen=True)
class Load:
    """A load of a feed that some rows came with; ``loaded_at`` in UTC without a zone."""

    feed: str
    source: str
    loaded_at: datetime
    rows: int


@dataclass(frozen=True)
class Held:
    """The rows that one table holds of a subject, as the table has them.

    ``file`` is the database: ``warehouse``, ``vault``, ``inbox`` or ``published_<purpose>``;
    ``columns`` are names with their types.
    """

    file: str
    table: str
    columns: Mapping[str, str]
    rows: Sequence[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as plain values by column."""
        return [
            {name: plain(value) for name, value in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]


@dataclass(frozen=True)
class Holding:
    """Every table that holds rows of a subject, in the order of the files, and their loads."""

    tables: Sequence[Held]
    loads: Sequence[Load]


def held(subject: UUID | None, customer_id: str) -> Holding:
    """Return what is held of a subject.

    The caller holds the writer's lock, or the warehouse couldn't be read.

    Parameters
    ----------
    subject
        Its key; None for somebody whom the vault doesn't know, such as who is erased.
    customer_id
        By which the inbox has it.
    """
    stored = Holding([], []) if subject is None else _stored(str(subject))
    return Holding([*stored.tables, *_waiting(customer_id)], stored.loads)


def _stored(subject: str) -> Holding:
    beside = [published_store(p, alias=alias_of(p)) for p in published_purposes()]
    if warehouse_store().path.exists():
        beside.insert(0, warehouse_store(read_only=True))
    with identity.opened(*beside) as connection:
        databases = ["vault", *(store.alias for store in beside)]
        tables = holders(connection, *databases)
        mark(connection, [subject], tables)
        keys = dict(
            connection.execute(
                f"select purpose, coalesce(purpose_key, subject_key) from {LEAVING}"
            ).fetchall()
        )
        found = [_rows(connection, table, keys[table.purpose]) for table in tables]
        found = [table for table in found if table.rows]
        return Holding(found, _loads(connection, found))


def _loads(connection: duckdb.DuckDBPyConnection, found: Sequence[Held]) -> list[Load]:
    rows = Counter(
        record["load_id"]
        for table in found
        if table.file == "warehouse" and table.table.startswith("landing.")
        for record in table.records()
        if record.get("load_id") is not None
    )
    if not rows:
        return []
    loads = connection.execute(
        "select load_id, feed, source, loaded_at from warehouse.landing.loads"
        " where list_contains(?, load_id) order by load_id",
        [list(rows)],
    ).fetchall()
    return [Load(feed, source, at, rows[load_id]) for load_id, feed, source, at in loads]


def _rows(connection: duckdb.DuckDBPyConnection, table: Holder, key: UUID) -> Held:
    rows = connection.execute(
        f"select * from {table.name} where {identifier(table.key)} = '{key}'::uuid order by all"
    )
    columns = {name: str(kind) for name, kind, *_ in rows.description or ()}
    return Held(table.database, f"{table.schema}.{table.table}", columns, rows.fetchall())


def _waiting(customer_id: str) -> list[Held]:
    found = []
    with inbox.opened() as connection:
        for feed in WORD_FEEDS:
            rows = connection.execute(
                f"select * from inbox.{feed} where customer_id = ? order by event_id",
                [identity.as_landed(customer_id)],
            )
            columns = {name: str(kind) for name, kind, *_ in rows.description or ()}
            found.append(Held("inbox", feed, columns, rows.fetchall()))
    return [table for table in found if table.rows]


def plain(value: Any) -> Any:
    """Return a value as JSON has it: exact numbers and all times as text, times in UTC.

    >>> plain({"at": datetime(2024, 1, 31, 12), "paid": Decimal("1.50")})
    {'at': '2024-01-31T12:00:00Z', 'paid': '1.50'}
    """
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return None if isnan(value) else value
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
