"""Verdicts belong to the state that they judged: its day, its newest event, its policy."""

from dataclasses import replace
from datetime import date, datetime
from types import SimpleNamespace

import duckdb
import pytest

from governance import evidence, status
from governance.clocks import Clocks
from governance.policy.load import load_policy
from governance.policy.rules import rules
from warehouse.home import PROJECT

POLICY = load_policy(PROJECT / "policy.yaml")
NOW = Clocks(
    date(2024, 3, 20), datetime(2024, 3, 20, 23, 59), datetime(2024, 3, 20, 12), date(2024, 3, 20)
)
PAST = replace(NOW, as_of=date(2024, 1, 1), as_of_end=datetime(2024, 1, 1, 23, 59))
SIZE, FRESH = "size.segmentation", "freshness.transactions"


def result(rule, observed):
    return SimpleNamespace(rule=rule, status="holds", observed=observed, limit=1, why="seen")


def standing(connection, clocks, policy=POLICY):
    return {v.rule: v for v in status.verdicts(connection, policy, clocks)}


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        status.reset(connection, POLICY, NOW)
        status.put(connection, POLICY, [result(SIZE, 108), result(FRESH, 0)], NOW)
        yield connection


def test_a_run_for_a_past_day_leaves_the_current_verdicts_alone(connection):
    status.reset(connection, POLICY, PAST)
    assert standing(connection, PAST)[SIZE].status == "not judged"
    status.put(connection, POLICY, [result(SIZE, 77)], PAST)
    assert standing(connection, PAST)[SIZE].observed == 77
    assert standing(connection, NOW)[SIZE].observed == 108
    assert standing(connection, PAST)[FRESH].observed == 0  # on the feeds: for every day
    status.forget(connection, POLICY, "segmentation", ["size"], PAST)
    assert standing(connection, PAST)[SIZE].status == "not judged"
    assert standing(connection, NOW)[SIZE].observed == 108
    status.reset(connection, POLICY, NOW)
    assert standing(connection, NOW)[SIZE].status == "not judged"
    assert standing(connection, NOW)[FRESH].status == "holds"


def test_a_newer_day_or_event_is_not_judged_by_an_older_verdict(connection):
    newer = replace(NOW, known_at=datetime(2024, 3, 20, 13))
    assert standing(connection, newer)[SIZE].status == "not judged"
    assert standing(connection, newer)[SIZE].why == status.NOT_RUN
    tomorrow = replace(NOW, as_of=date(2024, 3, 21), newest_day=date(2024, 3, 21))
    assert standing(connection, tomorrow)[SIZE].status == "not judged"
    status.put(connection, POLICY, [result(FRESH, 3)], tomorrow)
    assert standing(connection, NOW)[FRESH].observed == 3  # the feeds have one verdict


def test_what_is_shown_under_another_policy_is_not_judged(connection, home):
    status.show(connection, POLICY, NOW, {"code_version": "x"})
    shown = status.shown(POLICY)
    assert {r["rule"]: r["observed"] for r in shown["rules"]}[SIZE] == 108
    assert (shown["as_of"], shown["code_version"]) == ("2024-03-20", "x")
    thresholds = POLICY.thresholds.model_copy(update={"smallest_segment": 500})
    other = POLICY.model_copy(update={"thresholds": thresholds})
    found = {r["rule"]: r for r in status.shown(other)["rules"]}
    assert set(found) == {rule.id for rule in rules(other)}
    assert {r["status"] for r in found.values()} == {"not judged"}
    assert found[SIZE]["limit"] == 500


def test_a_past_day_is_shown_apart(connection, home):
    status.show(connection, POLICY, NOW, {})
    status.show(connection, POLICY, PAST, {})
    assert status.shown(POLICY)["as_of"] == "2024-03-20"
    assert evidence.shown(evidence.STATUS, past=PAST.past)["as_of"] == "2024-01-01"
