"""The registry of features, and reading them from a frame."""

import numpy as np
import pandas as pd
import pytest

from models.deciding import SHAPES
from models.features import FEATURES, feature, shape_of
from models.frames import available, describe, matrix, mix_totals, shares, top_mix_features
from tests.support.shoppers import CATEGORIES, shoppers


def test_every_feature_says_what_it_is():
    table = describe()
    assert list(table.feature) == list(FEATURES)
    assert (table.unit.str.len() > 0).all()
    assert (table.definition.str.len() > 10).all()
    labels = [one.label for one in FEATURES.values()]
    assert len(set(labels)) == len(labels)


def test_a_null_has_a_meaning_where_it_can_occur():
    for one in FEATURES.values():
        if one.missing == "high" or one.name in ("gap_variation", "value_trend"):
            assert one.why_missing


def test_a_column_outside_the_registry_is_refused():
    frame = shoppers(10).assign(age=40.0)
    with pytest.raises(ValueError, match="'age' is not a feature"):
        matrix(frame, ["age"])
    with pytest.raises(ValueError, match="is not a feature"):
        feature("mix:")


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="no column 'visits'"):
        matrix(shoppers(10).drop(columns="visits"), ["visits"])
    with pytest.raises(ValueError, match="no column 'category_mix'"):
        matrix(shoppers(10).drop(columns="category_mix"), ["mix:DELI"])


def test_a_wrong_value_is_not_shown():
    frame = shoppers(10)
    frame["visits"] = "Jane Doe"
    with pytest.raises(ValueError, match="other than numbers") as caught:
        matrix(frame, ["visits"])
    assert "Jane" not in str(caught.value)


def test_an_infinite_value_is_refused():
    frame = shoppers(10)
    frame.loc[frame.index[0], "value_total"] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        matrix(frame, ["value_total"])


def test_decimals_and_nullable_integers_become_floats():
    from decimal import Decimal

    frame = pd.DataFrame(
        {"value_total": [Decimal("1.50"), None], "visits": pd.array([3, None], dtype="Int64")}
    )
    values = matrix(frame, ["value_total", "visits"])
    assert values.dtypes.unique().tolist() == [np.dtype("float64")]
    assert values.iloc[0].tolist() == [1.5, 3.0]
    assert values.iloc[1].isna().all()


def test_features_without_a_source_are_left_out_and_listed():
    frame = shoppers(20).drop(columns="tenure_days")
    frame["discount_share"] = None
    used, left_out = available(frame)
    assert left_out == ["tenure_days", "discount_share"]
    assert "visits" in used
    assert available(frame, ["mix:DELI"]) == (["mix:DELI"], [])
    assert available(frame.drop(columns="category_mix"), ["mix:DELI"]) == ([], ["mix:DELI"])


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"A": 0.25, "B": 0.75}, {"A": 0.25, "B": 0.75}),
        ([("A", 1)], {"A": 1.0}),  # how a map comes through Arrow
        (None, {}),
        (float("nan"), {}),
        ({}, {}),
        ({"A": None}, {}),
    ],
)
def test_a_category_mix_comes_in_several_forms(mix, expected):
    assert shares(mix) == expected


def test_a_share_of_the_mix_is_a_feature():
    frame = pd.DataFrame({"category_mix": [{"DELI": 0.4, "MEAT": 0.6}, {"MEAT": 1.0}, None]})
    values = matrix(frame, ["mix:DELI"])["mix:DELI"]
    assert values.iloc[:2].tolist() == [0.4, 0.0]
    assert np.isnan(values.iloc[2])  # nothing known is not the same as none


def test_the_largest_categories_are_named_first():
    mixes = [{"A": 0.2, "B": 0.8}, {"B": 0.5, "C": 0.5}, None]
    assert mix_totals(mixes) == {"A": 0.2, "B": 1.3, "C": 0.5}
    assert top_mix_features(pd.DataFrame({"category_mix": mixes}), 1, 2) == ["mix:B", "mix:C"]
    assert top_mix_features(pd.DataFrame({"category_mix": mixes}), 2) == ["mix:B"]  # C: one buyer
    assert top_mix_features(pd.DataFrame({"visits": [1]}), 1) == []
    assert len(top_mix_features(shoppers(50), 1, 9)) == len(CATEGORIES)


def test_tails_are_shaped_by_kind():
    assert shape_of("visits", "root") == "root"
    assert shape_of("visits", "log") == "log"
    assert shape_of("recency_days", "root") == "log"
    assert shape_of("value_trend", "log") == "none"


@pytest.mark.parametrize("shape", list(SHAPES))
def test_shapes_keep_order_sign_and_zero(shape):
    values = np.array([-100.0, -1.0, 0.0, 0.5, 1.0, 1e6])
    shaped = SHAPES[shape](values)
    assert (np.diff(shaped) > 0).all()
    assert (np.sign(shaped) == np.sign(values)).all()
