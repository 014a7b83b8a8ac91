"""UCI Online Retail: a company's own messy feed, mapped and segmented by two YAML files alone.

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
from tests.support.installation import Installation
from tests.support.tables import model
from warehouse.clock import now
from warehouse.home import PROJECT

CASES = Path(os.environ.get("EXTERNAL_CASES", PROJECT.parent / "shared" / "data"))
DATA = CASES / "online_retail" / "online_retail.parquet"
MAPPING = Path(__file__).parent / "online_retail"
WITHOUT_A_SOURCE = ("discount_share", "category_breadth", "category_concentration")

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the Online Retail data set isn't there (EXTERNAL_CASES)"
)


def lines(query: str) -> tuple:
    """Ask the data set itself."""
    return duckdb.execute(query.format(f"read_parquet('{DATA}')")).fetchall()[0]


def write_consent(file: Path) -> None:
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


def answers(case):
    return (case.sources.parent / "consent_events.csv").read_text().splitlines()[1:]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retail")
    for name in ("sources.yaml", "policy.yaml"):
        shutil.copy(MAPPING / name, folder)
    (folder / "online_retail.parquet").symlink_to(DATA)
    write_consent(folder / "consent_events.csv")
    one = Installation(folder / "home", folder / "sources.yaml", folder / "policy.yaml")
    done = one.process("run")
    assert done.status == 0, done.said
    return one


def test_all_lines_are_accounted_for(case):
    with case.warehouse() as connection:
        figures = {one.feed: one for one in feed_figures(connection)}
        held, negative, returns = connection.execute(
            "select count(*), count(*) filter (where value < 0),"
            " count(*) filter (where basket_id like 'C%') from landing.transactions"
        ).fetchall()[0]
        moved = connection.execute(
            "select count(*) from landing.customers where jurisdiction is null"
        ).fetchall()[0][0]

    assert set(figures) == {"customers", "transactions", "consent_events"}
    for feed in figures.values():
        assert feed.read == feed.accepted + feed.quarantined + feed.duplicates, feed
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
    assert (sales.accepted, held) == (401_604, 401_604)
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
    assert (people.read, people.quarantined, people.subjects) == (541_909, 135_080, 4_372)
    assert people.accepted - people.corrected == 4_372
    assert moved == 0
    assert figures["consent_events"].accepted == len(answers(case))
    assert len(case.everybody()) == 4_372


def test_the_feeds_are_shown_as_they_landed(case):
    feeds = {feed["feed"]: feed for feed in case.assent("feeds", "--json").json["feeds"]}
    sold = feeds["transactions"]
    shown = [sold[name] for name in ("read", "accepted", "quarantined", "duplicates")]
    assert shown == [541_909, 401_604, 135_080, 5_225]
    assert sold["reasons"] == {"missing_customer_id": 135_080}
    assert sold["value_total"] == "8278519.42"


def test_the_check_foretells_it(case, home):
    """Asked before anything has landed."""
    policy = load_policy(case.policy)
    found = {(f.feed, f.what): f for f in check_sources(load_sources(case.sources, policy), policy)}
    assert set(found) == {
        ("customers", "missing_customer_id"), ("transactions", "missing_customer_id"),
    }  # fmt: skip
    sales = found["transactions", "missing_customer_id"]
    assert (sales.rows, sales.of_rows, sales.blocking) == (135_080, 541_909, False)


def test_segments_are_published_and_no_rule_is_broken(case):
    status = case.assent("status", "--json")
    assert status.status == 0
    assert {rule["status"] for rule in status.json["rules"]} == {"holds", "not judged"}
    assert {rule["rule"] for rule in status.json["rules"] if rule["status"] == "not judged"} == {
        "bias.segmentation", "reconciliation.rights_requests",
    }  # fmt: skip
    assert status.json["as_of"] == "2011-12-08"  # the feed is continuous: its last day isn't over
    with case.published("segmentation") as connection:
        sizes = connection.execute("select subjects from segments").fetchall()
        mart = connection.execute("select count(*) from mart_segmentation").fetchone()
        granted = connection.execute("select count(*) from assignments").fetchone()
    assert 3 <= len(sizes) <= 5
    assert min(sizes) >= (50,)
    assert mart == granted
    # A third said yes; those of them who bought something by then, none of the others.
    assert 1_300 < mart[0] < 4_372 / 3 + 1


def test_only_who_said_yes_is_in_it(case):
    said_yes = {line.split(";")[0] for line in answers(case) if ";yes;" in line}
    assert case.in_mart() <= said_yes


def test_what_no_feed_knows_is_left_out_and_listed(case):
    (card,) = (case.home.artefacts / "segmentation").rglob("model_card.md")
    left_out = [line for line in card.read_text().splitlines() if line.startswith("Left out")]
    assert left_out == [f"Left out, without a source: {', '.join(WITHOUT_A_SOURCE)}."]
    assert not set(WITHOUT_A_SOURCE) & set(model(case)["recipe"]["features"])
    with case.published("segmentation") as connection:
        known = ", ".join(f"count({name})" for name in WITHOUT_A_SOURCE)
        counted = connection.execute(f"select {known} from mart_segmentation").fetchone()
    assert counted == (0, 0, 0)


def test_landing_the_same_again_lands_nothing(case):
    """Last of all: what has landed anew, whatever it is, is to be judged anew."""
    with case.entered():
        policy = load_policy(case.policy)
        again = load_feeds(load_sources(case.sources, policy), policy, now=now())
    assert again.landed == ()
