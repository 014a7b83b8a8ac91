"""Segments keep their identity from one fitted model to the next.

Belongs here: matching new segments with earlier ones, giving ids, saying what became of each. Does
not belong here: why one subject changed segment (``models.explain``), names (``models.naming``).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from models.model import SegmentModel

# Hennig (2007, Computational Statistics & Data Analysis 52): at a Jaccard overlap of 0.5 or less a
# cluster has dissolved; from 0.75 on it is the same one.
DISSOLVED = 0.5
SAME = 0.75


@dataclass(frozen=True)
class Matching:
    """The new model under lasting ids, and what became of each segment.

    Attributes
    ----------
    model
        The new model; matched segments carry their earlier id, kept ones their name too (a moved
        segment may need another).
    table
        One row per segment: ``segment`` (id), ``name`` (of the earlier model; empty if new),
        ``status`` (``kept``, ``moved``, ``new``, ``vanished``), ``overlap`` (Jaccard index),
        ``subjects_then`` and ``subjects_now`` (today's subjects by the earlier and the new model).
    remark
        What else there is to say; empty if nothing.
    """

    model: SegmentModel
    table: pd.DataFrame
    remark: str = ""


def match(previous: SegmentModel | None, current: SegmentModel, frame: pd.DataFrame) -> Matching:
    """Match the segments of a new model with those of the previous one.

    Both models assign the same subjects. The one-to-one matching with the greatest sum of Jaccard
    overlaps (shared / either) is found (Kuhn 1955, the Hungarian method); a pair that shares more
    than half is the same segment: ``kept`` from 0.75, ``moved`` below. Unmatched segments are
    ``new`` (with an id never used before) or ``vanished``.

    Parameters
    ----------
    previous
        The earlier model; None for the first.
    current
        The new model.
    frame
        Today's subjects, with the features of both models.

    Raises
    ------
    ValueError
        If there are no subjects, or the new model's features are missing.
    """
    if frame.empty:
        raise ValueError("there are no subjects to match segments by")
    now = current.assign(frame)
    if previous is None:
        return _first(current, now, "")
    try:
        then = previous.assign(frame)
    except ValueError as error:
        started_over = replace(current, ids=_fresh(previous.highest_id, len(current.ids)))
        started_over = replace(started_over, highest_id=max(started_over.ids))
        remark = f"the previous model can't assign today's subjects ({error}): ids start over"
        return _first(started_over, started_over.assign(frame), remark)
    counts = _counts(then, now, previous.ids, current.ids)
    overlaps = _jaccard(counts)
    pairs = _pairs(overlaps)
    model = _renamed(previous, current, pairs, overlaps)
    return Matching(model, _table(previous, model, counts, overlaps, pairs))


def _fresh(highest: int, count: int) -> tuple[int, ...]:
    return tuple(range(highest + 1, highest + count + 1))


def _first(model: SegmentModel, now: pd.Series, remark: str) -> Matching:
    sizes = now.value_counts()
    rows = [
        {
            "segment": segment,
            "name": "",
            "status": "new",
            "overlap": np.nan,
            "subjects_then": 0,
            "subjects_now": int(sizes.get(segment, 0)),
        }
        for segment in sorted(model.ids)
    ]
    return Matching(model, pd.DataFrame(rows), remark)


def _counts(
    then: pd.Series, now: pd.Series, before: tuple[int, ...], after: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    crossed = pd.crosstab(then.to_numpy(), now.to_numpy())
    filled = crossed.reindex(index=list(before), columns=list(after), fill_value=0)
    return filled.to_numpy(dtype=np.int64)


def _jaccard(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    either = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    return np.asarray(counts / np.maximum(either, 1), dtype=np.float64)


def _pairs(overlaps: npt.NDArray[np.float64]) -> dict[int, int]:
    """Return positions in the new model by position in the earlier one, for segments that last."""
    rows, columns = linear_sum_assignment(-overlaps)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if overlaps[row, column] > DISSOLVED
    }


def _renamed(
    previous: SegmentModel,
    current: SegmentModel,
    pairs: dict[int, int],
    overlaps: npt.NDArray[np.float64],
) -> SegmentModel:
    earlier = {column: previous.ids[row] for row, column in pairs.items()}
    highest = previous.highest_id
    ids = []
    for column in range(len(current.ids)):
        if column not in earlier:
            highest += 1
        ids.append(earlier.get(column, highest))
    same = {previous.ids[row] for row, column in pairs.items() if overlaps[row, column] >= SAME}
    names = {segment: previous.names[segment] for segment in same if segment in previous.names}
    return replace(current, ids=tuple(ids), names=names, highest_id=highest)


def _table(
    previous: SegmentModel,
    model: SegmentModel,
    counts: npt.NDArray[np.int64],
    overlaps: npt.NDArray[np.float64],
    pairs: dict[int, int],
) -> pd.DataFrame:
    rows = []
    for row, segment in enumerate(previous.ids):
        column = pairs.get(row)
        overlap = np.nan if column is None else float(overlaps[row, column])
        rows.append(
            {
                "segment": segment,
                "name": previous.name_of(segment),
                "status": _status(overlap),
                "overlap": overlap,
                "subjects_then": int(counts[row].sum()),
                "subjects_now": 0 if column is None else int(counts[:, column].sum()),
            }
        )
    for column, segment in enumerate(model.ids):
        if column not in pairs.values():
            rows.append(
                {
                    "segment": segment,
                    "name": "",
                    "status": "new",
                    "overlap": np.nan,
                    "subjects_then": 0,
                    "subjects_now": int(counts[:, column].sum()),
                }
            )
    return pd.DataFrame(rows).sort_values("segment", ignore_index=True)


def _status(overlap: float) -> str:
    if np.isnan(overlap):
        return "vanished"
    return "kept" if overlap >= SAME else "moved"


def in_words(matching: Matching) -> str:
    """Say in one line how many segments were kept, moved, are new or vanished.

    Parameters
    ----------
    matching
        Result of ``match``.
    """
    sizes = matching.table.status.value_counts()
    order = ("kept", "moved", "new", "vanished")
    parts = [f"{sizes[status]} {status}" for status in order if status in sizes]
    line = "Segments: " + ", ".join(parts) + "."
    return f"{line} {matching.remark[0].upper()}{matching.remark[1:]}." if matching.remark else line
