"""How well segments foretell what subjects do next, with intervals.

Belongs here: the share of variance explained, cross-fitted, and its bootstrap. Does not belong
here: which segmentation is chosen by it (``models.selection``), the report of the chosen one
(``models.backtest``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.ordering import one_thread, row_sample

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

FOLDS = 5
REPEATS = 5
RESAMPLES = 1000
MAX_ROWS = 50_000
_CELLS = 4_000_000  # of the resampling matrix, held at once


@dataclass(frozen=True)
class Estimate:
    """A number with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Foretold:
    """The cross-fitted errors of several segmentations for one outcome.

    Attributes
    ----------
    outcome
        What the subjects did afterwards; shape (subjects,).
    errors
        Squared error by segmentation; shape (subjects,) each, in the same order.
    """

    outcome: Floats
    errors: dict[str, Floats]

    def share(self, name: str) -> float:
        """Return the share of variance that a segmentation explains."""
        spread = ((self.outcome - self.outcome.mean()) ** 2).sum()
        return float(1 - self.errors[name].sum() / spread)


def foretell(
    segmentations: Mapping[str, Any],
    outcome: Any,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> Foretold:
    """Foretell an outcome by segment means that never saw the subject they are used for.

    Subjects are dealt into folds; each is foretold by the mean of its segment over the other folds
    (the mean of all, if its segment is empty there). More segments therefore don't win for free.
    The squared error of a subject is averaged over several deals.

    Parameters
    ----------
    segmentations
        Segment of every subject, by name of the segmentation; shape (subjects,) each.
    outcome
        What each subject did afterwards; no nulls.
    folds, repeats
        Number of folds and of deals.
    max_rows
        With more subjects than this, that many are chosen by a hash of their values.
    seed
        Seed of the deals.

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than two subjects per fold, a value is null, or the
        outcome doesn't vary.
    """
    names = list(segmentations)
    codes = [_codes(segmentations[name]) for name in names]
    target = np.asarray(outcome, dtype=np.float64)
    _check(target, codes, folds)
    # The names' own order plays no part in the deal: the outcome comes first.
    table = np.column_stack([target, *codes])
    kept = row_sample(table, max_rows, seed)
    target = target[kept]
    if target.min() == target.max():
        raise ValueError("the outcome is the same for everybody, so there is nothing to explain")
    rng = np.random.default_rng(seed)
    deals = [rng.permutation(len(target)) % folds for _ in range(repeats)]
    errors = {
        name: np.mean([_errors(code[kept], target, deal, folds) for deal in deals], axis=0)
        for name, code in zip(names, codes, strict=True)
    }
    return Foretold(target, errors)


def _codes(segments: Any) -> Integers:
    values = np.asarray(segments)
    if pd.isna(values).any():
        raise ValueError("a subject has no segment")
    return np.unique(values, return_inverse=True)[1].astype(np.intp)


def _check(target: Floats, codes: list[Integers], folds: int) -> None:
    if any(len(code) != len(target) for code in codes):
        raise ValueError("segments and outcome don't have the same number of subjects")
    if len(target) < 2 * folds:
        raise ValueError(
            f"{len(target)} subjects are too few to judge in {folds} folds: {2 * folds} are needed"
        )
    if not np.isfinite(target).all():
        raise ValueError("the outcome has nulls or infinite values")


def _errors(codes: Integers, target: Floats, deal: Integers, folds: int) -> Floats:
    """Return squared errors of means over the other folds."""
    segments = int(codes.max()) + 1
    cell = codes * folds + deal
    sums = np.bincount(cell, target, segments * folds).reshape(segments, folds)
    counts = np.bincount(cell, minlength=segments * folds).reshape(segments, folds)
    other_sums = sums.sum(axis=1, keepdims=True) - sums
    other_counts = counts.sum(axis=1, keepdims=True) - counts
    overall = other_sums.sum(axis=0) / other_counts.sum(axis=0)
    means = np.where(other_counts > 0, other_sums / np.maximum(other_counts, 1), overall)
    return np.asarray((target - means[codes, deal]) ** 2, dtype=np.float64)


def resampled_shares(
    foretold: Foretold, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Floats]:
    """Bootstrap the shares over subjects; all segmentations see the same resamples (paired).

    Segments and means are held; the intervals say how far the share would vary with other subjects.

    Parameters
    ----------
    foretold
        Result of ``foretell``.
    resamples
        Number of resamples.
    seed
        Seed of the draws.

    Returns
    -------
    dict
        Name to shares, shape (resamples,).
    """
    names = list(foretold.errors)
    size = len(foretold.outcome)
    y = foretold.outcome - foretold.outcome.mean()  # centred: squares keep their digits
    columns = np.column_stack([y, y**2, *(foretold.errors[name] for name in names)])
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // size)
    parts = []
    with one_thread():
        for start in range(0, resamples, at_once):
            # How often each subject is drawn; counting draws is faster than drawing counts.
            drawn = [
                np.bincount(rng.integers(0, size, size), minlength=size)
                for _ in range(min(at_once, resamples - start))
            ]
            parts.append(np.array(drawn, dtype=np.float64) @ columns)
    sums = np.vstack(parts)
    spread = sums[:, 1] - sums[:, 0] ** 2 / size
    # A resample without any spread (nearly everybody alike) says nothing: NaN, skipped later.
    spread = np.where(spread > 0, spread, np.nan)
    return {name: 1 - sums[:, 2 + j] / spread for j, name in enumerate(names)}


def estimate(value: float, resampled: Floats) -> Estimate:
    """Return a value with the interval from the 2.5 to the 97.5 % quantile of its resamples."""
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
