"""Drawn histories as landing tables in a plain DuckDB in memory.

Belongs here: keys of drawn subjects, and landing a scenario. Does not belong here: drawing one, or
what follows from it.
"""

import uuid
from datetime import datetime
from typing import Any

import duckdb

from tests.support import landing
from tests.support.permission_histories import PURPOSES, Scenario


def landed() -> duckdb.DuckDBPyConnection:
    """Open a database ``warehouse`` in memory, with empty landing tables."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("attach ':memory:' as warehouse")
    landing.make(connection)
    return connection


def key(number: int, purpose: str = "") -> uuid.UUID:
    """Return the key of a subject, or its key for a purpose."""
    return uuid.UUID(int=number * 100 + (PURPOSES.index(purpose) + 1 if purpose else 0))


def land(connection: duckdb.DuckDBPyConnection, scenario: Scenario) -> None:
    """Land a scenario."""
    landing.clear(connection)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in landing.TABLES}
    rows["clocks"].append(
        {"as_of": scenario.as_of, "as_of_end": scenario.as_of_end, "known_at": scenario.known_at}
    )
    for number, subject in enumerate(scenario.subjects):
        of = {"subject_key": key(number)}
        if subject.jurisdiction or subject.age_years is not None:
            rows["customers"].append(
                of | {"jurisdiction": subject.jurisdiction, "age_years": subject.age_years}
            )
        rows["consent_events"] += [of | vars(event) for event in subject.events]
        rows["rights_requests"] += [
            of
            | {"request_id": kind, "type": kind, "status": status}
            | {"received_at": datetime(2024, 2, 1 + day)}
            for kind, status, day in subject.requests
        ]
        rows["quarantine"] += [
            of | {"feed": feed, "resolved_at": scenario.known_at if resolved else None}
            for feed, resolved in subject.quarantined
        ]
        rows["purpose_keys"] += [
            of | {"purpose": purpose, "purpose_key": key(number, purpose)} for purpose in PURPOSES
        ]
    for table, content in rows.items():
        landing.put(connection, table, content)
