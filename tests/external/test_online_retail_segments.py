"""UCI Online Retail from feeds to published segments, by two YAML files alone."""

import shutil

import pytest

from tests.external.test_online_retail_landing import DATA, MAPPING, write_consent
from tests.support.installation import Installation
from tests.support.tables import model

pytestmark = [
    pytest.mark.skipif(
        not DATA.exists(), reason="the Online Retail data set isn't there (EXTERNAL_CASES)"
    ),
]

WITHOUT_A_SOURCE = ("discount_share", "category_breadth", "category_concentration")


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


def test_every_line_is_accounted_for(case):
    feeds = {feed["feed"]: feed for feed in case.assent("feeds", "--json").json["feeds"]}
    assert set(feeds) == {"customers", "transactions", "consent_events"}
    for feed in feeds.values():
        assert feed["read"] == feed["accepted"] + feed["quarantined"] + feed["duplicates"], feed
    sold = feeds["transactions"]
    accounted = [sold[name] for name in ("read", "accepted", "quarantined", "duplicates")]
    assert accounted == [541_909, 401_604, 135_080, 5_225]
    assert sold["reasons"] == {"missing_customer_id": 135_080}
    assert sold["value_total"] == "8278519.42"


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
    assert 3 <= len(sizes) <= 8
    assert min(sizes) >= (50,)
    assert mart == granted
    # A third said yes; those of them who bought something by then, none of the others.
    assert 1_300 < mart[0] < 4_372 / 3 + 1


def test_only_who_said_yes_is_in_it(case):
    said_yes = {
        line.split(";")[0]
        for line in (case.sources.parent / "consent_events.csv").read_text().splitlines()
        if ";yes;" in line
    }
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
