"""Drift of features against the fit."""

import json

import numpy as np
import pandas as pd
import pytest

from models.drift import population_stability, reference
from models.frames import matrix
from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe
from tests.support.shoppers import arrays_within, shoppers, shuffled


def frame(values):
    return pd.DataFrame({"visits": np.asarray(values, dtype=float)})


def test_the_same_subjects_have_not_drifted():
    values = matrix(shoppers(100), ["visits", "gap_mean_days"])
    table = population_stability(reference(values), shuffled(values))
    assert (table["index"] == 0).all()


def test_the_index_by_hand():
    described = reference(frame([1, 2, 3, 4]), bins=2)  # halves, cut at 2.5
    assert described["visits"]["edges"] == [2.5]
    assert described["visits"]["shares"] == [0.5, 0.5, 0.0]
    found = population_stability(described, frame([1, 3, 3, 4]))["index"][0]
    assert found == pytest.approx((0.25 - 0.5) * np.log(0.5) + (0.75 - 0.5) * np.log(1.5))


def test_a_new_share_of_nulls_is_drift():
    described = reference(frame(np.arange(100)))
    now = frame(np.arange(100))
    now.loc[:39, "visits"] = np.nan
    table = population_stability(described, now)
    assert table["index"][0] > 0.25
    assert (table.null_then[0], table.null_now[0]) == (0.0, 0.4)


def test_an_empty_bin_counts_as_half_a_subject():
    described = reference(frame([1, 2, 3, 4]), bins=2)
    found = population_stability(described, frame([1, 1, 1, 1]))["index"][0]
    expected = (1 - 0.5) * np.log(1 / 0.5) + (0.125 - 0.5) * np.log(0.125 / 0.5)
    assert found == pytest.approx(expected)


def test_a_shift_is_seen_and_comes_first():
    rng = np.random.default_rng(0)
    then = pd.DataFrame({"visits": rng.normal(size=2000), "value_total": rng.normal(size=2000)})
    now = pd.DataFrame({"visits": rng.normal(size=2000), "value_total": rng.normal(1, 1, 2000)})
    table = population_stability(reference(then), now)
    assert table.feature.tolist() == ["value_total", "visits"]
    assert table["index"][0] > 0.5
    assert table["index"][1] < 0.1


def test_ties_and_nulls_alone_are_described_too():
    described = reference(frame([0] * 95 + [5] * 5))
    assert sum(described["visits"]["shares"]) == pytest.approx(1)
    assert population_stability(described, frame([0] * 50 + [5] * 50))["index"][0] > 0.25
    nulls = reference(frame([np.nan] * 3))
    assert nulls["visits"]["shares"][-1] == 1.0


def test_the_reference_of_a_model_holds_no_rows():
    data = shoppers(150)
    model = fit_model(data, Recipe("kmeans", FEATURE_SETS["everything"], 3))
    assert set(model.reference) == set(FEATURE_SETS["everything"])
    json.dumps(model.reference)
    assert all(len(one["edges"]) <= 9 for one in model.reference.values())
    assert not arrays_within(model.reference)


def test_what_cannot_be_compared_is_refused():
    described = reference(frame([1, 2, 3]))
    with pytest.raises(ValueError, match="no column for visits"):
        population_stability(described, pd.DataFrame({"other": [1.0]}))
    with pytest.raises(ValueError, match="no subjects"):
        population_stability(described, frame([]))
