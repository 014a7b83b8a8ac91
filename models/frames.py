"""Features in frames: reading them as numbers, which have a source, mixes.

Belongs here: what is done to the columns of a frame because they are features. Does not belong
here: what a feature is (``models.features``), shaping and scaling (``models.deciding``,
``models.prepare``).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.features import FEATURES, MIX, MIX_PREFIX, feature

OTHERS = "other categories"


def shares(mix: Any) -> dict[str, float]:
    """Return a category mix as a dict; maps come as dicts or, through Arrow, as lists of pairs.

    Null, and anything that isn't a mix, counts as no known category.
    """
    if isinstance(mix, Mapping):
        pairs: Iterable[Any] = mix.items()
    elif isinstance(mix, list | tuple | np.ndarray):
        pairs = mix
    else:
        return {}
    return {str(key): float(value) for key, value in pairs if value is not None}


def matrix(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return the columns of these features as floats; nulls become NaN.

    Parameters
    ----------
    frame
        One row per subject.
    names
        Features; ``mix:<category>`` is a column of its own, or taken from the mix.

    Raises
    ------
    ValueError
        If a name is not a feature, a column is missing, or a column holds no numbers.
    """
    columns: dict[Hashable, npt.NDArray[np.float64]] = {}
    for name in names:
        feature(name)
        columns[name] = (
            _column(frame, name) if name in FEATURES or name in frame else _mix_column(frame, name)
        )
    return pd.DataFrame(columns, index=frame.index)


def _column(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    if name not in frame:
        raise ValueError(f"the frame has no column {name!r}, which the model needs")
    try:
        values = pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        # The cause would show a value.
        raise ValueError(f"column {name!r} holds something other than numbers") from error
    if np.isinf(values).any():
        raise ValueError(f"column {name!r} holds an infinite value")
    return values


def _mix_column(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    if MIX not in frame:
        raise ValueError(f"the frame has no column {MIX!r}, which the feature {name!r} needs")
    category = name[len(MIX_PREFIX) :]
    return np.array([_share_of(mix, category) for mix in frame[MIX]], dtype=np.float64)


def _share_of(mix: Any, category: str) -> float:
    known = mix if isinstance(mix, Mapping) else shares(mix)  # no copy: there may be millions
    return float(known.get(category) or 0.0) if known else float("nan")


def of_enough(values: pd.DataFrame, segments: pd.Series, smallest: int) -> pd.DataFrame:
    """Return values without those of a segment in which too few subjects have one (NaN).

    Their median or mean would be these few's own; and a figure of all, less those of the other
    segments, would tell it as well.

    Parameters
    ----------
    values
        One row per subject, a feature a column.
    segments
        Segment of every subject, in the order of the values.
    smallest
        How many subjects of a segment have to have a value.
    """
    known = values.groupby(segments.to_numpy()).transform("count")
    return values.where(known >= smallest)


def available(
    frame: pd.DataFrame, names: Iterable[str] | None = None
) -> tuple[list[str], list[str]]:
    """Split features into those that the frame has and those without a source.

    Parameters
    ----------
    frame
        One row per subject.
    names
        Features to look at; default: the whole registry.

    Returns
    -------
    used, left_out
        A feature is left out if its column is absent or all null.
    """
    used: list[str] = []
    left_out: list[str] = []
    for name in FEATURES if names is None else names:
        column = MIX if feature(name).name not in FEATURES else name
        has_source = column in frame and bool(frame[column].notna().any())
        (used if has_source else left_out).append(name)
    return used, left_out


def folded(mixes: Iterable[Any], smallest: int) -> list[dict[str, float]]:
    """Return mixes with one share for all categories that are bought by too few to be named.

    The name of a category is free text: one that a single subject bought may name that subject.

    Parameters
    ----------
    mixes
        One of each subject.
    smallest
        How many subjects have to have bought a category for it to keep its name.
    """
    known = [shares(mix) for mix in mixes]
    bought = Counter(category for mix in known for category in mix)
    found = []
    for mix in known:
        named = {category: share for category, share in mix.items() if bought[category] >= smallest}
        others = [share for category, share in mix.items() if category not in named]
        found.append({**named, OTHERS: fsum(others)} if others else named)
    return found


def top_mix_features(frame: pd.DataFrame, smallest: int, top: int = 5) -> list[str]:
    """Name the shares of the categories with the greatest mean share, greatest first.

    Parameters
    ----------
    frame
        One row per subject, with ``category_mix``; without it the answer is empty.
    smallest
        How many subjects have to have bought a category for it to be named.
    top
        How many categories.
    """
    if MIX not in frame:
        return []
    totals = mix_totals(folded(frame[MIX], smallest))
    totals.pop(OTHERS, None)
    ranked = sorted(totals, key=lambda category: (-totals[category], category))
    return [MIX_PREFIX + category for category in ranked[:top]]


def mix_totals(mixes: Iterable[Any]) -> dict[str, float]:
    """Sum the shares by category over subjects, in an order that doesn't depend on the rows."""
    found: dict[str, list[float]] = {}
    for mix in mixes:
        for category, share in shares(mix).items():
            found.setdefault(category, []).append(share)
    return {category: float(np.sort(found[category]).sum()) for category in sorted(found)}


def describe(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the definitions as a table, one row per feature."""
    rows = [feature(name) for name in (FEATURES if names is None else names)]
    return pd.DataFrame(
        [
            {
                "feature": row.name,
                "unit": row.unit,
                "definition": row.definition,
                "tail": row.tail,
                "null": f"{row.why_missing}: taken as {row.missing}" if row.why_missing else "",
            }
            for row in rows
        ],
        columns=["feature", "unit", "definition", "tail", "null"],
    )
