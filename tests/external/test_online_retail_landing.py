"""UCI Online Retail: a company's own messy feed, mapped by two YAML files alone.

Published figures (the data set's README): 541,909 lines, 135,080 of them without a customer,
5,268 exact duplicates, 9,288 cancellation lines, 4,372 customers, net 9,747,747.93.
"""

import os
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from governance.policy.load import load_policy
from ingest.check import check_sources
from ingest.feeds import feed_figures
from ingest.load import load_feeds
from ingest.sources import load_sources
from tests.support.feeds import must_reconcile
from warehouse.clock import now
from warehouse.connect import connected, warehouse_store
from warehouse.home import PROJECT

CASES = Path(os.environ.get("EXTERNAL_CASES", PROJECT.parent / "shared" / "data"))
DATA = CASES / "online_retail" / "online_retail.parquet"
MAPPING = Path(__file__).parent / "online_retail"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the Online Retail data set isn't there (EXTERNAL_CASES)"
)


def lines(query: str) -> tuple:
    """Ask the data set itself."""
    return duckdb.execute(query.format(f"read_parquet('{DATA}')")).fetchall()[0]


def write_consent(file: Path) -> int:
    """Give two thirds of the customers an answer: the data set knows of none."""
    customers = duckdb.execute(
        f"select distinct CustomerID::bigint from read_parquet('{DATA}')"
        " where CustomerID is not null order by 1"
    ).fetchall()
    answers = [
        f"{number};{'yes' if number % 3 else 'no'};01/12/2010 08:00"
        for (number,) in customers
        if number % 3 < 2
    ]
    file.write_text("\n".join(["customer;answer;signed_on", *answers]))
    return len(answers)


@pytest.fixture
def case(tmp_path, home):
    for name in ("sources.yaml", "policy.yaml"):
        shutil.copy(MAPPING / name, tmp_path)
    (tmp_path / "online_retail.parquet").symlink_to(DATA)
    answers = write_consent(tmp_path / "consent_events.csv")
    policy = load_policy(tmp_path / "policy.yaml")
    return load_sources(tmp_path / "sources.yaml", policy), policy, answers


def test_all_lines_are_accounted_for(case):
    sources, policy, answers = case
    report = load_feeds(sources, policy, now=now())
    with connected(warehouse_store()) as connection:
        figures = {one.feed: one for one in feed_figures(connection)}
        negative, returns = connection.execute(
            "select count(*) filter (where value < 0),"
            " count(*) filter (where basket_id like 'C%') from landing.transactions"
        ).fetchall()[0]
        moved = connection.execute(
            "select count(*) from landing.customers where jurisdiction is null"
        ).fetchall()[0][0]

    must_reconcile()
    sales = figures["transactions"]
    assert sales.read == 541_909
    assert sales.reasons == {"missing_customer_id": 135_080}
    # 5,268 lines repeat another one exactly; 43 of those name no customer and are quarantined.
    assert lines(
        "select (select count(*) from {0}) - count(*),"
        " (select count(*) from {0} where CustomerID is null)"
        " - count(*) filter (where CustomerID is null) from (select distinct * from {0})"
    ) == (5_268, 43)
    assert sales.duplicates == 5_268 - 43
    assert sales.accepted == sales.rows == 401_604
    assert sales.corrected == 0
    assert (sales.subjects, sales.orders) == (4_372, 22_190)

    # Cancellations stay, as negative values: 8,905 of the 9,288 lines name a customer.
    (cancelled,) = lines(
        "select count(*) from (select distinct * from {}) where InvoiceNo like 'C%'"
        " and CustomerID is not null"
    )
    assert negative == returns == cancelled
    (net,) = lines(
        "select sum((Quantity * UnitPrice)::decimal(18, 2)) from (select distinct * from {})"
        " where CustomerID is not null"
    )
    assert sales.value_total == net == Decimal("8278519.42")

    people = figures["customers"]
    assert (people.read, people.quarantined, people.rows) == (541_909, 135_080, 4_372)
    assert people.accepted - people.corrected == 4_372
    assert moved == 0
    assert figures["consent_events"].accepted == answers
    assert report.enrolled == 4_372
    assert load_feeds(sources, policy, now=now()).landed == ()


def test_the_check_foretells_it(case):
    sources, policy, _ = case
    found = {(f.feed, f.what): f for f in check_sources(sources, policy)}
    assert set(found) == {
        ("customers", "missing_customer_id"), ("transactions", "missing_customer_id"),
    }  # fmt: skip
    sales = found["transactions", "missing_customer_id"]
    assert (sales.rows, sales.of_rows, sales.blocking) == (135_080, 541_909, False)
