"""Why a subject is in a segment, or changed to it: split over the features, exactly.

Belongs here: one subject's place under one model, and its change between two days. Does not belong
here: a change of the model itself (``models.identity``), whose figures these are and whether they
may be read (``governance``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.features import MIX, feature
from models.frames import matrix
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


@dataclass(frozen=True)
class Place:
    """Why a subject is in its segment.

    Attributes
    ----------
    segment, rival
        Ids of its segment and of the next that it would be in; equal if there is only one.
    table
        One row per feature of the model, what decided most first: ``feature``, ``label``, ``unit``,
        ``value``, ``typical`` (of the segment), ``typical_of_rival``, ``contribution`` and
        ``share`` (of the sum of contributions).
    sentence
        The same in words.
    """

    segment: int
    rival: int
    table: pd.DataFrame
    sentence: str


def explain_place(
    row: Mapping[str, Any] | pd.Series, typical: pd.DataFrame, model: SegmentModel
) -> Place:
    """Say by which features a subject is in its segment rather than in the next best.

    The contributions are those of :func:`explain_change`, from what is typical of the next best
    segment to the subject's own figures.

    Parameters
    ----------
    row
        The subject's features.
    typical
        The typical figures of each segment that has members: one row each, by segment id.
    model
        The model that assigned it.

    Raises
    ------
    ValueError
        If a feature of the model is missing.
    """
    own = pd.DataFrame([_plain(row, model)])
    estimator = model.pipeline.named_steps["group"]
    ranked = estimator.ranking(_prepared(own, model))[0]
    group = int(ranked[0])
    rival = next((int(g) for g in ranked[1:] if model.ids[g] in typical.index), group)
    ids = model.ids[group], model.ids[rival]
    known = typical.reindex(list(ids))
    frame = pd.concat([own, known], ignore_index=True)
    values = matrix(frame, model.recipe.features)
    prepared = _prepared(frame, model)
    contributions = estimator.contributions(prepared[2], prepared[0], rival, group)
    table = _table(
        model, contributions, value=values.iloc[0], typical=values.iloc[1],
        typical_of_rival=values.iloc[2],
    )  # fmt: skip
    return Place(*ids, table, _reason(model, *ids, table))


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
    frame = pd.DataFrame([_plain(previous_row, model), _plain(current_row, model)])
    values = matrix(frame, model.recipe.features)
    prepared = _prepared(frame, model)
    estimator = model.pipeline.named_steps["group"]
    source, target = (int(group) for group in estimator.predict(prepared))
    contributions = estimator.contributions(prepared[0], prepared[1], source, target)
    table = _table(model, contributions, before=values.iloc[0], after=values.iloc[1])
    ids = model.ids[source], model.ids[target]
    return Change(*ids, table, _sentence(model, *ids, table))


def _plain(row: Mapping[str, Any] | pd.Series, model: SegmentModel) -> dict[str, Any]:
    return {name: row[name] for name in (*model.recipe.features, MIX) if name in row}


def _prepared(frame: pd.DataFrame, model: SegmentModel) -> Any:
    values = matrix(frame, model.recipe.features)
    return model.pipeline.named_steps["prepare"].transform(values)


def _table(model: SegmentModel, contributions: Any, **values: pd.Series) -> pd.DataFrame:
    """Return one row per feature, the greatest contribution first."""
    names = list(model.recipe.features)
    total = float(contributions.sum())
    table = pd.DataFrame(
        {
            "feature": names,
            "label": [feature(name).label for name in names],
            "unit": [feature(name).unit for name in names],
            **{column: figures.to_numpy() for column, figures in values.items()},
            "contribution": contributions,
            "share": contributions / total if total > 0 else contributions * 0.0,
        }
    )
    return table.sort_values(
        ["contribution", "feature"], ascending=[False, True], ignore_index=True
    )


def _reason(model: SegmentModel, segment: int, rival: int, table: pd.DataFrame) -> str:
    name = repr(model.name_of(segment))
    if segment == rival:
        return f"In {name}, the only segment."
    reasons = [
        f"{row['label']} {_number(row['value'])} (typical: {_number(row['typical'])}, there"
        f" {_number(row['typical_of_rival'])})"
        for row in table[table.contribution > 0].head(3).to_dict("records")
    ]
    rather = f"In {name} rather than in {model.name_of(rival)!r}"
    return f"{rather}, above all for: {'; '.join(reasons)}." if reasons else f"{rather}, narrowly."


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
