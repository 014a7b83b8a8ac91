"""Why a subject changed segment."""

import numpy as np
import pytest

from models.explain import explain_change
from models.features import matrix
from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe, rfm_quantiles
from tests.support.shoppers import shoppers

FRAME = shoppers(200)
RECIPES = [
    Recipe("kmeans", FEATURE_SETS["rfm and rhythm"], 4),
    Recipe("mixture", FEATURE_SETS["rfm and rhythm"], 4),
    rfm_quantiles(4),
]


def movers(model):
    """Return rows of two subjects in the lowest and the highest segment."""
    segments = model.assign(FRAME)
    return FRAME[segments == 1].iloc[0], FRAME[segments == 4].iloc[0]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_the_parts_add_up_and_come_in_order(recipe):
    model = fit_model(FRAME, recipe)
    before, after = movers(model)
    change = explain_change(before, after, model)
    assert (change.source, change.target) == (1, 4)
    assert set(change.table.feature) == set(recipe.features)
    assert change.table.contribution.is_monotonic_decreasing
    assert change.table.share.sum() == pytest.approx(1)
    assert change.table.contribution.sum() > 0


def test_the_parts_are_the_growth_of_the_lead():
    model = fit_model(FRAME, RECIPES[0])
    before, after = movers(model)
    prepared = model.pipeline.named_steps["prepare"].transform(
        matrix(FRAME.loc[[before.name, after.name]], model.recipe.features)
    )
    centres = model.pipeline.named_steps["group"].cluster_centers_
    distances = ((prepared[:, None, :] - centres) ** 2).sum(axis=2)
    leads = distances[:, 0] - distances[:, 3]
    total = explain_change(before, after, model).table.contribution.sum()
    assert total == pytest.approx(leads[1] - leads[0])


def test_only_what_changed_contributes():
    model = fit_model(FRAME, RECIPES[0])
    before, _ = movers(model)
    after = before.to_dict() | {"visits_8w": before.visits_8w + 40}
    table = explain_change(before, after, model).table.set_index("feature")
    assert table.contribution.drop("visits_8w").eq(0).all()
    assert table.loc["visits_8w", "before"] == before.visits_8w
    assert table.loc["visits_8w", "after"] == before.visits_8w + 40


def test_the_sentence_names_both_segments_and_the_chief_reasons():
    model = fit_model(FRAME, RECIPES[0]).with_names({1: "Lapsed visitors", 4: "Frequent shoppers"})
    before, after = movers(model)
    change = explain_change(before, after, model)
    assert change.sentence.startswith("Moved from 'Lapsed visitors' to 'Frequent shoppers': ")
    assert change.table.label.iloc[0] in change.sentence


def test_staying_is_said_too():
    model = fit_model(FRAME, RECIPES[0])
    before, _ = movers(model)
    change = explain_change(before, before, model)
    assert change.sentence == "Stays in 'Segment 1'."
    assert (change.table.contribution == 0).all()


def test_an_unknown_value_is_said_to_be_unknown():
    model = fit_model(FRAME, Recipe("kmeans", ("gap_mean_days", "visits"), 4))
    before, after = (
        {"gap_mean_days": np.nan, "visits": 1.0},
        {"gap_mean_days": 2.0, "visits": 150.0},
    )
    change = explain_change(before, after, model)
    assert change.source != change.target
    assert "days between visits went from unknown to 2" in change.sentence


def test_a_missing_feature_is_named():
    model = fit_model(FRAME, RECIPES[2])
    with pytest.raises(ValueError, match="no column 'visits'"):
        explain_change({"recency_days": 1.0}, {"recency_days": 2.0}, model)
