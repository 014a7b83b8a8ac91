"""Recipes and named feature sets."""

import pytest

from models.features import FEATURES
from models.recipe import FEATURE_SETS, RFM, Recipe, build, feature_sets, rfm_quantiles


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "dbscan"}, "method is 'dbscan'"),
        ({"scale": "cube"}, "scale is 'cube'"),
        ({"features": ()}, "names no features"),
        ({"features": ("visits", "visits")}, "twice"),
        ({"features": ("visits", "age_years")}, "'age_years' is not a feature"),
    ],
)
def test_an_impossible_recipe_is_refused(changes, message):
    good = {"method": "kmeans", "features": ("visits",), "n_segments": 3}
    with pytest.raises(ValueError, match=message):
        Recipe(**(good | changes))


def test_titles_tell_recipes_apart():
    recipes = [
        Recipe("kmeans", RFM, 3, "root", "rfm"),
        Recipe("kmeans", RFM, 3, "log", "rfm"),
        Recipe("kmeans", RFM, 4, "root", "rfm"),
        Recipe("mixture", RFM, 3, "root", "rfm"),
        rfm_quantiles(3),
    ]
    assert len({recipe.title() for recipe in recipes}) == len(recipes)


def test_every_named_set_is_made_of_features():
    for members in FEATURE_SETS.values():
        assert set(members) <= set(FEATURES)
        assert {"visits", "value_total"} <= set(members)  # the whole window, not just of late


def test_sets_lose_what_is_forbidden_or_without_a_source():
    used = [name for name in FEATURES if name != "gap_mean_days"]
    sets = feature_sets(used, forbidden={"visits_8w"})
    assert all("visits_8w" not in members for members in sets.values())
    assert all("gap_mean_days" not in members for members in sets.values())
    assert sets["rfm and rhythm"] == (*RFM, "value_8w", "gap_variation")


def test_sets_that_come_to_the_same_are_offered_once():
    sets = feature_sets(["visits", "value_total"])
    assert sets == {"rfm": ("visits", "value_total")}
    assert feature_sets([]) == {}


def test_the_category_mix_is_offered_unless_forbidden():
    sets = feature_sets(["visits"], mix=["mix:DELI", "mix:MEAT"], forbidden={"mix:MEAT"})
    assert sets["activity and category mix"] == ("visits", "mix:DELI")
    assert "activity and category mix" not in feature_sets(["visits"], ["mix:DELI"], {"mix:DELI"})


def test_the_pipeline_treats_each_feature_as_registered():
    pipeline = build(Recipe("kmeans", ("visits", "gap_mean_days", "value_trend"), 4, seed=3), 2)
    assert pipeline.named_steps["prepare"].shapes == ["root", "log", "none"]
    assert pipeline.named_steps["prepare"].missing == ["zero", "high", "zero"]
    group = pipeline.named_steps["group"]
    assert (group.n_segments, group.n_starts, group.random_state) == (4, 2, 3)
