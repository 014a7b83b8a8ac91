"""Why a subject changed segment: the move split over the features, exactly.

Belongs here: one subject's change between two days under one model. Does not belong here: a change
of the model itself (``models.identity``), explaining to the subject in a letter (``governance``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.features import FEATURES, MIX, feature, matrix
from models.model import SegmentModel


@dataclass(frozen=True)
class Change:
    """A subject's change of segment.

    Attributes
    ----------
    source, target
        Segment ids before and after; equal if there was no change.
    table
        One row per feature of the model, the greatest push towards the target first: ``feature``,
        ``label``, ``unit``, ``before``, ``after`` (in that unit), ``contribution`` and ``share``
        (of the sum of contributions).
    sentence
        The same in words.
    """

    source: int
    target: int
    table: pd.DataFrame
    sentence: str


def explain_change(
    previous_row: Mapping[str, Any] | pd.Series,
    current_row: Mapping[str, Any] | pd.Series,
    model: SegmentModel,
) -> Change:
    """Split a subject's move from one segment to another over the features.

    For k-means the contributions add up exactly to the growth of
    d2(x, source) - d2(x, target), the lead that the target's centre has over the source's in
    squared distance (standard units): negative before the move, positive after. For a Gaussian
    mixture they add up to the growth of the log odds, for RFM-score quantiles to the change of the
    summed score.

    Parameters
    ----------
    previous_row, current_row
        The subject's features on the two days.
    model
        The model that assigned both.

    Raises
    ------
    ValueError
        If a feature of the model is missing.
    """
    frame = pd.DataFrame([_plain(previous_row), _plain(current_row)])
    values = matrix(frame, model.recipe.features)
    prepared = model.pipeline.named_steps["prepare"].transform(values)
    estimator = model.pipeline.named_steps["group"]
    source, target = (int(group) for group in estimator.predict(prepared))
    contributions = estimator.contributions(prepared[0], prepared[1], source, target)
    total = float(contributions.sum())
    table = pd.DataFrame(
        {
            "feature": list(model.recipe.features),
            "label": [feature(name).label for name in model.recipe.features],
            "unit": [feature(name).unit for name in model.recipe.features],
            "before": values.iloc[0].to_numpy(),
            "after": values.iloc[1].to_numpy(),
            "contribution": contributions,
            "share": contributions / total if total else contributions,
        }
    ).sort_values(["contribution", "feature"], ascending=[False, True], ignore_index=True)
    ids = model.ids[source], model.ids[target]
    return Change(*ids, table, _sentence(model, *ids, table))


def _plain(row: Mapping[str, Any] | pd.Series) -> dict[str, Any]:
    return {name: row[name] for name in (*FEATURES, MIX) if name in row}


def _sentence(model: SegmentModel, source: int, target: int, table: pd.DataFrame) -> str:
    if source == target:
        return f"Stays in {model.name_of(source)!r}."
    pushing = table[table.contribution > 0].head(3)
    reasons = [
        f"{row['label']} went from {_number(row['before'])} to {_number(row['after'])} "
        f"({row['share']:.0%} of the move)"
        for row in pushing.to_dict("records")
    ]
    moved = f"Moved from {model.name_of(source)!r} to {model.name_of(target)!r}"
    return f"{moved}: {'; '.join(reasons)}."


def _number(value: float) -> str:
    if pd.isna(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
