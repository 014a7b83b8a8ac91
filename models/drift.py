"""Drift: how far features have moved since the fit.

Belongs here: the reference (quantile bins, never rows) and the index against it. Does not belong
here: the limit (the policy's) and what happens beyond it (a warning, in the checks).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
BINS = 10


def reference(values: pd.DataFrame, bins: int = BINS) -> dict[str, Any]:
    """Describe features by quantile bins.

    Parameters
    ----------
    values
        Features as floats, one row per subject (``models.frames.matrix``).
    bins
        Number of bins of about equal share; ties leave fewer.

    Returns
    -------
    dict
        By feature: ``edges`` (inner edges, in the feature's unit), ``shares`` (of each bin, then of
        nulls), ``subjects``.
    """
    described: dict[str, Any] = {}
    for name in values.columns:
        column = values[name].to_numpy(dtype=np.float64)
        known = column[~np.isnan(column)]
        inner = np.arange(1, bins) / bins
        edges = np.unique(np.quantile(known, inner)) if len(known) else np.empty(0)
        described[str(name)] = {
            "edges": [float(edge) for edge in edges],
            "shares": [float(share) for share in _shares(column, edges)],
            "subjects": len(column),
        }
    return described


def _shares(column: Floats, edges: Floats) -> Floats:
    """Return the share of each bin (left open, right closed) and, last, of nulls."""
    null = np.isnan(column)
    places = np.searchsorted(edges, column[~null], side="left")
    counts = np.append(np.bincount(places, minlength=len(edges) + 1), null.sum())
    return np.asarray(counts / max(len(column), 1), dtype=np.float64)


def population_stability(described: Mapping[str, Any], values: pd.DataFrame) -> pd.DataFrame:
    """Compare features with their reference by the population stability index.

    The index is sum over bins of (now - then) ln(now / then), nulls being a bin of their own; an
    empty bin counts as half a subject. 0 means no change; by custom 0.1 is worth a look and 0.25 a
    shift (Siddiqi 2006, Credit Risk Scorecards; for its sampling behaviour Yurdakul 2018).

    Parameters
    ----------
    described
        The result of ``reference`` at the fit.
    values
        The same features now.

    Returns
    -------
    DataFrame
        One row per feature, the greatest index first: ``feature``, ``index``, ``subjects_then``,
        ``subjects_now``, ``null_then``, ``null_now`` (shares).

    Raises
    ------
    ValueError
        If a feature of the reference is missing, or there is nobody to compare.
    """
    missing = sorted(set(described) - set(values.columns))
    if missing:
        raise ValueError(f"no column for {', '.join(missing)}, which the reference describes")
    if values.empty:
        raise ValueError("there are no subjects to compare with the reference")
    rows = []
    for name, then in described.items():
        before = np.asarray(then["shares"], dtype=np.float64)
        column = values[name].to_numpy(dtype=np.float64)
        now = _shares(column, np.asarray(then["edges"], dtype=np.float64))
        rows.append(
            {
                "feature": name,
                "index": _index(before, then["subjects"], now, len(column)),
                "subjects_then": then["subjects"],
                "subjects_now": len(column),
                "null_then": before[-1],
                "null_now": now[-1],
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values(["index", "feature"], ascending=[False, True], ignore_index=True)


def _index(before: Floats, subjects_then: int, now: Floats, subjects_now: int) -> float:
    known = (before > 0) | (now > 0)  # a bin that is empty both times says nothing
    then = np.maximum(before[known], 0.5 / subjects_then)
    current = np.maximum(now[known], 0.5 / subjects_now)
    return float(((current - then) * np.log(current / then)).sum())
