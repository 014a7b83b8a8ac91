"""k-means and the Gaussian mixture."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_estimator

from models.rfm import RFMQuantiles
from models.segmenter import GroupEstimator, KMeansSegments, MixtureSegments

ALL = [KMeansSegments, MixtureSegments, RFMQuantiles]


def blobs(count: int = 300, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, count)
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 9.0]])
    return centres[truth] + rng.normal(0, 0.7, (count, 2)), truth


@pytest.mark.parametrize("kind", ALL)
def test_it_is_a_scikit_learn_estimator(kind):
    check_estimator(kind(), on_skip=None)


@pytest.mark.parametrize("kind", [KMeansSegments, MixtureSegments])
def test_it_finds_groups_that_are_there(kind):
    values, truth = blobs()
    assert adjusted_rand_score(truth, kind(3).fit_predict(values)) > 0.98


@pytest.mark.parametrize("kind", [KMeansSegments, MixtureSegments])
def test_it_finds_them_from_a_sample_too(kind):
    values, truth = blobs(2000)
    few = {"start_rows" if kind is KMeansSegments else "fit_rows": 60}
    assert adjusted_rand_score(truth, kind(3, **few).fit_predict(values)) > 0.98


def test_starting_on_a_sample_ends_on_all_rows():
    values, _ = blobs(2000)
    sampled = KMeansSegments(3, start_rows=60).fit(values).cluster_centers_
    np.testing.assert_allclose(sampled, KMeansSegments(3).fit(values).cluster_centers_, atol=0.02)


@pytest.mark.parametrize("kind", ALL)
def test_the_order_of_rows_plays_no_part(kind):
    values, _ = blobs()
    order = np.random.default_rng(5).permutation(len(values))
    one, other = kind(3).fit(values), kind(3).fit(values[order])
    for name, value in vars(one).items():
        if name.endswith("_"):
            np.testing.assert_array_equal(value, getattr(other, name))
    assert (one.predict(values)[order] == other.predict(values[order])).all()


@pytest.mark.parametrize("kind", ALL)
def test_groups_are_numbered_by_their_centres(kind):
    values, _ = blobs()
    groups = kind(3, **({"lower_is_better": ()} if kind is RFMQuantiles else {})).fit_predict(
        values
    )
    means = [values[groups == group].mean() for group in np.unique(groups)]
    assert means == sorted(means)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("rows", "groups", "message"),
    [
        (np.empty((0, 2)), 2, "0 sample"),
        (np.ones((1, 2)), 2, "n_samples=1 is less than n_segments=2"),
        (np.arange(6.0).reshape(3, 2), 4, "n_samples=3 is less than n_segments=4"),
        (np.ones((9, 2)), 2, "only 1 of 9 rows differ"),
        (np.arange(6.0).reshape(3, 2), 0, "at least 1"),
        (np.arange(6.0).reshape(3, 2), 1.5, "whole number"),
    ],
)
def test_groups_that_rows_cannot_fill_are_refused(kind, rows, groups, message):
    with pytest.raises(ValueError, match=message):
        kind(groups).fit(rows)


@pytest.mark.parametrize("kind", [KMeansSegments, RFMQuantiles])
def test_one_row_makes_one_group(kind):
    assert kind(1).fit_predict(np.ones((1, 2))).tolist() == [0]


@pytest.mark.parametrize("kind", ALL)
def test_chunks_change_nothing(kind, monkeypatch):
    values, _ = blobs()
    estimator = kind(3).fit(values)
    whole = estimator.predict(values)
    monkeypatch.setattr(GroupEstimator, "chunk_rows", 7)
    assert (estimator.predict(values) == whole).all()


@pytest.mark.parametrize("kind", ALL)
def test_nothing_is_kept_per_subject(kind):
    values, _ = blobs(317)
    for name, value in vars(kind(3).fit(values)).items():
        assert 317 not in np.shape(value), name


def test_k_means_moves_are_split_exactly():
    values, _ = blobs()
    estimator = KMeansSegments(3).fit(values)
    before, after = values[0], values[1]
    for source in range(3):
        for target in range(3):
            first, second = estimator.cluster_centers_[[source, target]]
            lead = [((x - first) ** 2).sum() - ((x - second) ** 2).sum() for x in (before, after)]
            split = estimator.contributions(before, after, source, target)
            assert split.shape == (2,)
            assert split.sum() == pytest.approx(lead[1] - lead[0])


def test_mixture_assigns_and_splits_by_log_density():
    values, _ = blobs()
    estimator = MixtureSegments(3).fit(values)
    density = norm.logpdf(values[:, None, :], estimator.means_, np.sqrt(estimator.variances_))
    odds = np.log(estimator.weights_) + density.sum(axis=2)
    assert (estimator.predict(values) == odds.argmax(axis=1)).all()
    growth = (odds[1, 2] - odds[1, 0]) - (odds[0, 2] - odds[0, 0])
    assert estimator.contributions(values[0], values[1], 0, 2).sum() == pytest.approx(growth)


def test_a_spike_of_equal_rows_does_not_break_the_mixture():
    values = np.vstack([np.zeros((50, 2)), np.random.default_rng(0).normal(5, 1, (50, 2))])
    estimator = MixtureSegments(2).fit(values)
    assert np.isfinite(estimator.variances_).all()
    assert estimator.variances_.min() > 0
