"""Keeping models in files, and comparing them."""

import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans

from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe, rfm_quantiles
from models.store import fingerprint, load, parameters, save
from tests.support.shoppers import arrays_within, shoppers, shuffled

COUNT = 211
FRAME = shoppers(COUNT)
SETS = FEATURE_SETS["rfm and rhythm"]
RECIPES = [Recipe("kmeans", SETS, 3), Recipe("mixture", SETS, 3, "log"), rfm_quantiles(3)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_a_model_comes_back_as_it_was(recipe, tmp_path):
    model = fit_model(FRAME, recipe).with_names({1: "Lapsed visitors"}).with_facts(as_of="2017")
    path = tmp_path / "model.skops"
    save(model, path)
    loaded = load(path)
    assert parameters(loaded) == parameters(model)
    assert loaded.assign(FRAME).equals(model.assign(FRAME))
    assert (loaded.recipe, loaded.ids, loaded.names) == (model.recipe, model.ids, model.names)
    assert (loaded.facts, loaded.reference) == (model.facts, model.reference)
    assert loaded.highest_id == 3


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.method)
def test_nothing_per_subject_is_held_or_stored(recipe, tmp_path):
    model = fit_model(FRAME, recipe)
    path = tmp_path / "model.skops"
    save(model, path)
    for held in (model, load(path)):
        arrays = arrays_within(held)
        assert arrays
        assert all(COUNT not in array.shape for array in arrays)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                assert COUNT not in np.load(archive.open(name), allow_pickle=False).shape


def test_the_scan_finds_what_is_per_subject():
    labelled = KMeans(3, n_init=1, random_state=0).fit(FRAME[["visits", "value_8w"]])
    assert any(COUNT in array.shape for array in arrays_within({"model": [labelled]}))


def test_a_model_with_labels_is_not_stored(tmp_path):
    model = fit_model(FRAME, RECIPES[0])
    model.pipeline.named_steps["group"].labels_ = np.zeros(COUNT)
    with pytest.raises(ValueError, match="KMeansSegments holds labels_"):
        save(model, tmp_path / "model.skops")
    assert not (tmp_path / "model.skops").exists()


def test_no_pickle_is_involved(tmp_path):
    path = tmp_path / "model.skops"
    save(fit_model(FRAME, RECIPES[0]), path)
    with zipfile.ZipFile(path) as archive:
        assert {name.rsplit(".", 1)[-1] for name in archive.namelist()} <= {"json", "npy"}


class Stranger:
    """A type that no model has."""

    def __init__(self) -> None:
        self.value = 1


def test_a_file_with_other_types_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump({"format": 1, "pipeline": Stranger()}, path)
    with pytest.raises(ValueError, match="types that a model doesn't have"):
        load(path)


@pytest.mark.parametrize("content", [b"not a zip", None])
def test_what_is_not_a_model_is_refused(content, tmp_path):
    path = tmp_path / "model.skops"
    if content is None:
        skops.io.dump({"format": 99}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.skops is not a stored model"):
        load(path)


def test_a_missing_file_is_said_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.skops is not a stored model"):
        load(tmp_path / "gone.skops")


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
