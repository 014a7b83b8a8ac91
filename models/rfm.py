"""RFM-score quantiles: the trade's own segmentation, the yardstick for every other.

Belongs here: that one method, exactly defined. Does not belong here: comparing it with others
(``models.selection``, ``models.evaluation``).
"""

from collections.abc import Sequence

import numpy as np

from models.segmenter import Floats, GroupEstimator, Integers


class RFMQuantiles(GroupEstimator):
    """Quintile scores of recency, frequency and monetary value, summed, cut into quantiles.

    Each column is scored on its own: 1 plus the number of its inner quantiles (at 20, 40, 60 and
    80 % of the fitted rows) that the value exceeds; for columns where less is better the score is
    turned around (6 minus the score). The scores are summed (3 to 15 for three columns) and the sum
    is cut at its own quantiles 1/k, ..., (k-1)/k: the group number is how many of these it exceeds.
    Quantiles interpolate linearly (type 7 of Hyndman and Fan 1996). Ties can leave a group empty.

    The scores are those of Hughes (1994, Strategic Database Marketing), each column on its own
    rather than nested; the equally weighted sum is the customary summary.

    Parameters
    ----------
    n_segments
        Number of groups k.
    n_scores
        Number of scores per column.
    lower_is_better
        Positions of the columns whose small values score high (recency).

    Attributes
    ----------
    cuts_ : ndarray of shape (n_scores - 1, n_features)
        Inner quantiles of each column.
    sum_cuts_ : ndarray of shape (n_segments - 1,)
        Inner quantiles of the sum.
    """

    def __init__(
        self, n_segments: int = 5, n_scores: int = 5, lower_is_better: Sequence[int] = (0,)
    ) -> None:
        self.n_segments = n_segments
        self.n_scores = n_scores
        self.lower_is_better = lower_is_better

    def _fit(self, ordered: Floats) -> None:
        if self.n_scores < 2:
            raise ValueError(f"n_scores is {self.n_scores}; it must be at least 2")
        if any(not 0 <= j < ordered.shape[1] for j in self.lower_is_better):
            raise ValueError(
                f"lower_is_better names columns {list(self.lower_is_better)}, "
                f"the data has {ordered.shape[1]}"
            )
        self.cuts_ = np.quantile(ordered, _inner(self.n_scores), axis=0)
        total = self.column_scores(ordered).sum(axis=1)
        self.sum_cuts_ = np.quantile(total, _inner(self.n_segments))

    def column_scores(self, values: Floats) -> Integers:
        """Return the score of every row in every column, from 1 to ``n_scores``.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features)
            The columns, in the order of the fit.
        """
        scores = np.empty(values.shape, dtype=np.intp)
        for j in range(values.shape[1]):
            scores[:, j] = 1 + np.searchsorted(self.cuts_[:, j], values[:, j], side="left")
            if j in self.lower_is_better:
                scores[:, j] = self.n_scores + 1 - scores[:, j]
        return scores

    def _scores(self, values: Floats) -> Floats:
        total = self.column_scores(values).sum(axis=1)
        groups = np.searchsorted(self.sum_cuts_, total, side="left")
        steps = np.arange(len(self.sum_cuts_) + 1) - groups[:, np.newaxis]
        return np.asarray(-np.abs(steps), dtype=np.float64)

    def contributions(self, before: Floats, after: Floats, source: int, target: int) -> Floats:
        """Split a row's move between two groups into one number per column.

        Returns
        -------
        ndarray of shape (n_features,)
            Change of each column's score, counted towards the target; the sum is the change of the
            summed score, exactly. 0 if the groups are the same.
        """
        change = np.diff(self.column_scores(np.vstack([before, after])), axis=0)[0]
        return np.asarray(np.sign(target - source) * change, dtype=np.float64)


def _inner(parts: int) -> Floats:
    """Return the inner probabilities that cut into equal parts: 1/parts, ..., (parts-1)/parts."""
    return np.arange(1, parts) / parts
