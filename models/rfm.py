"""RFM-score quantiles: the trade's own segmentation, the yardstick for every other.

Belongs here: that one method, exactly defined. Does not belong here: comparing it with others
(``models.selection``, ``models.evaluation``).
"""

from collections.abc import Sequence

import numpy as np

from models.deciding import Floats, Quantiles
from models.segmenter import GroupEstimator


class RFMQuantiles(Quantiles, GroupEstimator):
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


def _inner(parts: int) -> Floats:
    """Return the inner probabilities that cut into equal parts: 1/parts, ..., (parts-1)/parts."""
    return np.arange(1, parts) / parts
