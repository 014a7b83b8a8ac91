"""Choosing features, method and number of segments by the rule."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.candidates import Measured, candidates, measure, sampled
from models.features import FEATURES
from models.recipe import FEATURE_SETS, RFM, Recipe
from models.selection import Rule, _Checks, _decide, choose, standard_error
from models.stability import bootstrap_stability
from tests.support.shoppers import shoppers, shuffled

QUICK = {"n_starts": 2, "stability_resamples": 3, "resamples": 50}
RULE = Rule((3, 4), smallest=10, stability=0.5, **QUICK)
EARLIER = shoppers(260, seed=1)
CURRENT = shoppers(260, seed=2, following=False)
SLIM = [*RFM, "visits_8w", "value_8w"]
COLUMNS = [*SLIM, "following_visits", "following_value"]


@pytest.fixture(scope="module")
def choice():
    return choose(EARLIER[COLUMNS], RULE, current=CURRENT)


def test_the_chosen_one_passes_and_says_why(choice):
    row = choice.table[choice.table.verdict == "chosen"].iloc[0]
    assert row.candidate == choice.recipe.title()
    assert row.smallest >= 10
    assert row.stability >= 0.5
    assert row.behind <= row.standard_error or row.behind == 0
    for part in (choice.recipe.title(), "Stability", "smallest segment", "of spend"):
        assert part in choice.reason


def test_no_exact_size_is_told(choice):
    """Two of them that differ by a person would tell of that person."""
    assert set(choice.table.smallest % RULE.smallest) == {0}
    assert [RULE.told(size) for size in (9, 10, 19, 20)] == [0, 10, 10, 20]
    (said,) = re.findall(r"smallest segment of (\d+) or more", choice.reason)
    assert int(said) % RULE.smallest == 0


def test_features_without_a_source_are_listed(choice):
    assert set(choice.left_out) == set(FEATURES) - set(SLIM)


def test_all_methods_stand_in_one_table_with_every_measure(choice):
    table = choice.table
    assert set(table.method) == {"kmeans", "mixture", "rfm_quantiles"}
    assert table.score.is_monotonic_decreasing
    assert table[["spend_share", "visits_share", "smallest", "behind"]].notna().all(axis=None)
    best = table[table.smallest >= 10].drop_duplicates("method")
    assert best.stability.notna().all()
    np.testing.assert_allclose(table.score, (table.spend_share + table.visits_share) / 2)


def test_none_that_is_level_and_passes_is_simpler(choice):
    table = choice.table
    chosen = table[table.verdict == "chosen"].iloc[0]
    level = table[(table.behind <= table.standard_error) & (table.verdict == "passes")]
    assert (level.segments >= chosen.segments).all()
    same = level[level.segments == chosen.segments]
    assert (same.features >= chosen.features).all()


def test_what_is_in_force_stays_if_it_passes_and_none_is_better(choice):
    table = choice.table
    level = table[(table.behind <= table.standard_error) & table.verdict.isin(["level", "passes"])]
    recipes, _ = candidates(EARLIER[COLUMNS], (3, 4), smallest=10)
    kept = next(r for r in recipes if r.title() in set(level.candidate))
    again = choose(EARLIER[COLUMNS], RULE, current=CURRENT, in_force=kept)
    assert again.recipe == kept != choice.recipe
    assert "in force already" in again.reason
    worst = table[table.verdict == "behind"].iloc[-1].candidate
    behind = next(r for r in recipes if r.title() == worst)
    other = choose(EARLIER[COLUMNS], RULE, current=CURRENT, in_force=behind)
    assert other.recipe == choice.recipe


def test_the_order_of_rows_plays_no_part(choice):
    again = choose(shuffled(EARLIER[COLUMNS]), RULE, current=shuffled(CURRENT))
    assert again.recipe == choice.recipe
    assert again.table.equals(choice.table)


def test_a_forbidden_feature_is_in_no_candidate():
    found, _ = candidates(EARLIER, (3, 4), smallest=10, forbidden={"value_total", "mix:GROCERY"})
    assert found
    assert not {"value_total", "mix:GROCERY"} & {name for one in found for name in one.features}
    assert all(one.method != "rfm_quantiles" for one in found)  # it would need value_total


def test_the_judge_can_turn_down_what_would_be_chosen(choice):
    asked = []

    def judge(recipe, segments):
        asked.append((recipe, len(segments), segments.index.equals(CURRENT.index)))
        return "too telling" if recipe == choice.recipe else ""

    other = choose(EARLIER[COLUMNS], RULE, current=CURRENT, judge=judge)
    assert other.recipe != choice.recipe
    assert (choice.recipe, 260, True) in asked
    row = other.table.set_index("candidate").loc[choice.recipe.title()]
    assert (row.verdict, row.remark) == ("turned down", "too telling")


def test_nobody_is_chosen_if_nobody_passes():
    with pytest.raises(ValueError, match="no candidate has 500 subjects"):
        choose(EARLIER[COLUMNS], Rule((3, 3), smallest=500, **QUICK))
    with pytest.raises(ValueError, match=r"asked for: 1\.01"):
        choose(EARLIER[COLUMNS], Rule((4, 4), smallest=2, stability=1.01, **QUICK))


def test_segments_must_be_large_enough_now_too():
    few = CURRENT.head(40)
    with pytest.raises(ValueError, match="smallest segment now"):
        choose(EARLIER[COLUMNS], Rule((3, 3), smallest=30, stability=0.0, **QUICK), current=few)


def test_everything_is_measured_if_asked():
    rule = Rule((3, 3), smallest=10, stability=0.0, methods=("kmeans",), **QUICK)
    table = choose(EARLIER[COLUMNS], rule, measure_all=True).table
    assert table.stability.notna().all()


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (EARLIER, {"rule": Rule((1, 3))}, "at least 2"),
        (EARLIER, {"rule": Rule((5, 4))}, "from at least 2 upwards"),
        (EARLIER, {"forbidden": [*FEATURES, *(f"mix:{c}" for c in "ABC")]}, "no feature is left"),
        (EARLIER[SLIM], {}, "no column 'following_value'"),
        (EARLIER.iloc[:0], {}, "no feature is left"),
        (EARLIER, {"judge": lambda *_: ""}, "a judge needs"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(frame, arguments, message):
    rule = arguments.pop("rule", Rule((3, 3), **QUICK))
    keep = [c for c in frame.columns if c != "category_mix"]
    with pytest.raises(ValueError, match=message):
        choose(frame[keep], rule, **arguments)


def test_a_candidate_that_cannot_be_fitted_is_shown_as_failed():
    frame = EARLIER[COLUMNS].assign(visits=1.0, value_total=1.0, value_8w=0.0)
    recipes = [Recipe("kmeans", ("visits", "value_total"), 3), Recipe("kmeans", SLIM_SET, 3)]
    first, second = measure(recipes, frame, subjects=260, resamples=5, n_starts=1)
    assert "rows differ" in first.failure
    assert not second.failure
    assert second.smallest > 0


SLIM_SET = tuple(SLIM)


def test_large_frames_are_sampled_and_sizes_scaled_up():
    recipe = [Recipe("kmeans", SLIM_SET, 3)]
    few = sampled(EARLIER, recipe, 130, seed=0)
    assert len(few) == 130
    whole = measure(recipe, EARLIER, subjects=260, resamples=5, n_starts=3)[0]
    part = measure(recipe, few, subjects=260, resamples=5, n_starts=3)[0]
    assert part.smallest == pytest.approx(whole.smallest, rel=0.5)
    assert part.score == pytest.approx(whole.score, abs=0.15)


def test_the_smallest_segment_counts_up_to_all_of_whom_the_frame_is_a_sample():
    rule = replace(RULE, smallest=1000)
    with pytest.raises(ValueError, match="no candidate has 1000 subjects"):
        choose(EARLIER[COLUMNS], rule)
    found = choose(EARLIER[COLUMNS], rule, subjects=26_000)
    chosen = found.table[found.table.verdict == "chosen"].iloc[0]
    assert 1000 <= chosen.smallest < 26_000


def test_a_sample_of_many_is_one_whatever_their_order():
    recipes, _ = candidates(EARLIER, (3, 3), smallest=10, seed=5)
    assert any("mix:" in name for recipe in recipes for name in recipe.features)
    assert candidates(shuffled(EARLIER), (3, 3), smallest=10, seed=5)[0] == recipes
    one, other = (sampled(frame, recipes, 90, seed=5) for frame in (EARLIER, shuffled(EARLIER)))
    assert one.equals(other)


def test_true_groups_are_stable_and_too_many_are_not():
    three = bootstrap_stability(EARLIER, Recipe("kmeans", ("visits", "visits_8w"), 3), resamples=5)
    noise = Recipe("kmeans", ("value_trend", "discount_share", "category_concentration"), 8)
    assert three > 0.85
    assert bootstrap_stability(EARLIER, noise, resamples=5) < 0.75


def test_stability_does_not_depend_on_the_order_of_rows():
    recipe = Recipe("kmeans", FEATURE_SETS["rfm"], 4)
    one = bootstrap_stability(EARLIER, recipe, resamples=3, n_starts=2)
    assert bootstrap_stability(shuffled(EARLIER), recipe, resamples=3, n_starts=2) == one


DRAWS = np.random.default_rng(0).normal(0, 1, 400)


def measured(segments, score, features=3, noise=0.0, smallest=100):
    """Return a candidate whose score differs from that of a noiseless one with this error."""
    recipe = Recipe("kmeans", tuple(FEATURES)[:features], segments)
    return Measured(recipe, {}, score, score + noise * DRAWS, smallest)


def decide(ones, objections=None):
    rule = Rule(smallest=50)
    told = {one.recipe: "" for one in ones} | {
        ones[i].recipe: why for i, why in (objections or {}).items()
    }
    best, chosen = _decide(ones, _Checks(rule, EARLIER, None, None, {}, told))
    return ones.index(best), ones.index(chosen)


def test_within_one_standard_error_the_fewest_segments_win():
    ones = [measured(8, 0.60), measured(5, 0.59, noise=0.02), measured(4, 0.59, noise=0.005)]
    assert standard_error(ones[0], ones[1]) == pytest.approx(0.02, rel=0.1)
    assert decide(ones) == (0, 1)  # 4 segments are 2 standard errors behind


def test_of_equal_segments_the_fewest_features_win_then_the_highest_score():
    ones = [
        measured(5, 0.60, features=4),
        measured(5, 0.59, features=2, noise=0.02),
        measured(5, 0.595, features=3, noise=0.02),
        measured(6, 0.60, features=1, noise=0.02),
    ]
    assert decide(ones) == (0, 1)
    same = [measured(5, 0.60), measured(6, 0.61), measured(6, 0.60, features=4, noise=0.02)]
    assert decide(same) == (1, 1)


def test_the_best_is_the_best_of_those_that_pass():
    ones = [measured(8, 0.7), measured(7, 0.65, smallest=49), measured(6, 0.6), measured(5, 0.5)]
    assert decide(ones, {0: "unstable"}) == (2, 2)
    level = [measured(8, 0.60), measured(4, 0.59, noise=0.05), measured(5, 0.59, noise=0.04)]
    assert decide(level, {1: "too telling"}) == (0, 2)
