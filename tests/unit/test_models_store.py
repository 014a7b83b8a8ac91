"""Keeping models in files, and comparing them."""

import io
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans

from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe, rfm_quantiles
from models.store import dumped, fingerprint, loaded, parameters
from tests.support.shoppers import arrays_within, shoppers, shuffled

COUNT = 211
FRAME = shoppers(COUNT)
SETS = FEATURE_SETS["rfm and rhythm"]
RECIPES = [Recipe("kmeans", SETS, 3), Recipe("mixture", SETS, 3, "log"), rfm_quantiles(3)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_a_model_comes_back_as_it_was(recipe):
    model = fit_model(FRAME, recipe).with_names({1: "Lapsed visitors"}).with_facts(as_of="2017")
    back = loaded(dumped(model))
    assert parameters(back) == parameters(model)
    assert back.assign(FRAME).equals(model.assign(FRAME))
    assert (back.recipe, back.ids, back.names) == (model.recipe, model.ids, model.names)
    assert (back.facts, back.reference) == (model.facts, model.reference)
    assert back.highest_id == 3


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_nothing_per_subject_is_held_or_stored(recipe):
    model = fit_model(FRAME, recipe)
    stored = dumped(model)
    for held in (model, loaded(stored)):
        arrays = arrays_within(held)
        assert arrays
        assert all(COUNT not in array.shape for array in arrays)
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                assert COUNT not in np.load(archive.open(name), allow_pickle=False).shape


def test_the_scan_finds_what_is_per_subject():
    labelled = KMeans(3, n_init=1, random_state=0).fit(FRAME[["visits", "value_8w"]])
    assert any(COUNT in array.shape for array in arrays_within({"model": [labelled]}))


def test_a_model_with_labels_is_not_stored():
    model = fit_model(FRAME, RECIPES[0])
    model.pipeline.named_steps["group"].labels_ = np.zeros(COUNT)
    with pytest.raises(ValueError, match="KMeansSegments holds labels_"):
        dumped(model)


def test_no_pickle_is_involved():
    with zipfile.ZipFile(io.BytesIO(dumped(fit_model(FRAME, RECIPES[0])))) as archive:
        assert {name.rsplit(".", 1)[-1] for name in archive.namelist()} <= {"json", "npy"}


class Stranger:
    """A type that no model has."""

    def __init__(self) -> None:
        self.value = 1


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="types that a model doesn't have"):
        loaded(skops.io.dumps({"format": 1, "pipeline": Stranger()}))


@pytest.mark.parametrize(
    "stored", [b"not a zip", b"", skops.io.dumps({"format": 99})], ids=["text", "nothing", "other"]
)
def test_what_is_not_a_model_is_refused(stored):
    with pytest.raises(ValueError, match="it is not a stored model"):
        loaded(stored)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_equal_data_give_equal_parameters_and_others_do_not(recipe):
    model = fit_model(FRAME, recipe)
    again = fit_model(shuffled(FRAME), recipe)
    assert parameters(again) == parameters(model)
    assert fingerprint(again) == fingerprint(model)
    changed = FRAME.assign(visits=FRAME.visits * 3 + FRAME.recency_days)
    assert fingerprint(fit_model(changed, recipe)) != fingerprint(model)


def test_names_and_facts_are_not_parameters():
    model = fit_model(FRAME, RECIPES[0])
    assert fingerprint(model.with_names({1: "x"}).with_facts(a=1)) == fingerprint(model)
