"""Making heavy-tailed, partly null features comparable: the transformer before every segmenter.

Belongs here: shaping tails, filling nulls that have a meaning, bringing to one scale. Does not
belong here: which treatment a feature gets (``models.features``), grouping (``models.segmenter``).
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from models.deciding import SHAPES, Floats, Preparation, shaped

FILLS = ("median", "zero", "high")
HIGH = 0.95


class SkewTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Shape heavy tails, standardise robustly, fill nulls by what they mean.

    A column is shaped (``none``, ``log``: sign(x) log(1+|x|), ``root``: sign(x) sqrt(|x|)), then
    centred and divided by the mean and standard deviation of its *winsorised* values: those beyond
    the quantiles ``winsor`` and ``1 - winsor`` are set to these quantiles first, so that a few
    extreme rows don't set the scale (Wilcox 2012, Introduction to Robust Estimation, 3rd ed.,
    section 3.3). The values themselves are not cut. A column that is constant inside these
    quantiles falls back to the plain standard deviation, and a constant column to 1. Nulls are
    filled after scaling.

    Parameters
    ----------
    shapes
        One shape for all columns, or one per column.
    missing
        ``median`` (of the fit), ``zero`` (the value 0 before shaping), ``high`` (the 95 % quantile
        of the fit); one for all columns, or one per column.
    winsor
        Share of values at each end that doesn't count for centre and scale.

    Attributes
    ----------
    scaler_ : StandardScaler
        Centre and scale of the shaped columns.
    fill_ : ndarray of shape (n_features,)
        What a null becomes, on the scale of the result.
    shapes_ : list of str
        The shape of each column.
    """

    def __init__(
        self,
        shapes: str | Sequence[str] = "log",
        missing: str | Sequence[str] = "median",
        winsor: float = 0.005,
    ) -> None:
        self.shapes = shapes
        self.missing = missing
        self.winsor = winsor

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn centre, scale and fill of every column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features in their own units; NaN where null.
        y : ignored
            Here for the scikit-learn interface.

        Raises
        ------
        ValueError
            For an unknown shape or fill, a share outside [0, 0.25], or a column without any value.
        """
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        if not 0 <= self.winsor <= 0.25:
            raise ValueError(f"winsor is {self.winsor}; it must lie between 0 and 0.25")
        self.shapes_ = _per_column("shapes", self.shapes, tuple(SHAPES), values.shape[1])
        fills = _per_column("missing", self.missing, FILLS, values.shape[1])
        empty = np.flatnonzero(np.isnan(values).all(axis=0))
        if len(empty):
            raise ValueError(
                f"column {self._column_name(empty[0])} has no value at all; leave it out"
            )
        columns_shaped = shaped(values, self.shapes_)
        self.scaler_ = StandardScaler()
        columns = [_winsorised(column, self.winsor) for column in columns_shaped.T]
        self._fit_scaler(columns)
        self.fill_ = np.array(
            [_fill(column, fill) for column, fill in zip(columns_shaped.T, fills, strict=True)]
        )
        self.fill_ = (self.fill_ - self.scaler_.mean_) / self.scaler_.scale_
        return self

    def _fit_scaler(self, columns: list[Floats]) -> None:
        """Fit the scaler on columns of their own lengths (nulls are out, values in order)."""
        longest = max(len(column) for column in columns)
        padded = np.full((longest, len(columns)), np.nan)
        for j, column in enumerate(columns):
            padded[: len(column), j] = column
        self.scaler_.fit(padded)

    def _column_name(self, index: int) -> str:
        named = hasattr(self, "feature_names_in_")
        return repr(str(self.feature_names_in_[index])) if named else str(index)

    def transform(self, X: Any) -> Floats:
        """Return the prepared features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features in their own units; NaN where null.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Standardised; no NaN.
        """
        check_is_fitted(self)
        values = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False
        )
        scaler = self.scaler_
        return Preparation(self.shapes_, scaler.mean_, scaler.scale_, self.fill_)(values)


def _per_column(
    what: str, given: str | Sequence[str], allowed: Sequence[str], columns: int
) -> list[str]:
    chosen = [given] * columns if isinstance(given, str) else list(given)
    if len(chosen) != columns:
        raise ValueError(f"{what} names {len(chosen)} columns, the data has {columns}")
    unknown = sorted(set(chosen) - set(allowed))
    if unknown:
        raise ValueError(f"{what} knows {', '.join(allowed)}; not {', '.join(unknown)}")
    return chosen


def _winsorised(column: Floats, share: float) -> Floats:
    """Return the column without nulls, in order, extremes drawn in unless that leaves no spread."""
    ordered = np.sort(column[~np.isnan(column)])  # in order: the sums don't depend on the rows
    low, high = np.quantile(ordered, [share, 1 - share])
    return ordered if low == high else np.clip(ordered, low, high)


def _fill(column: Floats, fill: str) -> float:
    if fill == "zero":
        return 0.0  # every shape maps 0 to 0
    return float(np.nanquantile(column, HIGH if fill == "high" else 0.5))
