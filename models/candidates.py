"""Candidate segmentations and what they foretold on an earlier window.

Belongs here: which recipes are tried, and measuring them all. Does not belong here: the rule by
which one is chosen (``models.selection``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.backtest import OUTCOMES
from models.evaluation import foretell, resampled_shares
from models.features import FEATURES, Scale, shape_of
from models.frames import available, matrix, top_mix_features
from models.ordering import canonical_order, row_sample, side_by_side
from models.prepare import SkewTransformer
from models.recipe import METHODS, RFM, SCALES, Method, Recipe, build, feature_sets, rfm_quantiles
from models.segmenter import GroupEstimator

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A candidate with its measures.

    Attributes
    ----------
    recipe
        The candidate.
    shares
        Share of variance explained, by outcome (``spend``, ``visits``).
    score
        Mean of the shares.
    resampled
        The score on bootstrap resamples that all candidates share; shape (resamples,).
    smallest
        Subjects in the smallest segment (of those who were measured, scaled up to all).
    failure
        Why it couldn't be fitted; empty if it could.
    """

    recipe: Recipe
    shares: dict[str, float]
    score: float
    resampled: Floats
    smallest: int
    failure: str = ""


def candidates(
    frame: pd.DataFrame,
    segments: tuple[int, int],
    *,
    smallest: int,
    forbidden: Collection[str] = (),
    methods: Sequence[Method] = METHODS,
    scales: Sequence[Scale] = SCALES,
    seed: int = 0,
) -> tuple[list[Recipe], list[str]]:
    """List the recipes to try.

    Parameters
    ----------
    frame
        One row per subject; features without a source are left out.
    segments
        Smallest and largest number of segments.
    smallest
        How many subjects have to have bought a category for its share to be a feature.
    forbidden
        Features that no candidate may use.
    methods, scales
        Which to try.
    seed
        Seed of every recipe.

    Returns
    -------
    recipes, left_out
        Every named feature set with every scale (where it makes a difference), method and number of
        segments; and the features without a source.

    Raises
    ------
    ValueError
        If the range of segments is empty or starts below 2, or nothing is left to try.
    """
    low, high = segments
    if not 2 <= low <= high:
        raise ValueError(f"segments must run from at least 2 upwards, not from {low} to {high}")
    used, left_out = available(frame)
    found: list[Recipe] = []
    counts = range(low, high + 1)
    sets = feature_sets(used, top_mix_features(frame, smallest), forbidden)
    for name, members in sets.items():
        for scale in _different_scales(members, scales):
            for method in (m for m in methods if m != "rfm_quantiles"):
                found += [Recipe(method, members, k, scale, name, seed) for k in counts]
    if "rfm_quantiles" in methods and set(RFM) <= set(used) - set(forbidden):
        found += [rfm_quantiles(k, seed) for k in counts]
    if not found:
        raise ValueError("no feature is left to segment by: all are without a source or forbidden")
    return found, left_out


def _different_scales(members: Sequence[str], scales: Sequence[Scale]) -> list[Scale]:
    """Drop a scale that shapes every feature as an earlier one does."""
    shapes: dict[tuple[str, ...], Scale] = {}
    for scale in scales:
        shapes.setdefault(tuple(shape_of(name, scale) for name in members), scale)
    return list(shapes.values())


