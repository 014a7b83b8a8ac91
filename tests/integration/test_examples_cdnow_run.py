"""The CDNOW example as its `sources.yaml` tells one to run it: from feeds to published segments."""

import dagster as dg
import pytest

from models.features import FEATURES
from tests.support.installation import Installation
from tests.support.tables import model
from warehouse.home import PROJECT

EXAMPLE = PROJECT / "examples" / "cdnow"
FEATURES_WITHOUT_A_SOURCE = {"discount_share", "category_breadth", "category_concentration"}
COLUMNS_WITHOUT_A_SOURCE = FEATURES_WITHOUT_A_SOURCE | {"category_mix"}


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory):
    home = tmp_path_factory.mktemp("cdnow") / "home"
    one = Installation(home, EXAMPLE / "sources.yaml", EXAMPLE / "policy.yaml")
    done = one.process("run")
    assert done.status == 0, done.said
    assert "All consent events are synthetic." in done.out
    return one


@pytest.fixture(scope="module")
def completeness(cdnow):
    """Return what the check of the mart's completeness noted."""
    with cdnow.entered(), dg.DagsterInstance.get() as instance:
        key = dg.AssetCheckKey(dg.AssetKey(["marts", "mart_segmentation"]), "completeness")
        newest, *_ = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = newest.event.dagster_event.event_specific_data
    assert evaluation.passed
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_no_rule_is_broken_or_missing(cdnow):
    status = cdnow.assent("status", "--json")
    assert status.status == 0
    assert {rule["status"] for rule in status.json["rules"]} == {"holds", "not judged"}
    assert {rule["rule"] for rule in status.json["rules"] if rule["status"] == "not judged"} == {
        "bias.segmentation", "reconciliation.customers", "reconciliation.rights_requests",
    }  # fmt: skip
    assert (status.json["as_of"], status.json["written_at"][:10]) == ("1998-06-30", "1998-07-01")


def test_the_feeds_add_up_to_the_data_set(cdnow):
    shown = cdnow.assent("feeds", "--json").json
    feeds = {feed["feed"]: feed for feed in shown["feeds"]}
    assert set(feeds) == {"transactions", "consent_events"}
    for feed in feeds.values():
        assert feed["read"] == feed["accepted"] + feed["quarantined"] + feed["duplicates"], feed
    sold = feeds["transactions"]
    assert (sold["read"], sold["accepted"], sold["subjects"]) == (69_659, 69_659, 23_570)
    assert sold["value_total"] == "2500315.63"
    assert (feeds["consent_events"]["read"], feeds["consent_events"]["duplicates"]) == (23_332, 0)
    assert "synthetic" in shown["label"]


def test_segments_of_those_who_consented_are_published(cdnow):
    with cdnow.published("segmentation") as connection:
        sizes = dict(connection.execute("select segment_id, subjects from segments").fetchall())
        counted = connection.execute(
            "select segment_id, count(*) from assignments group by segment_id"
        ).fetchall()
        mart = connection.execute("select count(*) from mart_segmentation").fetchone()
    assert 3 <= len(sizes) <= 8
    assert min(sizes.values()) >= 50
    assert sizes == dict(counted)
    # Whose last answer was yes (tests/unit/test_examples_cdnow.py counts them in the feed).
    assert mart == (sum(sizes.values()),) == (19_327,)


def test_what_no_feed_knows_is_null_left_out_and_listed(cdnow, completeness):
    assert set(completeness["without a source"].split(", ")) == COLUMNS_WITHOUT_A_SOURCE
    with cdnow.published("segmentation") as connection:
        columns = [
            name for (name, *_) in connection.execute("describe mart_segmentation").fetchall()
        ]
        filled = connection.execute(
            f"select {', '.join(f'count({name})' for name in columns)} from mart_segmentation"
        ).fetchone()
    empty = {name for name, count in zip(columns, filled, strict=True) if not count}
    assert empty == COLUMNS_WITHOUT_A_SOURCE
    (card,) = (cdnow.home.artefacts / "segmentation").rglob("model_card.md")
    (left_out,) = [line for line in card.read_text().splitlines() if line.startswith("Left out")]
    assert left_out.startswith("Left out, without a source: ")
    assert set(left_out.split(": ")[1].rstrip(".").split(", ")) == FEATURES_WITHOUT_A_SOURCE
    used = set(model(cdnow)["recipe"]["features"])
    assert used <= set(FEATURES) - FEATURES_WITHOUT_A_SOURCE
    assert used
