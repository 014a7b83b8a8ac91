"""Fitting a recipe to a frame and assigning subjects."""

import pytest

from models import model as model_module
from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe, rfm_quantiles
from tests.support.shoppers import shoppers, shuffled

RECIPE = Recipe("kmeans", FEATURE_SETS["rfm and recent activity"], 3)


def test_every_subject_gets_a_segment_whatever_its_nulls():
    frame = shoppers(120)
    assert frame.gap_mean_days.isna().any()
    fitted = fit_model(frame, Recipe("kmeans", FEATURE_SETS["everything"], 3))
    segments = fitted.assign(frame)
    assert segments.index.equals(frame.index)
    assert segments.name == "segment"
    assert set(segments) == {1, 2, 3}


def test_an_assignment_belongs_to_the_subject_not_to_its_place():
    frame = shoppers(120)
    fitted = fit_model(frame, RECIPE)
    again = fitted.assign(shuffled(frame))
    assert again.sort_index().equals(fitted.assign(frame).sort_index())


def test_chunks_change_nothing(monkeypatch):
    frame = shoppers(120)
    fitted = fit_model(frame, RECIPE)
    whole = fitted.assign(frame)
    monkeypatch.setattr(model_module, "CHUNK_ROWS", 7)
    assert fitted.assign(frame).equals(whole)


def test_nobody_can_be_assigned_too():
    frame = shoppers(120)
    assert fit_model(frame, RECIPE).assign(frame.iloc[:0]).empty


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="no subjects"):
        fit_model(shoppers(10).iloc[:0], RECIPE)
    with pytest.raises(ValueError, match="no column 'visits'"):
        fit_model(shoppers(10).drop(columns="visits"), RECIPE)
    with pytest.raises(ValueError, match="'visits_8w' has no value"):
        fit_model(shoppers(10).assign(visits_8w=None), RECIPE)
    with pytest.raises(ValueError, match="ask for fewer segments"):
        fit_model(shoppers(2), RECIPE)


def test_a_segment_without_a_name_has_its_number():
    fitted = fit_model(shoppers(60), rfm_quantiles(3)).with_names({1: "Lapsed visitors"})
    assert fitted.name_of(1) == "Lapsed visitors"
    assert fitted.name_of(2) == "Segment 2"


def test_facts_are_added_not_replaced():
    fitted = fit_model(shoppers(60), RECIPE).with_facts(as_of="2017-12-31").with_facts(code="1")
    assert fitted.facts == {"as_of": "2017-12-31", "code": "1"}
