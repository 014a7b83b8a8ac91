"""Why a subject changed segment."""

import json

import numpy as np
import pandas as pd
import pytest

from models import store
from models.deciding import deciding
from models.explain import explain_change, explain_place
from models.frames import matrix
from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe, rfm_quantiles
from tests.support.shoppers import shoppers

FRAME = shoppers(200)
RECIPES = [
    Recipe("kmeans", FEATURE_SETS["rfm and rhythm"], 4),
    Recipe("mixture", FEATURE_SETS["rfm and rhythm"], 4),
    rfm_quantiles(4),
]


def decided(model):
    """Return a model as it decides, as it comes back from its file."""
    return deciding(json.loads(json.dumps(store.deciding(model))))


def change_of(before, after, model):
    """Return a change and its parts as a table."""
    change = explain_change(dict(before), dict(after), decided(model))
    return change, pd.DataFrame(change.parts)


def place_of(row, known, model):
    """Return a place and its parts as a table."""
    place = explain_place(dict(row), known.to_dict("index"), decided(model))
    return place, pd.DataFrame(place.parts)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_every_row_is_where_the_fitted_pipeline_puts_it(recipe):
    """Rows with nulls, too."""
    model = fit_model(FRAME, recipe)
    frame = matrix(FRAME, recipe.features)
    frame.iloc[::7, 1] = np.nan
    read_back = decided(model)
    rows = frame.to_dict("records")
    assert [read_back.assign(row) for row in rows] == model.assign(frame).tolist()
    prepared = model.pipeline.named_steps["prepare"].transform(frame)
    assert np.array_equal([read_back.prepared(row) for row in rows], prepared)
    assert read_back.facts == model.facts


@pytest.mark.parametrize(
    "said", [{}, {"learnt": {}}, {"learnt": None}, {"learnt": {"RFMQuantiles": {}}}]
)
def test_what_is_no_model_is_refused(said):
    with pytest.raises(ValueError, match="no parameters of a model"):
        deciding(said)


def movers(model):
    """Return rows of two subjects in the lowest and the highest segment."""
    segments = model.assign(FRAME)
    return FRAME[segments == 1].iloc[0], FRAME[segments == 4].iloc[0]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_the_parts_add_up_and_come_in_order(recipe):
    model = fit_model(FRAME, recipe)
    before, after = movers(model)
    change, table = change_of(before, after, model)
    assert (change.source, change.target) == (1, 4)
    assert set(table.feature) == set(recipe.features)
    assert table.contribution.is_monotonic_decreasing
    assert table.share.sum() == pytest.approx(1)
    assert table.contribution.sum() > 0


def test_the_parts_are_the_growth_of_the_lead():
    model = fit_model(FRAME, RECIPES[0])
    before, after = movers(model)
    prepared = model.pipeline.named_steps["prepare"].transform(
        matrix(FRAME.loc[[before.name, after.name]], model.recipe.features)
    )
    centres = model.pipeline.named_steps["group"].cluster_centers_
    distances = ((prepared[:, None, :] - centres) ** 2).sum(axis=2)
    leads = distances[:, 0] - distances[:, 3]
    total = change_of(before, after, model)[1].contribution.sum()
    assert total == pytest.approx(leads[1] - leads[0])


def test_only_what_changed_contributes():
    model = fit_model(FRAME, RECIPES[0])
    before, _ = movers(model)
    after = before.to_dict() | {"visits_8w": before.visits_8w + 40}
    table = change_of(before, after, model)[1].set_index("feature")
    assert table.contribution.drop("visits_8w").eq(0).all()
    assert table.loc["visits_8w", "before"] == before.visits_8w
    assert table.loc["visits_8w", "after"] == before.visits_8w + 40


def test_the_sentence_names_both_segments_and_the_chief_reasons():
    model = fit_model(FRAME, RECIPES[0]).with_names({1: "Lapsed visitors", 4: "Frequent shoppers"})
    before, after = movers(model)
    change, table = change_of(before, after, model)
    assert change.sentence.startswith("Moved from 'Lapsed visitors' to 'Frequent shoppers': ")
    assert table.label.iloc[0] in change.sentence


