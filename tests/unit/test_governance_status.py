"""Verdicts belong to the state that they judged: its day, its newest event, its policy."""

from dataclasses import replace
from datetime import date, datetime
from types import SimpleNamespace

import duckdb
import pytest

from governance import evidence, lapse, status
from governance.clocks import Clocks
from governance.policy.load import load_policy
from governance.policy.model import Override
from governance.policy.rules import rules
from warehouse.home import PROJECT

POLICY = load_policy(PROJECT / "policy.yaml")
NOW = Clocks(
    date(2024, 3, 20), datetime(2024, 3, 20, 23, 59), datetime(2024, 3, 20, 12), date(2024, 3, 20)
)
PAST = replace(NOW, as_of=date(2024, 1, 1), as_of_end=datetime(2024, 1, 1, 23, 59))
ABOUT = {"code_version": "x"}
SIZE, FRESH = "size.segmentation", "freshness.transactions"


def result(rule, observed, **changes):
    found = {"status": "holds", "limit": 1, "why": "seen", "checked": True, "since": None}
    return SimpleNamespace(rule=rule, observed=observed, **found | changes)


def standing(connection, clocks, policy=POLICY):
    return {v.rule: v for v in status.verdicts(connection, policy, clocks)}


@pytest.fixture
def connection(home):
    with duckdb.connect() as connection:
        status.reset(connection, POLICY, NOW, ABOUT)
        status.put(connection, POLICY, [result(SIZE, 108), result(FRESH, 0)], NOW, ABOUT)
        yield connection


def test_a_run_for_a_past_day_leaves_the_current_verdicts_alone(connection):
    status.reset(connection, POLICY, PAST, ABOUT)
    assert standing(connection, PAST)[SIZE].status == "not judged"
    status.put(connection, POLICY, [result(SIZE, 77)], PAST, ABOUT)
    assert standing(connection, PAST)[SIZE].observed == 77
    assert standing(connection, NOW)[SIZE].observed == 108
    assert standing(connection, PAST)[FRESH].observed == 0  # on the feeds: for every day
    status.forget(connection, POLICY, "segmentation", ["size"], PAST, ABOUT)
    assert standing(connection, PAST)[SIZE].status == "not judged"
    assert standing(connection, NOW)[SIZE].observed == 108
    status.reset(connection, POLICY, NOW, ABOUT)
    assert standing(connection, NOW)[SIZE].status == "not judged"
    assert standing(connection, NOW)[FRESH].status == "holds"


def test_a_newer_day_or_event_is_not_judged_by_an_older_verdict(connection):
    newer = replace(NOW, known_at=datetime(2024, 3, 20, 13))
    assert standing(connection, newer)[SIZE].status == "not judged"
    assert standing(connection, newer)[SIZE].why == status.NOT_RUN
    tomorrow = replace(NOW, as_of=date(2024, 3, 21), newest_day=date(2024, 3, 21))
    assert standing(connection, tomorrow)[SIZE].status == "not judged"
    status.put(connection, POLICY, [result(FRESH, 3)], tomorrow, ABOUT)
    assert standing(connection, NOW)[FRESH].observed == 3  # the feeds have one verdict


def test_what_is_shown_under_another_policy_is_not_judged(connection, home):
    shown = status.shown(POLICY)
    assert {r["rule"]: r["observed"] for r in shown["rules"]}[SIZE] == 108
    assert (shown["as_of"], shown["code_version"]) == ("2024-03-20", "x")
    thresholds = POLICY.thresholds.model_copy(update={"smallest_segment": 500})
    other = POLICY.model_copy(update={"thresholds": thresholds})
    found = {r["rule"]: r for r in status.shown(other)["rules"]}
    assert set(found) == {rule.id for rule in rules(other)}
    assert {r["status"] for r in found.values()} == {"not judged"}
    assert found[SIZE]["limit"] == 500


def seen(rule):
    """Return the status of a rule as readers see it."""
    return {r["rule"]: r["status"] for r in status.shown(POLICY)["rules"]}[rule]


def test_a_verdict_that_is_forgotten_is_no_longer_shown(connection):
    """The run that has forgotten it may be killed before it judges anew."""
    assert seen(SIZE) == "holds"
    status.forget(connection, POLICY, "segmentation", ["size"], NOW, ABOUT)
    assert seen(SIZE) == "not judged"
    status.put(connection, POLICY, [result(SIZE, 108)], NOW, ABOUT)
    assert seen(SIZE) == "holds"
    status.reset(connection, POLICY, NOW, ABOUT)
    assert (seen(SIZE), seen(FRESH)) == ("not judged", "holds")


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"status": "not judged", "why": "a group too small"}, True),
        ({"status": "not judged", "checked": False}, False),
        ({"status": "unenforced"}, False),
        ({"status": "gap"}, False),
        ({"status": "broken"}, False),
    ],
)
def test_what_keeps_a_purpose_from_being_published_is_shown_not_to_pass(
    connection, changes, passes
):
    status.put(connection, POLICY, [result(SIZE, 3, **changes)], NOW, ABOUT)
    (shown,) = [r for r in status.shown(POLICY)["rules"] if r["rule"] == SIZE]
    assert status.Verdict(**shown).passes is passes
    against = {v.rule for v in status.obstacles(connection, POLICY, "segmentation", NOW)}
    assert (SIZE not in against) is passes


