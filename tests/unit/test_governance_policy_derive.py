"""What is derived from the policy: columns, classes, bands, the variables of dbt."""

import json

import pytest

from governance.policy.columns import band_labels, purpose_named
from governance.policy.derive import (
    allowed_columns,
    column_class,
    column_labels,
    dbt_vars,
    like_pattern,
)
from governance.policy.load import parse_policy
from governance.policy.model import Allowance
from governance.policy.words import DELICACY, AttributeClass
from tests.fixtures.governance_policy import SMALL, poisoned
from warehouse.errors import PolicyGapError, UsageError

POLICY = parse_policy(SMALL)
VARS = dbt_vars(POLICY)


def test_the_variables_are_plain_json():
    assert json.loads(json.dumps(VARS)) == VARS


def test_time_zone_regimes_and_ages():
    assert VARS["time_zone"] == "Europe/Berlin"
    assert VARS["unknown_regime"] == "gdpr"
    assert VARS["regimes"] == [
        {"jurisdiction": "EU", "regime": "gdpr", "age_of_consent": 16},
        {"jurisdiction": "UK", "regime": "gdpr", "age_of_consent": 13},
        {"jurisdiction": "US-CA", "regime": "ccpa", "age_of_consent": 13},
    ]
    assert VARS["regime_rules"] == [
        {"regime": "gdpr", "age_of_consent": 16, "opt_in_below": 0,
         "opt_in_outlasts_signal": False},
        {"regime": "ccpa", "age_of_consent": 13, "opt_in_below": 16,
         "opt_in_outlasts_signal": True},
    ]  # fmt: skip


def test_a_purpose_with_its_flags_and_days():
    by_name = {p["purpose"]: p for p in VARS["purposes"]}
    assert list(by_name) == ["segmentation", "offers", "recipes", "bias_monitoring"]
    assert by_name["offers"] == {
        "purpose": "offers",
        "notice_version": 3,
        "consent_valid_days": 365,
        "covers_earlier_data": False,
        "sale_or_share": True,
        "direct_marketing": True,
        "sensitive": False,
        "snapshots": 2,
        "retention": {"household_size": 200, "category": 201},
        "behaviour_retention_days": 201,  # household_size is no attribute of a transaction
    }
    assert by_name["segmentation"]["behaviour_retention_days"] == 401  # the least of three
    assert by_name["segmentation"]["snapshots"] == 1
    assert by_name["bias_monitoring"]["behaviour_retention_days"] is None


def test_bases_are_listed_for_every_purpose_and_regime():
    assert len(VARS["bases"]) == 4 * 2
    assert {"purpose": "segmentation", "regime": "ccpa", "basis": "opt_out"} in VARS["bases"]
    assert {"purpose": "segmentation", "regime": "gdpr", "basis": "consent"} in VARS["bases"]


def test_special_values_become_escaped_patterns_in_lower_case():
    assert VARS["special_values"] == [{"attribute": "category", "pattern": r"%pharm_\_100\%%"}]


@pytest.mark.parametrize(
    ("pattern", "value", "reveals"),
    [
        ("*PHARM*", "In-store Pharmacy", True),
        ("RX", "rx", True),
        ("RX", "RX 2", False),
        ("A?C", "abc", True),
        ("A?C", "ac", False),
        ("100%", "100%", True),
        ("100%", "1000", False),
        ("A_C", "a_c", True),
        ("A_C", "abc", False),
        ("back\\slash*", "BACK\\SLASHES", True),
        ("back\\*", "back*", False),
        ("'); drop table x; --*", "'); DROP TABLE x; --", True),
    ],
)
def test_duckdb_reads_the_patterns_as_they_are_meant(pattern, value, reveals):
    import duckdb

    found = duckdb.execute("select lower(?) like ? escape '\\'", [value, like_pattern(pattern)])
    assert found.fetchone() == (reveals,)


def test_bands_by_purpose_and_attribute():
    assert VARS["bands"] == {
        "segmentation": {},
        "offers": {
            "household_size": [
                {"label": "one", "values": ["1"]},
                {"label": "more", "values": ["2", "3+"]},
            ]
        },
        "recipes": {},
        "bias_monitoring": {
            "age_years": [
                {"label": "under 35", "at_least": None, "below": 35},
                {"label": "35-54", "at_least": 35, "below": 55},
                {"label": "55 and over", "at_least": 55, "below": None},
            ]
        },
    }


@pytest.mark.parametrize(
    ("cuts", "labels"),
    [
        ((1,), ("under 1", "1 and over")),
        ((1, 2, 4), ("under 1", "1", "2-3", "4 and over")),
        ((0.5, 1.5), ("under 0.5", "0.5 to under 1.5", "1.5 and over")),
        ((-5, 0), ("under -5", "-5 to under 0", "0 and over")),
        ((1.0, 10.0), ("under 1", "1-9", "10 and over")),
    ],
)
def test_labels_of_cuts(cuts, labels):
    assert band_labels(Allowance(form="banded", retention_days=1, bands=cuts)) == labels


def test_allowed_columns_are_those_of_the_purpose():
    assert allowed_columns(POLICY, "segmentation") == {
        "value_total": frozenset({"value"}),
        "visits": frozenset({"basket_id", "occurred_at"}),
    }


@pytest.mark.parametrize(
    ("purpose", "column", "expected"),
    [
        ("segmentation", "value_total", "behaviour"),
        ("segmentation", "visits", "pseudonym"),  # of pseudonym and behaviour
        ("offers", "household_size_band", "quasi_identifier"),
        ("recipes", "allergies", "special_category"),
        ("bias_monitoring", "age_band", "protected"),
    ],
)
def test_a_column_takes_the_most_delicate_class(purpose, column, expected):
    assert column_class(POLICY, purpose, column) == expected


def test_every_class_has_its_place_in_the_order():
    assert sorted(DELICACY) == sorted(AttributeClass.__args__)


def test_banded_columns_have_labels_and_others_none():
    assert column_labels(POLICY, "offers", "household_size_band") == ("one", "more")
    assert column_labels(POLICY, "bias_monitoring", "age_band") == (
        "under 35", "35-54", "55 and over",
    )  # fmt: skip
    assert column_labels(POLICY, "bias_monitoring", "income") is None


def test_a_purpose_that_the_policy_does_not_know_is_a_mistake():
    with pytest.raises(UsageError, match="no such purpose\n  -> did you mean 'offers'"):
        allowed_columns(POLICY, "offer")
    with pytest.raises(UsageError, match="'custody' is built in"):
        purpose_named(POLICY, "custody")


def test_a_column_that_the_policy_does_not_know_is_a_gap():
    with pytest.raises(PolicyGapError, match=r"add it under purposes\.offers\.columns"):
        column_class(POLICY, "offers", "age")


def test_no_band_without_the_policy_saying_so():
    raw = poisoned("bands: [35, 55]}", "bands: [40]}")
    bands = dbt_vars(parse_policy(raw))["bands"]["bias_monitoring"]["age_years"]
    assert [band["label"] for band in bands] == ["under 40", "40 and over"]
