"""The behavioural features a segmentation may use: name, unit, plain definition, treatment.

Belongs here: what each feature is and how its tail and its nulls are treated; without numbers, so
that the column gate reads it in no time. Does not belong here: features in frames
(``models.frames``), computing a feature from transactions (``dbt_project``), scaling
(``models.prepare``), choosing which features a model uses (``models.selection``), whether the
policy allows one (``governance``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

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
        "recency_days", "days", "Days from the last visit to as_of; 0 if it was that day",
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
        "tenure_days", "days", "Days from the first visit in the window to as_of",
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
        "gap_mean_days", "days", "Mean number of days between one visiting day and the next",
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


def shape_of(name: str, scale: Scale) -> str:
    """Return how a feature is shaped under a recipe's scale: a key of ``models.deciding.SHAPES``.

    ``log`` is ``sign(x) log(1 + |x|)``; ``root`` is ``sign(x) sqrt(|x|)``, the variance-stabilising
    transformation of counts (Bartlett 1936, Supplement to the JRSS 3). A net refund keeps its sign.
    """
    tail = feature(name).tail
    if tail == "none":
        return "none"
    if tail == "duration" or scale == "log":
        return "log"
    return "root"