def test_feeds_grow_old_without_a_run(connection, monkeypatch):
    monkeypatch.setenv("ASSENT_NOW", "2024-03-22T12:00:00Z")
    fresh = result(FRESH, 2, limit=7, since=date(2024, 3, 20))
    status.put(connection, POLICY, [fresh], NOW, ABOUT)
    behind = ("2020-01-01", 0, "holds")  # by a clock that is behind the feeds nothing is younger
    for now, age, found in (behind, ("2024-03-27", 7, "holds"), ("2024-03-28", 8, "broken")):
        monkeypatch.setenv("ASSENT_NOW", f"{now}T12:00:00Z")
        (shown,) = [r for r in status.shown(POLICY)["rules"] if r["rule"] == FRESH]
        assert (shown["status"], shown["observed"]) == (found, age)
        against = {v.rule for v in status.obstacles(connection, POLICY, "segmentation", NOW)}
        assert (FRESH in against) is (found == "broken")


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ("2024-03-21T03:59:59", "holds"),
        ("2024-03-21T04:00:00", "not judged"),  # where the policy lives, the day begins
        ("2024-03-22T03:59:59", "not judged"),
        ("2024-03-22T04:00:00", "broken"),
    ],
)
def test_nothing_holds_from_the_day_on_which_a_basis_lapses(
    connection, home, monkeypatch, now, found
):
    home.published_file("segmentation").write_bytes(b"")  # something is published
    status.put(connection, POLICY, [result("permission.segmentation", 0)], NOW, ABOUT)
    lapse.show("segmentation", lapse.Standing("true", 0, date(2024, 3, 21)))
    monkeypatch.setenv("ASSENT_NOW", f"{now}Z")
    assert seen("permission.segmentation") == found


def test_what_lapsed_before_the_newest_event_has_lapsed_by_any_clock(connection, home, monkeypatch):
    home.published_file("segmentation").write_bytes(b"")
    monkeypatch.setenv("ASSENT_NOW", "2020-01-01T12:00:00Z")
    status.put(connection, POLICY, [result("permission.segmentation", 0)], NOW, ABOUT)
    for day, found in ((21, "holds"), (20, "not judged"), (19, "broken")):
        lapse.show("segmentation", lapse.Standing("true", 0, date(2024, 3, day)))
        assert seen("permission.segmentation") == found


@pytest.mark.parametrize(
    ("now", "until", "excused"),
    [
        ("2024-04-01T12:00:00Z", date(2024, 4, 1), True),
        ("2024-04-02T03:00:00Z", date(2024, 4, 1), True),  # where the policy lives it is the 1st
        ("2024-04-02T12:00:00Z", date(2024, 4, 1), False),  # although the feeds ended before
        ("2020-01-01T12:00:00Z", date(2024, 3, 19), False),  # the feeds know of a later day
        ("2020-01-01T12:00:00Z", date(2024, 3, 20), True),
    ],
)
def test_an_override_ends_with_its_day_whatever_the_feeds_do(
    connection, monkeypatch, now, until, excused
):
    monkeypatch.setenv("ASSENT_NOW", now)
    override = Override(rule=SIZE, reason="It is known", approved_by="A. Officer", until=until)
    policy = POLICY.model_copy(update={"overrides": (override,)})
    status.put(connection, policy, [result(SIZE, 3, status="broken")], NOW, ABOUT)
    (shown,) = [r for r in status.shown(policy)["rules"] if r["rule"] == SIZE]
    assert (shown["overridden_by"] is not None) is excused
    against = {v.rule for v in status.obstacles(connection, policy, "segmentation", NOW)}
    assert (SIZE not in against) is excused


def test_a_request_grows_late_without_a_run_and_keeps_nothing_from_being_published(
    connection, monkeypatch
):
    due = result("rights.due", -1, limit=0, since=date(2024, 3, 20))
    status.put(connection, POLICY, [due], NOW, ABOUT)
    for now, days, found in (("2024-03-20", 0, "holds"), ("2024-03-21", 1, "broken")):
        monkeypatch.setenv("ASSENT_NOW", f"{now}T12:00:00Z")
        (shown,) = [r for r in status.shown(POLICY)["rules"] if r["rule"] == "rights.due"]
        assert (shown["status"], shown["observed"]) == (found, days)
        against = {v.rule for v in status.obstacles(connection, POLICY, "segmentation", NOW)}
        assert "rights.due" not in against


def test_what_is_about_to_land_again_is_not_judged(connection, home):
    """A landing that fails, or is killed, leaves no verdict on the feeds."""
    status.forget_feeds(connection, POLICY)
    assert (seen(FRESH), seen(SIZE)) == ("not judged", "holds")
    assert not standing(connection, NOW)[FRESH].passes
    assert status.shown(POLICY)["as_of"] == "2024-03-20"
    evidence.path_of(evidence.STATUS).write_text("torn")
    status.forget_feeds(connection, POLICY)  # doesn't keep a run from mending it


def test_what_has_landed_leaves_no_verdict_on_marts_of_before(connection):
    status.put(connection, POLICY, [result(SIZE, 77)], PAST, ABOUT)
    status.forget_marts(connection, POLICY)
    assert (seen(FRESH), seen(SIZE)) == ("holds", "not judged")
    for clocks in (NOW, PAST):
        assert not standing(connection, clocks)[SIZE].passes
        assert standing(connection, clocks)[FRESH].passes


@pytest.mark.parametrize("table", status.EARLIER_TABLES)
def test_a_table_of_an_earlier_version_goes(connection, table):
    connection.execute(f"create table {table} (rule varchar)")
    status.reset(connection, POLICY, NOW, ABOUT)
    tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert tables == [("rule_verdicts",)]


def test_a_past_day_is_shown_apart(connection, home):
    status.reset(connection, POLICY, PAST, ABOUT)
    assert status.shown(POLICY)["as_of"] == "2024-03-20"
    assert seen(SIZE) == "holds"
    assert evidence.shown(evidence.STATUS, past=PAST.past)["as_of"] == "2024-01-01"
