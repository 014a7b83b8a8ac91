"""The landing tables as dbt reads them: made empty, and filled row by row, for the tests of dbt.

Belongs here: shapes of tables and an insert. Does not belong here: histories to test with, or dbt.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

# As `ingest` lands them; staging names every column it reads, so that a difference fails.
TABLES = {
    "customers": (
        "subject_key uuid, jurisdiction varchar, age_years integer, income_band varchar,"
        " marital_status varchar, home_ownership varchar, household_size varchar,"
        " household_composition varchar, kids_count varchar, row_key ubigint, load_id integer,"
        " recorded_on date"
    ),
    "transactions": (
        "subject_key uuid, basket_id varchar, product_id varchar, category varchar,"
        " product_group varchar, occurred_at timestamp, event_day date, quantity decimal(18, 3),"
        " value decimal(18, 2), discount decimal(18, 2), row_key ubigint, load_id integer"
    ),
    "consent_events": (
        "subject_key uuid, action varchar, purpose varchar, occurred_at timestamp,"
        " recorded_at timestamp, notice_version integer, method varchar, channel varchar,"
        " language varchar, wording_hash varchar, evidence_ref varchar, signal varchar,"
        " given_by varchar,"
        " row_key ubigint, load_id integer"
    ),
    "rights_requests": (
        "subject_key uuid, request_id varchar, type varchar, received_at timestamp,"
        " status varchar, channel varchar, row_key ubigint, load_id integer"
    ),
    "quarantine": (
        "quarantine_id bigint, feed varchar, reason varchar, column_name varchar, source varchar,"
        " position bigint, subject_key uuid, load_id integer, quarantined_at timestamp,"
        " resolved_at timestamp, resolution varchar, note varchar"
    ),
    "purpose_keys": "subject_key uuid, purpose varchar, purpose_key uuid",
    "changed_days": "event_day date, load_id integer",
    "clocks": "as_of date, as_of_end timestamp, known_at timestamp, newest_day date, fit boolean",
}


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the landing tables, empty, in the database ``warehouse``."""
    connection.execute("create schema if not exists warehouse.landing")
    for name, columns in TABLES.items():
        connection.execute(f"create or replace table warehouse.landing.{name} ({columns})")


def put(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows, all with the same columns; those that they don't name are null."""
    if rows:
        columns, width = ", ".join(rows[0]), len(rows[0])
        holes = ", ".join([f"({', '.join('?' * width)})"] * len(rows))
        values = [value for row in rows for value in row.values()]
        connection.execute(
            f"insert into warehouse.landing.{table} ({columns}) values {holes}", values
        )


def clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty the landing tables."""
    for name in TABLES:
        connection.execute(f"delete from warehouse.landing.{name}")
