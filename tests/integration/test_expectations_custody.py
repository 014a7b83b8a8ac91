"""The rules of custody: clean and poisoned."""

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from governance.clocks import last_instant
from governance.status import NOT_RUN
from tests.integration.test_expectations_feeds import results
from tests.support import checked
from tests.support.checked import NOW


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    return checked.made()


@pytest.mark.parametrize(
    ("statement", "status", "age"),
    [
        ("update landing.customers set recorded_on = date '2023-05-28' where row_key = 1",
         "holds", None),
        ("update landing.customers set recorded_on = date '2023-05-27' where row_key = 1",
         "broken", 401),
        ("update landing.transactions set event_day = date '2020-01-01' where row_key = 2",
         "broken", 1643),
        # What decides permission stays, and so does all of whoever is under a restriction.
        ("update landing.customers set recorded_on = date '2020-01-01', income_band = null,"
         " marital_status = null, home_ownership = null, household_size = null,"
         " household_composition = null, kids_count = null where row_key = 1", "holds", None),
        ("insert into landing.rights_requests by name select subject_key, 'x' as request_id,"
         " 'restriction' as type, now()::timestamp as received_at, 'open' as status"
         " from landing.transactions where row_key = 2; update landing.transactions"
         " set event_day = date '2020-01-01' where row_key = 2", "holds", None),
        ("delete from landing.customers; delete from landing.transactions", "not judged", None),
    ],
)  # fmt: skip
def test_custody_retention(
    warehouse: duckdb.DuckDBPyConnection, statement: str, status: str, age: int | None
) -> None:
    warehouse.execute(statement)
    found = results(warehouse)["custody.retention"]
    assert (found.status, found.observed) == (status, age)


@pytest.mark.parametrize(("day", "status", "age"), [(28, "holds", None), (27, "broken", 401)])
@pytest.mark.parametrize("table", ["vault.identifiers", "vault.corrections"])
def test_custody_retention_of_the_vault(
    warehouse: duckdb.DuckDBPyConnection, table: str, day: int, status: str, age: int | None
) -> None:
    held = {table: date(2023, 5, day)}
    found = results(warehouse, oldest_in_vault=held)["custody.retention"]
    assert (found.status, found.observed) == (status, age)
    assert (table in found.why) is (age is not None)
    assert "2023" not in str(found.details) or age  # how old the oldest is, is one subject's
    unseen = results(warehouse, oldest_in_vault=None)["custody.retention"]
    assert (unseen.status, unseen.why) == ("not judged", NOT_RUN)


def test_custody_purge(warehouse: duckdb.DuckDBPyConnection) -> None:
    def purge(days: int, since: datetime | None = datetime(2024, 7, 1)) -> tuple[str, Any]:
        found = results(warehouse, NOW + timedelta(days=days), lying_since=since)
        return found["custody.purge"].status, found["custody.purge"].observed

    assert purge(29) == ("holds", 30)
    assert purge(30) == ("broken", 31)
    assert purge(30, None) == ("holds", 0)


@pytest.mark.parametrize(("early", "status"), [(0, "holds"), (1, "broken")])
@pytest.mark.parametrize(
    ("rule", "table", "days"),
    [("custody.evidence", "handed_over", 500), ("custody.suppression", "suppressed", 300)],
)
def test_custody_of_what_is_kept(
    warehouse: duckdb.DuckDBPyConnection, rule: str, table: str, days: int, early: int, status: str
) -> None:
    """A row of the last day that may be kept, at its first instant in the policy's zone."""
    day = checked.AS_OF - timedelta(days=days)
    first = last_instant(day, checked.ZONE) + timedelta(microseconds=1 - early)
    kept = {"notices": datetime(2024, 6, 1), "suppressed": datetime(2024, 6, 1), table: first}
    found = results(warehouse, oldest_kept=kept)
    assert found[rule].status == status
    assert found[rule].observed == (days + early if early else None)
    other = {"custody.evidence", "custody.suppression"} - {rule}
    assert found[other.pop()].status == "holds"
    assert results(warehouse, oldest_kept=None)[rule].why == NOT_RUN
