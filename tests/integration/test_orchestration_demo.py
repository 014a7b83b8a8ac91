"""The demo, run once as people run it: what it says of itself adds up."""

import json
from dataclasses import replace

import pytest

from governance.policy.load import load_policy
from governance.policy.rules import rules
from governance.status import NOT_RUN
from warehouse.home import PROJECT


def test_it_runs_and_sums_up(demo):
    assert demo.done.status == 0, demo.done.said
    for said in ("Feeds", "Permission", "Minimisation", "Segments", "Checks: ", "Next: "):
        assert said in demo.done.out
    assert "synthetic" in demo.done.out
    assert "Traceback" not in demo.done.said
    assert "FAILED" not in demo.done.err


def test_status_lists_every_rule_and_none_is_broken(demo):
    done = demo.assent("status", "--json")
    expected = [rule.id for rule in rules(load_policy(PROJECT / "policy.yaml"))]
    assert [rule["rule"] for rule in done.json["rules"]] == expected
    assert {rule["status"] for rule in done.json["rules"]} <= {"holds", "not judged"}
    assert not [
        r for r in done.json["rules"] if r["status"] == "not judged" and r["why"] == NOT_RUN
    ]
    assert not [r for r in done.json["rules"] if r["overridden_by"]]
    assert done.status == 0
    assert (done.json["as_of"], done.json["known_at"]) == ("2017-12-31", "2018-01-01 04:02:00")


@pytest.mark.parametrize(
    ("verdict", "status"), [("broken", 1), ("gap", 1), ("not judged", 0), ("holds", 0)]
)
def test_status_ends_with_1_where_a_rule_is_broken(demo, tmp_path, verdict, status):
    """(Where an override in the policy excuses it, the story shows.)"""
    other = replace(demo, root=tmp_path / "home")
    other.home.make()
    shown = demo.evidence("status")
    shown["rules"][0] |= {"status": verdict}
    (other.home.evidence / "status.json").write_text(json.dumps(shown))
    assert other.assent("status").status == status
    assert other.assent("status", "--json").status == status


def test_feeds_show_the_figures_of_the_data_set(demo):
    shown = demo.assent("feeds", "--json").json
    feeds = {feed["feed"]: feed for feed in shown["feeds"]}
    sold = feeds["transactions"]
    assert (sold["read"], sold["subjects"], sold["orders"]) == (1_469_307, 2_469, 155_848)
    assert sold["value_total"] == "4596039.58"
    events = feeds["consent_events"]
    numbers = [events[name] for name in ("read", "accepted", "quarantined", "duplicates")]
    assert numbers == [7_069, 7_014, 15, 40]
    assert sum(events["reasons"].values()) == 15
    for feed in feeds.values():
        assert feed["read"] == feed["accepted"] + feed["quarantined"] + feed["duplicates"], feed
    assert "synthetic" in shown["label"]
    assert "1,469,307" in demo.assent("feeds").out


def test_permission_is_what_the_scenarios_say(demo):
    shown = demo.evidence("permission")
    assert {p["purpose"]: p["permitted"] for p in shown["purposes"]} == {
        "segmentation": 2_086, "personalised_offers": 1_057, "churn_prevention": 1_598,
        "bias_monitoring": 2_330,
    }  # fmt: skip
    assert shown["subjects"] == 2_469
    with demo.warehouse() as connection:
        for purpose in shown["purposes"]:
            counted = connection.execute(
                "select count(*) from consented.int_consent_permitted as p where permitted and"
                " purpose = ? and exists (select 1 from landing.transactions as t"
                " where t.subject_key = p.subject_key)",
                [purpose["purpose"]],
            ).fetchone()
            assert counted == (purpose["permitted"],)


def test_every_segment_that_is_published_is_large_enough_and_whole(demo):
    with demo.published("segmentation") as connection:
        sizes = dict(connection.execute("select segment_id, subjects from segments").fetchall())
        counted = connection.execute(
            "select segment_id, count(*) from assignments group by segment_id"
        ).fetchall()
        mart = connection.execute("select count(*) from mart_segmentation").fetchone()
    assert sizes == dict(counted)
    assert min(sizes.values()) >= 50
    assert mart == (sum(sizes.values()),) == (2_086,)


def test_the_segments_foretell_more_than_rfm(demo):
    """The aim of section 6; the model says itself how it compares."""
    words = demo.evidence("segments")["model"]["in_words"]
    assert words.endswith("The aim, above RFM on both, is reached."), words