def test_staying_is_said_too():
    model = fit_model(FRAME, RECIPES[0])
    before, _ = movers(model)
    change, table = change_of(before, before, model)
    assert change.sentence == "Stays in 'Segment 1'."
    assert (table.contribution == 0).all()


def test_an_unknown_value_is_said_to_be_unknown():
    model = fit_model(FRAME, Recipe("kmeans", ("gap_mean_days", "visits"), 4))
    before, after = (
        {"gap_mean_days": np.nan, "visits": 1.0},
        {"gap_mean_days": 2.0, "visits": 150.0},
    )
    change, _ = change_of(before, after, model)
    assert change.source != change.target
    assert "days between visits went from unknown to 2" in change.sentence


def typical(model):
    """Return the median figures by segment id."""
    return FRAME[list(model.recipe.features)].groupby(model.assign(FRAME)).median()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_a_place_is_the_one_assigned_and_its_parts_come_in_order(recipe):
    model = fit_model(FRAME, recipe).with_names({1: "Lapsed visitors", 4: "Frequent shoppers"})
    for row in movers(model):
        place, table = place_of(row, typical(model), model)
        assert place.segment == model.assign(FRAME.loc[[row.name]]).iloc[0]
        assert place.rival in set(model.ids) - {place.segment}
        assert set(table.feature) == set(recipe.features)
        assert table.contribution.is_monotonic_decreasing
        assert table.share.sum() == pytest.approx(1)
        assert place.sentence.startswith(f"In {model.name_of(place.segment)!r} rather than in ")
        assert f"{table.label.iloc[0]} " in place.sentence
        first = table.set_index("feature").loc["visits"]
        assert first["value"] == row.visits
        assert first["typical"] == typical(model).loc[place.segment, "visits"]
        assert first["typical_of_rival"] == typical(model).loc[place.rival, "visits"]


def test_a_share_of_the_mix_counts_as_a_column():
    """As rows from the warehouse have it, where the mix itself isn't read."""
    frame = FRAME.assign(**{"mix:MEAT": np.linspace(0, 1, len(FRAME))})
    model = fit_model(frame, Recipe("kmeans", ("visits", "mix:MEAT"), 3))
    known = frame[["visits", "mix:MEAT"]].groupby(model.assign(frame)).median()
    row = frame.drop(columns="category_mix").iloc[7]
    table = place_of(row, known, model)[1].set_index("feature")
    assert table.loc["mix:MEAT", "value"] == row["mix:MEAT"]
    assert change_of(row, row, model)[0].source == model.assign(frame).iloc[7]


def test_the_rival_is_the_next_best_that_has_members():
    model = fit_model(FRAME, RECIPES[0])
    _, row = movers(model)
    known = typical(model)
    prepared = model.pipeline.named_steps["prepare"].transform(
        matrix(FRAME.loc[[row.name]], model.recipe.features)
    )
    centres = model.pipeline.named_steps["group"].cluster_centers_
    order = [model.ids[g] for g in np.argsort(((prepared - centres) ** 2).sum(axis=1))]
    assert place_of(row, known, model)[0].rival == order[1]
    assert place_of(row, known.drop(order[1]), model)[0].rival == order[2]
    alone, _ = place_of(row, known.loc[[4]], model)
    assert (alone.rival, alone.sentence) == (4, "In 'Segment 4', the only segment.")


def test_what_too_few_members_have_is_said_to_be_that():
    model = fit_model(FRAME, Recipe("kmeans", ("gap_mean_days", "visits"), 4))
    _, row = movers(model)
    place, table = place_of(row, typical(model)[["visits"]], model)
    assert table.set_index("feature").typical.isna().to_dict() == {
        "gap_mean_days": True, "visits": False,
    }  # fmt: skip
    assert "(typical: too few to tell, there too few to tell)" in place.sentence


def test_a_missing_feature_is_named():
    model = fit_model(FRAME, RECIPES[2])
    with pytest.raises(ValueError, match="no column 'visits'"):
        change_of({"recency_days": 1.0}, {"recency_days": 2.0}, model)
