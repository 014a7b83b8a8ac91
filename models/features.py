"""The behavioural features a segmentation may use: name, unit, plain definition, treatment.

Belongs here: what each feature is and how its tail and its nulls are treated. Does not belong here:
computing a feature from transactions (``dbt_project``), scaling (``models.prepare``), choosing
which features a model uses (``models.selection``), whether the policy allows one (``governance``).
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Tail = Literal["amount", "duration", "none"]
Missing = Literal["median", "zero", "high"]
Scale = Literal["log", "root"]

MIX = "category_mix"
MIX_PREFIX = "mix:"


@dataclass(frozen=True)
class Feature:
    """One feature of a subject.

    Attributes
    ----------
    name
        Column name.
    unit
        Unit of a value as stored, before any transformation.
    definition
        What it is, in plain words.
    tail
        ``amount``: heavy-tailed count or sum, taken on the scale of the recipe (logarithm or square
        root); ``duration``: heavy-tailed time, always taken as a logarithm; ``none``: used as is.
    missing
        What a null stands for: ``median`` (nothing is known), ``zero`` (there was none), ``high``
        (longer than could be seen: the 95 % quantile).
    why_missing
        When a null occurs, in words; empty if it can't.
    label
        The feature in two or three words, for tables and plots.
    """

    name: str
    unit: str
    definition: str
    tail: Tail
    missing: Missing
    why_missing: str
    label: str


_ALL = (
    Feature(
        "recency_days", "days", "Days from the last visit to the end of as_of",
        "duration", "median", "", "days since last visit",
    ),
    Feature(
        "visits", "visits", "Number of visits (baskets) in the window",
        "amount", "zero", "", "visits",
    ),
    Feature(
        "value_total", "currency", "What was paid in the window, all visits together",
        "amount", "zero", "", "spend",
    ),
    Feature(
        "tenure_days", "days", "Days from the first visit in the window to the end of as_of",
        "duration", "median", "", "days since first visit",
    ),
    Feature(
        "basket_value_mean", "currency per visit", "Mean of what was paid per visit",
        "amount", "median", "no visit", "spend per visit",
    ),
    Feature(
        "basket_lines_mean", "lines per visit", "Mean number of lines (articles) per visit",
        "amount", "median", "no visit", "lines per visit",
    ),
    Feature(
        "discount_share", "share of list price", "What was taken off, as a share of the full price",
        "none", "zero", "nothing was paid", "share of discount",
    ),
    Feature(
        "category_breadth", "categories", "Number of different categories bought from",
        "amount", "zero", "no line has a category", "categories bought",
    ),
    Feature(
        "category_concentration", "index from 0 to 1",
        "Herfindahl index of spend over categories: the sum of squared shares; 1 if all spend is "
        "in one category",
        "none", "median", "no spend in a known category", "concentration",
    ),
    Feature(
        "gap_mean_days", "days", "Mean number of days between one visit and the next",
        "duration", "high", "a single visit has no gap", "days between visits",
    ),
    Feature(
        "gap_variation", "ratio",
        "Irregularity: standard deviation of the gaps divided by their mean (1 if visits fall at "
        "random, 0 if they come like clockwork)",
        "none", "median", "fewer than two gaps", "irregularity",
    ),
    Feature(
        "value_trend", "index from -1 to 1",
        "Change of spend: (last 8 weeks - the 8 before) / (last 8 weeks + the 8 before)",
        "none", "zero", "no spend in the last 16 weeks", "trend of spend",
    ),
    Feature(
        "visits_8w", "visits", "Number of visits in the last 8 weeks",
        "amount", "zero", "no visit in these weeks", "visits in 8 weeks",
    ),
    Feature(
        "value_8w", "currency", "What was paid in the last 8 weeks",
        "amount", "zero", "no visit in these weeks", "spend in 8 weeks",
    ),
)  # fmt: skip

FEATURES: Mapping[str, Feature] = MappingProxyType({feature.name: feature for feature in _ALL})


def feature(name: str) -> Feature:
    """Return the feature of a name; ``mix:<category>`` names one share of the category mix.

    Raises
    ------
    ValueError
        If no feature has this name: a column outside the registry can't enter a model.
    """
    if name in FEATURES:
        return FEATURES[name]
    if name.startswith(MIX_PREFIX) and len(name) > len(MIX_PREFIX):
        category = name[len(MIX_PREFIX) :]
        # The square root of a share: the Hellinger transformation of compositions (Legendre and
        # Gallagher 2001, Oecologia 129), so that small categories still count.
        return Feature(
            name, "share of spend", f"Share of spend that goes to the category {category}",
            "amount", "zero", "no spend in a known category", f"share of {category.lower()}",
        )  # fmt: skip
    raise ValueError(
        f"{name!r} is not a feature; known are {', '.join(FEATURES)} and {MIX_PREFIX}<category>"
    )


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


def top_mix_features(frame: pd.DataFrame, top: int = 5) -> list[str]:
    """Name the shares of the categories with the greatest mean share, greatest first.

    Parameters
    ----------
    frame
        One row per subject, with ``category_mix``; without it the answer is empty.
    top
        How many categories.
    """
    if MIX not in frame:
        return []
    totals = mix_totals(frame[MIX])
    ranked = sorted(totals, key=lambda category: (-totals[category], category))
    return [MIX_PREFIX + category for category in ranked[:top]]


def mix_totals(mixes: Iterable[Any]) -> dict[str, float]:
    """Sum the shares by category over subjects, in an order that doesn't depend on the rows."""
    found: dict[str, list[float]] = {}
    for mix in mixes:
        for category, share in shares(mix).items():
            found.setdefault(category, []).append(share)
    return {category: float(np.sort(found[category]).sum()) for category in sorted(found)}


def _signed_log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _signed_root(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


SHAPES: Mapping[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = (
    MappingProxyType({"none": np.asarray, "log": _signed_log, "root": _signed_root})
)


def shape_of(name: str, scale: Scale) -> str:
    """Return the transformation of a feature (a key of ``SHAPES``) under the scale of a recipe.

    ``log`` is ``sign(x) log(1 + |x|)``; ``root`` is ``sign(x) sqrt(|x|)``, the variance-stabilising
    transformation of counts (Bartlett 1936, Supplement to the JRSS 3). A net refund keeps its sign.
    """
    tail = feature(name).tail
    if tail == "none":
        return "none"
    if tail == "duration" or scale == "log":
        return "log"
    return "root"


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
