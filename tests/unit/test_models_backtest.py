"""The report on what a segmentation foretold."""

import numpy as np
import pytest

from models.backtest import MODEL, NONE, RFM, backtest, in_words, verdicts
from models.recipe import FEATURE_SETS, Recipe
from tests.support.shoppers import shoppers, shuffled

RECIPE = Recipe("kmeans", FEATURE_SETS["rfm and recent activity"], 4)
FRAME = shoppers(300)


@pytest.fixture(scope="module")
def report():
    return backtest(FRAME, RECIPE, resamples=200)


def test_it_has_a_row_for_every_outcome_and_segmentation(report):
    assert report.groupby("outcome").segmentation.apply(list).to_dict() == {
        "spend": [MODEL, RFM, NONE],
        "visits": [MODEL, RFM, NONE],
    }
    assert (report.subjects == 300).all()
    assert (report[report.segmentation == MODEL].segments == 4).all()


def test_no_segments_explain_nothing(report):
    none = report[report.segmentation == NONE]
    assert (none[["share", "low", "high"]] == 0).all(axis=None)
    model = report[report.segmentation == MODEL]
    assert none.ahead.tolist() == model.share.tolist()
    assert (model[["ahead", "ahead_low", "ahead_high"]] == 0).all(axis=None)


def test_intervals_hold_their_values(report):
    assert ((report.low <= report.share) & (report.share <= report.high)).all()
    assert ((report.ahead_low <= report.ahead) & (report.ahead <= report.ahead_high)).all()
    assert (report[report.segmentation == MODEL].share > 0.3).all()


def test_a_yardstick_against_itself_is_level():
    recipe = Recipe("rfm_quantiles", FEATURE_SETS["rfm"], 4, "log", "rfm")
    report = backtest(FRAME, recipe, resamples=50)
    assert verdicts(report) == {"spend": "level", "visits": "level"}
    assert "Short of the aim (above RFM on both) on spend and visits." in in_words(report)


def test_useless_segments_are_below():
    noise = FRAME.assign(discount_share=np.random.default_rng(0).random(len(FRAME)))
    report = backtest(noise, Recipe("kmeans", ("discount_share",), 4), resamples=50)
    assert verdicts(report) == {"spend": "below", "visits": "below"}


def test_the_aim_is_said_to_be_reached_only_if_it_is(report):
    above = report.assign(ahead_low=0.01)
    assert "is reached" in in_words(above)
    assert "4 segments explain" in in_words(above)


def test_the_order_of_rows_plays_no_part(report):
    assert backtest(shuffled(FRAME), RECIPE, resamples=200).equals(report)


def test_a_missing_outcome_is_named():
    with pytest.raises(ValueError, match="no column 'following_visits'"):
        backtest(FRAME.drop(columns="following_visits"), RECIPE, resamples=5)