def measure(
    recipes: Sequence[Recipe],
    sample: pd.DataFrame,
    *,
    subjects: int,
    resamples: int,
    n_starts: int,
    seed: int = 0,
) -> list[Measured]:
    """Fit every recipe on an earlier window and measure what it foretold.

    Segments are fitted on features alone, so they see no outcome; the segment means that do are
    cross-fitted (``models.evaluation.foretell``).

    Parameters
    ----------
    recipes
        Candidates.
    sample
        One row per subject: features at the earlier day, ``following_value`` and
        ``following_visits``; in an order of their values (``sampled``).
    subjects
        How many there are in all, of whom these are a sample.
    resamples
        Number of bootstrap resamples, shared by all candidates.
    n_starts
        Starts of k-means.
    seed
        Seed of everything drawn.

    Raises
    ------
    ValueError
        If an outcome is missing or null, or there are too few subjects.
    """
    codes, failures = _assignments(recipes, sample, n_starts)
    if not codes:
        raise ValueError(f"no candidate could be fitted: {next(iter(failures.values()))}")
    shares: dict[str, dict[str, float]] = {}
    drawn: dict[str, dict[str, Floats]] = {}
    for column, outcome in OUTCOMES.items():
        if column not in sample:
            raise ValueError(f"the frame has no column {column!r}, which the selection needs")
        foretold = foretell(codes, sample[column], max_rows=len(sample), seed=seed)
        drawn[outcome] = resampled_shares(foretold, resamples, seed)
        shares[outcome] = {key: foretold.share(key) for key in codes}
    found = []
    for index, recipe in enumerate(recipes):
        key = str(index)
        if key in failures:
            found.append(_failed(recipe, failures[key]))
            continue
        own = {outcome: shares[outcome][key] for outcome in shares}
        resampled = np.mean([drawn[outcome][key] for outcome in drawn], axis=0)
        smallest = int(codes_smallest(codes[key]) * subjects / len(sample))
        found.append(Measured(recipe, own, float(np.mean(list(own.values()))), resampled, smallest))
    return found


def _failed(recipe: Recipe, why: str) -> Measured:
    nothing = dict.fromkeys(OUTCOMES.values(), float("nan"))
    return Measured(recipe, nothing, float("nan"), np.full(1, np.nan), 0, why)


def codes_smallest(codes: Any) -> int:
    """Return the number of subjects in the smallest segment that has any."""
    return int(np.unique(codes, return_counts=True)[1].min())


def sampled(
    frame: pd.DataFrame, recipes: Sequence[Recipe], max_rows: int, seed: int
) -> pd.DataFrame:
    """Return at most this many subjects, in an order that depends on their values only.

    Parameters
    ----------
    frame
        One row per subject.
    recipes
        Whose features count for the order.
    max_rows, seed
        Greatest number of subjects, and seed of the hash that chooses them.
    """
    if frame.empty:
        raise ValueError("there are no subjects to segment")
    names = dict.fromkeys(name for recipe in recipes for name in recipe.features)
    if len(frame) > max_rows:  # chosen without the mix, which is slow to read for millions
        plain = _numbers(frame, [name for name in names if name in FEATURES])
        frame = frame.iloc[row_sample(plain, max_rows, seed)]
    order = canonical_order(_numbers(frame, list(names)))
    return frame.iloc[order].reset_index(drop=True)


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> Floats:
    values = matrix(frame, names)
    for column in OUTCOMES:
        if column in frame:
            values[column] = pd.to_numeric(frame[column]).to_numpy(dtype=np.float64)
    return values.to_numpy()


def _assignments(
    recipes: Sequence[Recipe], sample: pd.DataFrame, n_starts: int
) -> tuple[dict[str, npt.NDArray[np.intp]], dict[str, str]]:
    """Fit and assign; recipes that differ only in method and number share the preparation."""
    prepared: dict[Recipe, Floats | str] = {}
    for recipe in map(_preparation, recipes):
        if recipe not in prepared:
            prepared[recipe] = _prepared(recipe, sample)

    def grouped(recipe: Recipe) -> npt.NDArray[np.intp] | str:
        values = prepared[_preparation(recipe)]
        if isinstance(values, str):
            return values
        try:
            group: GroupEstimator = build(recipe, n_starts).named_steps["group"]
            return group.fit_predict(values)
        except ValueError as error:
            return str(error)

    found = {str(i): codes for i, codes in enumerate(side_by_side(grouped, recipes))}
    failures = {key: codes for key, codes in found.items() if isinstance(codes, str)}
    return {k: codes for k, codes in found.items() if not isinstance(codes, str)}, failures


def _preparation(recipe: Recipe) -> Recipe:
    """Return what recipes that are prepared alike have in common."""
    return replace(recipe, method="kmeans", n_segments=1)


def _prepared(recipe: Recipe, sample: pd.DataFrame) -> Floats | str:
    """Return the prepared matrix, or why there is none."""
    step: SkewTransformer = build(recipe).named_steps["prepare"]
    try:
        return np.asarray(step.fit_transform(matrix(sample, recipe.features).to_numpy()))
    except ValueError as error:
        return str(error)
