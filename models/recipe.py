"""What defines a segmentation before it meets data: method, features, scale, number of segments.

Belongs here: the recipe, the named feature sets, building the scikit-learn pipeline. Does not
belong here: choosing among recipes (``models.selection``), what is learnt (``models.model``).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from sklearn.pipeline import Pipeline

from models.features import FEATURES, Scale, feature, shape_of
from models.prepare import SkewTransformer
from models.rfm import RFMQuantiles
from models.segmenter import GroupEstimator, KMeansSegments, MixtureSegments

Method = Literal["kmeans", "mixture", "rfm_quantiles"]
METHODS: tuple[Method, ...] = get_args(Method)
SCALES: tuple[Scale, ...] = get_args(Scale)

RFM = ("recency_days", "visits", "value_total")
_ACTIVITY = ("visits", "value_total", "visits_8w", "value_8w")
_RFM_RECENT = (*RFM, "visits_8w", "value_8w")

# Every set holds measures of the whole window: visits and spend of the last 8 weeks alone would do
# as well, but a holiday would then change a subject's segment. Few features first: where two sets
# come to the same after leaving features out, the first stays.
FEATURE_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rfm": RFM,
        "activity": _ACTIVITY,
        "rfm and recent activity": _RFM_RECENT,
        "activity and basket": (*_ACTIVITY, "basket_value_mean", "basket_lines_mean"),
        "activity and trend": (*_ACTIVITY, "tenure_days", "value_trend"),
        "activity, discount and breadth": (*_ACTIVITY, "discount_share", "category_breadth"),
        "rfm and rhythm": (*_RFM_RECENT, "gap_mean_days", "gap_variation"),
        "everything": tuple(FEATURES),
    }
)


@dataclass(frozen=True)
class Recipe:
    """A segmentation, ready to be fitted.

    Attributes
    ----------
    method
        ``kmeans``, ``mixture`` or ``rfm_quantiles``.
    features
        Columns used, in order. ``rfm_quantiles`` scores the first as "less is better".
    n_segments
        Number of segments.
    scale
        Scale of counts and amounts: ``log`` or ``root`` (without effect on quantiles).
    feature_set
        Name of the set the features come from.
    seed
        Seed of everything drawn.

    Raises
    ------
    ValueError
        On construction, for anything unknown, or no features.
    """

    method: Method
    features: tuple[str, ...]
    n_segments: int
    scale: Scale = "root"
    feature_set: str = "own"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; known are {', '.join(METHODS)}")
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale!r}; known are {', '.join(SCALES)}")
        if not self.features:
            raise ValueError("the recipe names no features")
        if len(set(self.features)) < len(self.features):
            raise ValueError("the recipe names a feature twice")
        for name in self.features:
            feature(name)

    def title(self) -> str:
        """Return the recipe in a few words."""
        method = {"kmeans": "k-means", "mixture": "Gaussian mixture"}.get(self.method)
        if method is None:
            return f"RFM-score quantiles, {self.n_segments} segments"
        scale = {"root": "square-root", "log": "logarithmic"}[self.scale]
        return f"{method} on {self.feature_set} ({scale} scale), {self.n_segments} segments"


def rfm_quantiles(n_segments: int, seed: int = 0) -> Recipe:
    """Return the yardstick: RFM-score quantiles with this many segments."""
    return Recipe("rfm_quantiles", RFM, n_segments, "log", "rfm", seed)


def build(recipe: Recipe, n_starts: int | None = None) -> Pipeline:
    """Return the unfitted pipeline of a recipe: prepare, then group.

    Parameters
    ----------
    recipe
        What to build.
    n_starts
        Overrides the number of starts of k-means.
    """
    prepare = SkewTransformer(
        shapes=[shape_of(name, recipe.scale) for name in recipe.features],
        missing=[feature(name).missing for name in recipe.features],
    )
    return Pipeline([("prepare", prepare), ("group", _grouper(recipe, n_starts))])


def _grouper(recipe: Recipe, n_starts: int | None) -> GroupEstimator:
    if recipe.method == "rfm_quantiles":
        return RFMQuantiles(recipe.n_segments)
    if recipe.method == "mixture":
        return MixtureSegments(recipe.n_segments, random_state=recipe.seed)
    estimator = KMeansSegments(recipe.n_segments, random_state=recipe.seed)
    return estimator if n_starts is None else estimator.set_params(n_starts=n_starts)


def feature_sets(
    used: Collection[str], mix: Iterable[str] = (), forbidden: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return the named sets, cut down to the features that are there and allowed.

    Parameters
    ----------
    used
        Features that have a source.
    mix
        Shares of the category mix to offer as one more set.
    forbidden
        Features that may not be used (proxies of a protected attribute, say).

    Returns
    -------
    dict
        Name to features. Empty sets, and sets equal to an earlier one, are dropped.
    """
    sets = dict(FEATURE_SETS)
    allowed_mix = tuple(name for name in mix if name not in forbidden)
    if allowed_mix:
        sets["activity and category mix"] = (*_ACTIVITY, *allowed_mix)
    found: dict[frozenset[str], str] = {}
    kept: dict[str, tuple[str, ...]] = {}
    for name, members in sets.items():
        left = tuple(m for m in members if (m in used or m in allowed_mix) and m not in forbidden)
        if left and found.setdefault(frozenset(left), name) == name:
            kept[name] = left
    return kept
