"""What sets a segment apart: effect sizes against everybody else.

Belongs here: the effect size and the table of it by segment and feature; what is typical of a
segment. Does not belong here: words made of it (``models.naming``), cards (``models.cards``).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.deciding import SHAPES
from models.features import Scale, feature, shape_of
from models.frames import available, matrix, of_enough

Floats = npt.NDArray[np.float64]

COLUMNS = [
    "segment", "feature", "label", "unit", "subjects", "median", "lower_quartile",
    "upper_quartile", "median_all", "effect", "low", "high",
]  # fmt: skip


def hedges_g(group: Floats, rest: Floats) -> tuple[float, float, float]:
    """Return the standardised mean difference of two samples with its 95 % interval.

    g = J (mean(group) - mean(rest)) / s, with s the pooled standard deviation and
    J = 1 - 3 / (4 (n1 + n2) - 9) the correction for small samples (Hedges 1981, Journal of
    Educational Statistics 6); the interval is normal, with variance
    (n1 + n2) / (n1 n2) + g^2 / (2 (n1 + n2)) (Hedges and Olkin 1985). By custom 0.2 is small, 0.5
    medium, 0.8 large (Cohen 1988).

    Parameters
    ----------
    group, rest
        Values without nulls.

    Returns
    -------
    g, low, high
        All NaN if either sample has fewer than two values; 0 if nothing varies.
    """
    n1, n2 = len(group), len(rest)
    if min(n1, n2) < 2:
        return float("nan"), float("nan"), float("nan")
    group, rest = np.sort(group), np.sort(rest)  # sums don't depend on the order of rows
    within = ((n1 - 1) * group.var(ddof=1) + (n2 - 1) * rest.var(ddof=1)) / (n1 + n2 - 2)
    difference = float(group.mean() - rest.mean())
    if within <= 0:
        return (0.0, 0.0, 0.0) if difference == 0 else (float("nan"),) * 3
    g = (1 - 3 / (4 * (n1 + n2) - 9)) * difference / float(np.sqrt(within))
    half = 1.96 * float(np.sqrt((n1 + n2) / (n1 * n2) + g**2 / (2 * (n1 + n2))))
    return g, g - half, g + half


def effect_table(
    frame: pd.DataFrame,
    segments: pd.Series,
    scale: Scale = "root",
    names: Iterable[str] | None = None,
    *,
    smallest: int,
) -> pd.DataFrame:
    """Compare every segment with everybody else, feature by feature.

    Effects are Hedges' g on the shaped scale (logarithm or square root for heavy tails), so that a
    few large values don't decide; medians and quartiles are in the feature's own unit. Nulls count
    for neither side, nor do the values of a segment that too few have (``frames.of_enough``).

    Parameters
    ----------
    frame
        One row per subject.
    segments
        Segment of every subject, in the order of the frame.
    scale
        Scale of counts and amounts.
    names
        Features; default: all that have a source.
    smallest
        How many subjects of a segment have to have a value of a feature for it to count.

    Returns
    -------
    DataFrame
        One row per segment and feature: ``segment``, ``feature``, ``label``, ``unit``, ``subjects``
        (whose values count), ``median``, ``lower_quartile``, ``upper_quartile``, ``median_all``,
        ``effect`` with its 95 % interval ``low``, ``high``.

    Raises
    ------
    ValueError
        If there are no subjects, or segments and frame differ in length.
    """
    if len(frame) != len(segments):
        raise ValueError(f"{len(frame)} subjects have {len(segments)} segments")
    if frame.empty:
        raise ValueError("there are no subjects to describe")
    chosen = list(names) if names is not None else available(frame)[0]
    values = of_enough(matrix(frame, chosen), segments, smallest)
    codes = segments.to_numpy()
    rows = []
    for name in chosen:
        column = values[name].to_numpy()
        known = ~np.isnan(column)
        shaped = SHAPES[shape_of(name, scale)](column)
        median_all = _quartiles(column[known])[1]
        described = feature(name)
        for segment in np.unique(codes):
            inside = known & (codes == segment)
            lower, median, upper = _quartiles(column[inside])
            g = hedges_g(shaped[inside], shaped[known & (codes != segment)])
            start = (int(segment), name, described.label, described.unit, int(inside.sum()))
            rows.append((*start, median, lower, upper, median_all, *g))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("segment", kind="stable", ignore_index=True)


def typical(
    frame: pd.DataFrame, segments: pd.Series, names: Iterable[str], *, smallest: int
) -> dict[int, dict[str, float]]:
    """Return the median of features by segment, without those that too few have a value of.

    Parameters are as of :func:`effect_table`.
    """
    values = of_enough(matrix(frame, names), segments, smallest)
    medians = values.groupby(segments.to_numpy()).median()
    return {
        int(str(segment)): {str(name): float(value) for name, value in row.dropna().items()}
        for segment, row in medians.iterrows()
    }


def _quartiles(values: Floats) -> Floats:
    if not len(values):
        return np.full(3, np.nan)
    return np.asarray(np.quantile(values, [0.25, 0.5, 0.75]), dtype=np.float64)
