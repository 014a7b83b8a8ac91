"""The share of variance that segments explain."""

import numpy as np
import pytest

from models.evaluation import RESAMPLES, estimate, foretell, resampled_shares

RNG = np.random.default_rng(0)
SEGMENTS = RNG.integers(0, 4, 600)
OUTCOME = SEGMENTS * 10.0 + RNG.normal(0, 5, 600)


def explained(segments, outcome, resamples=RESAMPLES):
    """Return the share that one segmentation explains, with its interval."""
    found = foretell({"s": segments}, outcome)
    return estimate(found.share("s"), resampled_shares(found, resamples)["s"])


def by_hand(segments, outcome, deal, folds):
    """Foretell every subject, one at a time."""
    errors = np.empty(len(outcome))
    for row in range(len(outcome)):
        others = deal != deal[row]
        mates = others & (segments == segments[row])
        errors[row] = (outcome[row] - outcome[mates if mates.any() else others].mean()) ** 2
    return errors


def test_it_is_the_cross_fitted_share():
    found = foretell({"s": SEGMENTS}, OUTCOME, folds=4, repeats=1, seed=3)
    order = np.lexsort((SEGMENTS, OUTCOME))
    deal = np.random.default_rng(3).permutation(600) % 4
    np.testing.assert_allclose(found.errors["s"], by_hand(SEGMENTS[order], OUTCOME[order], deal, 4))


def test_a_segment_known_in_one_fold_only_is_foretold_by_all():
    segments = np.r_[np.zeros(19), 1]
    outcome = np.arange(20.0)
    found = foretell({"s": segments}, outcome, folds=2, repeats=1)
    deal = np.random.default_rng(0).permutation(20) % 2
    np.testing.assert_allclose(found.errors["s"], by_hand(segments, outcome, deal, 2))


def test_perfect_segments_explain_all_and_noise_nothing():
    assert explained(SEGMENTS, SEGMENTS * 2.0).value == pytest.approx(1)
    noise = explained(SEGMENTS, RNG.normal(size=600))
    assert -0.03 < noise.value < 0.01
    assert noise.low < 0 < noise.high + 0.01


def test_more_segments_do_not_win_for_free():
    many = RNG.integers(0, 100, 600)
    assert explained(many, OUTCOME).value < 0


def test_the_interval_holds_the_value_and_the_truth():
    found = explained(SEGMENTS, OUTCOME)
    truth = 125 / (125 + 25)  # variance between segments over all
    assert found.low < found.value < found.high
    assert found.low < truth < found.high
    assert 0.02 < found.high - found.low < 0.12


def test_the_interval_narrows_with_more_subjects():
    few = explained(SEGMENTS[:100], OUTCOME[:100])
    assert few.high - few.low > 1.5 * ((many := explained(SEGMENTS, OUTCOME)).high - many.low)


def test_resamples_are_paired():
    found = foretell({"one": SEGMENTS, "same": SEGMENTS + 5}, OUTCOME)
    drawn = resampled_shares(found, 50)
    np.testing.assert_array_equal(drawn["one"], drawn["same"])
    assert drawn["one"].std() > 0
    assert estimate(0.5, drawn["one"]).low == pytest.approx(np.quantile(drawn["one"], 0.025))


def test_parts_of_the_resampling_make_the_whole(monkeypatch):
    found = foretell({"s": SEGMENTS}, OUTCOME)
    whole = resampled_shares(found, 30)["s"]
    monkeypatch.setattr("models.evaluation._CELLS", 600 * 7)
    np.testing.assert_allclose(resampled_shares(found, 30)["s"], whole)


def test_labels_may_be_anything_sortable():
    names = np.array(["a", "b", "c", "d"])[SEGMENTS]
    assert explained(names, OUTCOME) == explained(SEGMENTS, OUTCOME)


def test_too_many_subjects_are_sampled():
    found = foretell({"s": SEGMENTS}, OUTCOME, max_rows=200)
    assert len(found.outcome) == 200
    assert found.share("s") == pytest.approx(foretell({"s": SEGMENTS}, OUTCOME).share("s"), abs=0.1)


@pytest.mark.parametrize(
    ("segments", "outcome", "message"),
    [
        ([1, 2], [1.0, 2.0, 3.0], "same number"),
        ([1] * 9, range(9), "too few"),
        ([1] * 20, [1.0] * 20, "same for everybody"),
        ([1] * 20, [np.nan] * 20, "nulls"),
        ([None] * 20, range(20), "no segment"),
    ],
)
def test_what_cannot_be_judged_is_refused(segments, outcome, message):
    with pytest.raises(ValueError, match=message):
        explained(segments, list(outcome))
