"""Why a subject is in a segment, or changed to it: split over the features, exactly.

Belongs here: one subject's place under one model, and its change between two days. Does not belong
here: a change of the model itself (``models.identity``), whose figures these are and whether they
may be read (``governance``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np

from models.deciding import Deciding, Floats
from models.features import feature

Part = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A subject's change of segment.

    Attributes
    ----------
    source, target
        Segment ids before and after; equal if there was no change.
    parts
        One for each feature of the model, the greatest push towards the target first: ``feature``,
        ``label``, ``unit``, ``before``, ``after`` (in that unit), ``contribution`` and ``share``
        (of the sum of contributions).
    sentence
        The same in words.
    """

    source: int
    target: int
    parts: list[Part]
    sentence: str


@dataclass(frozen=True)
class Place:
    """Why a subject is in its segment.

    Attributes
    ----------
    segment, rival
        Ids of its segment and of the next that it would be in; equal if there is only one.
    parts
        One for each feature of the model, what decided most first: ``feature``, ``label``,
        ``unit``, ``value``, ``typical`` (of the segment), ``typical_of_rival``, ``contribution``
        and ``share`` (of the sum of contributions).
    sentence
        The same in words.
    """

    segment: int
    rival: int
    parts: list[Part]
    sentence: str


def explain_place(
    row: Mapping[str, Any], typical: Mapping[int, Mapping[str, float]], model: Deciding
) -> Place:
    """Say by which features a subject is in its segment rather than in the next best.

    The contributions are those of :func:`explain_change`, from what is typical of the next best
    segment to the subject's own figures.

    Parameters
    ----------
    row
        The subject's features.
    typical
        The typical figures of each segment that has members, by segment id; without those that too
        few members have.
    model
        The model that assigned it.

    Raises
    ------
    ValueError
        If a feature of the model is missing.
    """
    own = model.prepared(row)
    group, *others = model.ranking(own)
    rival = next((other for other in others if model.ids[other] in typical), group)
    ids = model.ids[group], model.ids[rival]
    unknown = dict.fromkeys(model.features, nan)
    here, there = ({**unknown, **typical.get(segment, {})} for segment in ids)
    contributions = model.groups.contributions(model.prepared(there), own, rival, group)
    parts = _parts(model, contributions, value=row, typical=here, typical_of_rival=there)
    return Place(*ids, parts, _reason(model, *ids, parts))


def explain_change(
    previous_row: Mapping[str, Any], current_row: Mapping[str, Any], model: Deciding
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
    before, after = model.prepared(previous_row), model.prepared(current_row)
    source, target = model.ranking(before)[0], model.ranking(after)[0]
    contributions = model.groups.contributions(before, after, source, target)
    parts = _parts(model, contributions, before=previous_row, after=current_row)
    ids = model.ids[source], model.ids[target]
    return Change(*ids, parts, _sentence(model, *ids, parts))


def _parts(model: Deciding, contributions: Floats, **rows: Mapping[str, Any]) -> list[Part]:
    """Return one part for each feature, the greatest contribution first."""
    total = float(contributions.sum())
    shares = contributions / total if total > 0 else np.zeros(len(contributions))
    parts: list[Part] = [
        {
            "feature": name,
            "label": feature(name).label,
            "unit": feature(name).unit,
            **{column: _figure(row[name]) for column, row in rows.items()},
            "contribution": contribution,
            "share": share,
        }
        for name, contribution, share in zip(
            model.features, contributions.tolist(), shares.tolist(), strict=True
        )
    ]
    return sorted(parts, key=lambda part: (-part["contribution"], part["feature"]))


def _figure(value: Any) -> float:
    return nan if value is None else float(value)


def _reason(model: Deciding, segment: int, rival: int, parts: list[Part]) -> str:
    name = repr(model.name_of(segment))
    if segment == rival:
        return f"In {name}, the only segment."
    reasons = [
        f"{part['label']} {_number(part['value'])} (typical: {_typical(part['typical'])}, there"
        f" {_typical(part['typical_of_rival'])})"
        for part in _pushing(parts)
    ]
    rather = f"In {name} rather than in {model.name_of(rival)!r}"
    return f"{rather}, above all for: {'; '.join(reasons)}." if reasons else f"{rather}, narrowly."


def _sentence(model: Deciding, source: int, target: int, parts: list[Part]) -> str:
    if source == target:
        return f"Stays in {model.name_of(source)!r}."
    reasons = [
        f"{part['label']} went from {_number(part['before'])} to {_number(part['after'])} "
        f"({part['share']:.0%} of the move)"
        for part in _pushing(parts)
    ]
    moved = f"Moved from {model.name_of(source)!r} to {model.name_of(target)!r}"
    return f"{moved}: {'; '.join(reasons)}."


def _pushing(parts: list[Part]) -> list[Part]:
    """Return the three that decided most, those that decided for it."""
    return [part for part in parts if part["contribution"] > 0][:3]


def _typical(value: float) -> str:
    return "too few to tell" if isnan(value) else _number(value)


def _number(value: float) -> str:
    if isnan(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
