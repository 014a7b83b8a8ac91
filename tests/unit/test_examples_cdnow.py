"""The CDNOW example: all purchases, and consent that is the same on every call."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.compute as pc
import pytest

from examples.cdnow import feeds
from governance.policy.load import load_policy

EXAMPLE = Path(__file__).parents[2] / "examples" / "cdnow"


@pytest.fixture(scope="module")
def transactions():
    return feeds.transactions()


@pytest.fixture(scope="module")
def events():
    return feeds.consent_events()


def test_purchases_are_all_there_to_the_cent(transactions):
    assert transactions.num_rows == 69_659
    assert pc.count_distinct(transactions["customer_id"]).as_py() == 23_570
    assert pc.sum(transactions["value"]).as_py() == Decimal("2500315.63")
    assert pc.sum(transactions["quantity"]).as_py() == 167_881
    assert pc.min(transactions["occurred_at"]).as_py() == date(1997, 1, 1)
    assert pc.max(transactions["occurred_at"]).as_py() == date(1998, 6, 30)


def test_lines_that_occur_twice_stay_two_purchases(transactions):
    without = transactions.drop_columns("basket_id")
    assert len(set(map(str, without.slice(0, 2000).to_pylist()))) < 2000
    assert pc.count_distinct(transactions["basket_id"]).as_py() == 69_659


def test_consent_is_dealt_out_as_declared(events):
    last: dict[str, str] = {}
    for row in events.to_pylist():
        last[row["customer_id"]] = row["action"]
    assert Counter(last.values()) == {"granted": 19_327, "withdrawn": 1_178, "opted_out": 707}


def test_consent_is_the_same_on_every_call(events):
    assert feeds.consent_events().equals(events)


def test_the_policy_holds_together_and_asks_everybody_to_opt_in():
    policy = load_policy(EXAMPLE / "policy.yaml")
    assert set(policy.purposes) == {"segmentation"}
    assert policy.purposes["segmentation"].basis == {"gdpr": "consent"}
    assert policy.unknown_jurisdiction == "gdpr"
