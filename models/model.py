"""A fitted segmentation: the pipeline, and what its groups are called.

Belongs here: fitting a recipe to a frame, assigning subjects, the record that is stored. Does not
belong here: choosing the recipe (``models.selection``), files (``models.store``), matching with an
earlier model (``models.identity``).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from models import drift
from models.deciding import name_of
from models.frames import matrix
from models.recipe import Recipe, build

CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class SegmentModel:
    """A fitted segmentation; it holds nothing about any one subject.

    Attributes
    ----------
    recipe
        What was fitted.
    pipeline
        The fitted scikit-learn pipeline (steps ``prepare`` and ``group``).
    ids
        Lasting id of each group, by group number.
    names
        Plain-words name by id.
    reference
        Quantile bins of the features at the fit, for drift (``models.drift``).
    highest_id
        The highest id ever given, here or in an earlier model: an id is never used again.
    facts
        What else the caller wants kept: clocks, versions, the reason of the choice. Plain values
        (strings, numbers, lists, dicts) only.
    """

    recipe: Recipe
    pipeline: Pipeline
    ids: tuple[int, ...]
    names: dict[int, str] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)
    highest_id: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def assign(self, frame: pd.DataFrame) -> pd.Series:
        """Return the segment id of every subject.

        Parameters
        ----------
        frame
            One row per subject, with the recipe's features.

        Returns
        -------
        Series of int
            Named ``segment``, with the frame's index.

        Raises
        ------
        ValueError
            If a feature is missing or holds no numbers.
        """
        values = matrix(frame, self.recipe.features)
        ids = np.asarray(self.ids, dtype=np.int64)
        groups = np.empty(len(values), dtype=np.int64)
        for start in range(0, len(values), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            groups[part] = self.pipeline.predict(values.iloc[part])
        return pd.Series(ids[groups], index=frame.index, name="segment")

    def name_of(self, segment: int) -> str:
        """Return the name of a segment, or its number in words if it has none yet."""
        return name_of(self.names, segment)

    def with_names(self, names: dict[int, str]) -> "SegmentModel":
        """Return the model with these names."""
        return replace(self, names=dict(names))

    def with_facts(self, **facts: Any) -> "SegmentModel":
        """Return the model with these facts added."""
        return replace(self, facts={**self.facts, **facts})


def fit_model(frame: pd.DataFrame, recipe: Recipe, n_starts: int | None = None) -> SegmentModel:
    """Fit a recipe to a frame; segments are numbered from 1.

    Parameters
    ----------
    frame
        One row per subject.
    recipe
        What to fit.
    n_starts
        Overrides the number of starts of k-means.

    Raises
    ------
    ValueError
        If the frame is empty, a feature is missing or all null, or there are fewer different
        subjects than segments.
    """
    if frame.empty:
        raise ValueError("there are no subjects to segment")
    values = matrix(frame, recipe.features)
    pipeline = build(recipe, n_starts).fit(values)
    ids = tuple(range(1, recipe.n_segments + 1))
    reference = drift.reference(values)
    return SegmentModel(recipe, pipeline, ids, reference=reference, highest_id=len(ids))
