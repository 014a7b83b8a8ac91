"""Estimators that put subjects into groups: k-means and a Gaussian mixture, with one interface.

Belongs here: fitting and predicting groups from a prepared matrix. Does not belong here: which
group a row is in once they are fitted (``models.deciding``), RFM-score quantiles (``models.rfm``),
preparing columns (``models.prepare``), lasting identity and names of segments (``models.identity``,
``models.naming``). No fitted attribute holds anything per subject.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted, validate_data

from models.deciding import Centres, Components, Floats, Integers
from models.ordering import canonical_order, distinct_rows, one_thread, row_sample

VARIANCE_FLOOR = 1e-3  # keeps a component on a spike (all zeros) from shrinking to a point


class GroupEstimator(BaseEstimator):
    """What the estimators share: checks, prediction in chunks.

    A subclass fits in ``_fit(ordered)``, given the rows in canonical order, and is one of
    ``models.deciding.Groups``, which scores rows.
    """

    chunk_rows = 100_000

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the groups.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Prepared features; the order of the rows plays no part.
        y : ignored
            Here for the scikit-learn interface.

        Raises
        ------
        ValueError
            For no rows, fewer rows (or fewer different rows) than groups, or less than one group.
        """
        values = validate_data(self, X, dtype=np.float64)
        ordered = values[canonical_order(values)]
        check_group_count(ordered, self.n_segments)
        with one_thread():
            self._fit(ordered)
        return self

    def predict(self, X: Any) -> Integers:
        """Return the group number of every row, from 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Prepared features.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        groups = np.empty(len(values), dtype=np.intp)
        for start in range(0, len(values), self.chunk_rows):
            part = slice(start, start + self.chunk_rows)
            groups[part] = self.scores(values[part]).argmax(axis=1)
        return groups

    def fit_predict(self, X: Any, y: Any = None) -> Integers:
        """Fit, and return the group number of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Prepared features.
        y : ignored
            Here for the scikit-learn interface.
        """
        return self.fit(X).predict(X)

    def _fit(self, ordered: Floats) -> None:
        raise NotImplementedError

    def scores(self, values: Floats) -> Floats:
        """Return a score of every row for every group: the greatest wins, the first at a tie."""
        raise NotImplementedError


def check_group_count(ordered: Floats, groups: int) -> None:
    """Refuse a number of groups that the rows, in canonical order, can't fill.

    Raises
    ------
    ValueError
        As said.
    """
    if not isinstance(groups, int | np.integer) or groups < 1:
        raise ValueError(f"n_segments is {groups!r}; it must be a whole number of at least 1")
    if len(ordered) < groups:
        raise ValueError(
            f"n_samples={len(ordered)} is less than n_segments={groups}: ask for fewer segments"
        )
    different = distinct_rows(ordered)
    if different < groups:
        raise ValueError(
            f"only {different} of {len(ordered)} rows differ, too few for n_segments={groups}: "
            "ask for fewer segments"
        )


class KMeansSegments(Centres, GroupEstimator):
    """k-means (Lloyd, k-means++ starts) whose result depends on neither row order nor threads.

    The starts are tried on at most ``start_rows`` rows chosen by a hash of their values; the best
    is then improved on all rows. Groups are numbered by the mean of their centre's coordinates.

    Parameters
    ----------
    n_segments
        Number of groups.
    n_starts
        Number of k-means++ starts.
    start_rows
        Greatest number of rows on which starts are tried.
    random_state
        Seed.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_segments, n_features)
        The centre of each group.
    inertia_ : float
        Sum of squared distances to the nearest centre, per row.
    """

    def __init__(
        self,
        n_segments: int = 5,
        n_starts: int = 10,
        start_rows: int = 20_000,
        random_state: int = 0,
    ) -> None:
        self.n_segments = n_segments
        self.n_starts = n_starts
        self.start_rows = start_rows
        self.random_state = random_state

    def _fit(self, ordered: Floats) -> None:
        sample = ordered[row_sample(ordered, self.start_rows)]
        common = {"n_clusters": self.n_segments, "random_state": self.random_state}
        best = KMeans(n_init=self.n_starts, **common).fit(sample)
        if len(ordered) > len(sample):
            best = KMeans(init=best.cluster_centers_, n_init=1, **common).fit(ordered)
        self.cluster_centers_ = _numbered(best.cluster_centers_)
        self.inertia_ = float(best.inertia_ / len(ordered))


class MixtureSegments(Components, GroupEstimator):
    """Gaussian mixture with diagonal covariances; a row goes to its most probable component.

    Expectation maximisation starts from the best of several k-means starts.

    Parameters
    ----------
    n_segments
        Number of components.
    n_starts
        Number of k-means++ starts.
    fit_rows
        Greatest number of rows used, chosen by a hash of their values.
    random_state
        Seed.

    Attributes
    ----------
    weights_ : ndarray of shape (n_segments,)
        Share of each component.
    means_, variances_ : ndarray of shape (n_segments, n_features)
        Mean and variance of each component.
    """

    def __init__(
        self,
        n_segments: int = 5,
        n_starts: int = 3,
        fit_rows: int = 100_000,
        random_state: int = 0,
    ) -> None:
        self.n_segments = n_segments
        self.n_starts = n_starts
        self.fit_rows = fit_rows
        self.random_state = random_state

    def _fit(self, ordered: Floats) -> None:
        sample = ordered[row_sample(ordered, self.fit_rows)]
        start = KMeansSegments(self.n_segments, self.n_starts, random_state=self.random_state)
        groups = start.fit_predict(sample)
        shares, variances = _shares_and_variances(sample, groups, self.n_segments)
        mixture = GaussianMixture(
            self.n_segments,
            covariance_type="diag",
            weights_init=shares,
            means_init=start.cluster_centers_,
            precisions_init=1 / variances,
            max_iter=500,
            reg_covar=VARIANCE_FLOOR,
            random_state=self.random_state,
        ).fit(sample)
        order = _numbering(mixture.means_)
        self.weights_ = mixture.weights_[order]
        self.means_ = mixture.means_[order]
        self.variances_ = mixture.covariances_[order]


def _numbering(centres: Floats) -> Integers:
    """Order groups by the mean of their coordinates, then by the coordinates themselves."""
    return canonical_order(np.column_stack([centres.mean(axis=1), centres]))


def _numbered(centres: Floats) -> Floats:
    return np.asarray(centres[_numbering(centres)])


def _shares_and_variances(sample: Floats, groups: Integers, count: int) -> tuple[Floats, Floats]:
    """Return the share of each group and the variance of its columns, both kept off zero."""
    shares = np.maximum(np.bincount(groups, minlength=count), 1) / len(sample)
    variances = np.full((count, sample.shape[1]), VARIANCE_FLOOR)
    for group in np.unique(groups):
        variances[group] += sample[groups == group].var(axis=0)
    return shares / shares.sum(), variances
