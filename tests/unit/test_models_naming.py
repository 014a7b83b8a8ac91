"""Names and one-line characters of segments."""

import pandas as pd
import pytest

from models.features import FEATURES
from models.naming import _LEVELS, _PHRASES, character, name_segments


def table(rows, medians=None):
    """Return an effect table from {segment: {feature: effect}}."""
    return pd.DataFrame(
        [
            {
                "segment": segment,
                "feature": feature,
                "effect": effect,
                "median": (medians or {}).get((segment, feature), 1.0),
            }
            for segment, effects in rows.items()
            for feature, effect in effects.items()
        ]
    )


@pytest.mark.parametrize(
    ("effects", "name"),
    [
        ({"visits": 2.5, "visits_8w": 2.5}, "Very frequent shoppers"),
        ({"visits": 1.0, "basket_value_mean": 0.9}, "Frequent big-basket shoppers"),
        ({"visits": 0.0, "basket_value_mean": -0.9}, "Regular small-basket shoppers"),
        ({"visits": -0.8, "recency_days": 0.9}, "Lapsing occasional visitors"),
        ({"visits": -1.5, "recency_days": 2.0}, "Lapsed visitors"),
        ({"visits": -1.5, "recency_days": 0.1}, "Rare visitors"),
        ({"visits": 0.0, "value_trend": 0.9}, "Growing regular shoppers"),
        ({"visits": 0.0, "value_trend": -0.9}, "Slowing regular shoppers"),
        ({"visits": 1.0, "recency_days": 1.7}, "Lapsed frequent shoppers"),
        ({}, "Regular shoppers"),
    ],
)
def test_effects_become_words(effects, name):
    assert name_segments(table({1: effects | {"tenure_days": 0.0}})) == {1: name}


def test_nobody_came_lately_means_lapsed():
    effects = {1: {"visits": -1.0, "visits_8w": -1.0, "recency_days": 0.9}}
    assert name_segments(table(effects, {(1, "visits_8w"): 0.0})) == {1: "Lapsed visitors"}
    assert name_segments(table(effects)) == {1: "Lapsing occasional visitors"}


def test_equal_names_are_told_apart_by_what_differs_most():
    rows = {
        1: {"visits": 0.0, "discount_share": -0.7, "value_total": 0.1},
        2: {"visits": 0.1, "discount_share": 0.6, "value_total": 0.2},
    }
    assert name_segments(table(rows)) == {
        1: "Regular shoppers, fewer offers",
        2: "Regular shoppers, more offers",
    }


def test_three_and_more_of_a_name_stay_unique():
    for count in (3, 5, 8):
        rows = {s: {"visits": 0.01 * s, "tenure_days": 0.1 * s} for s in range(1, count + 1)}
        names = name_segments(table(rows))
        assert len(set(names.values())) == count
        assert names[1] == "Regular shoppers, newer"
        assert names[count] == "Regular shoppers, known for longer"


def test_what_cannot_be_told_apart_is_numbered():
    names = name_segments(
        table({s: {"visits": 0.0} for s in (1, 2, 3)}).assign(effect=float("nan"))
    )
    assert sorted(names.values()) == [
        "Regular shoppers",
        "Regular shoppers (2)",
        "Regular shoppers (3)",
    ]


def test_kept_names_stay_and_others_make_way():
    rows = {
        4: {"visits": 0.0, "value_total": 0.2},
        5: {"visits": 0.0, "value_total": 0.9},
        6: {"visits": 2.5, "value_total": 2.0},
    }
    names = name_segments(table(rows), keep={4: "Regular shoppers", 6: "Old friends", 9: "Gone"})
    assert names == {4: "Regular shoppers", 5: "Regular shoppers, higher spend", 6: "Old friends"}
    clash = name_segments(table(rows), keep={4: "Same", 6: "Same"})
    assert len(set(clash.values())) == 3


def test_every_feature_has_words():
    assert set(_PHRASES) == set(FEATURES)
    assert set(_LEVELS) == set(FEATURES)


def test_the_character_names_the_strongest_of_each_kind():
    effects = table(
        {
            1: {
                "visits": 2.0, "visits_8w": 1.9, "basket_value_mean": -0.6,
                "discount_share": 0.3, "tenure_days": 0.1, "mix:DELI": 0.25,
            },
            2: {"visits": 0.1, "tenure_days": float("nan")},
        }
    )  # fmt: skip
    assert character(effects, 1) == (
        "Compared with the others: visits much more often, spends less per visit, "
        "buys a little more on offer."
    )
    assert "a little more of the spend to deli" in character(effects, 1, most=4)
    assert character(effects, 2) == "Shops much like everybody else."
