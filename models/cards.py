"""The card of a segment: size, what sets it apart, medians, category mix, in words and numbers.

Belongs here: what a card holds. Aggregates only. Does not belong here: pictures (``models.plots``),
the card of the model as a whole (``models.model_card``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.effects import effect_table
from models.features import MIX
from models.frames import folded, mix_totals, of_enough, shares
from models.markdown import escaped, table
from models.model import SegmentModel
from models.naming import character

EFFECT_DEFINITION = (
    "Effect: Hedges' g, the difference between the mean of the segment and the mean of everybody "
    "else in pooled standard deviations, on the scale of the model; 0.2 is small, 0.5 medium, 0.8 "
    "large."
)
TOO_FEW = "too few"
NOT_DESCRIBED = "Not described: its figures may not be released yet."
TOP_CATEGORIES = 6


@dataclass(frozen=True)
class Card:
    """One segment.

    Attributes
    ----------
    segment
        Its lasting id.
    name, character
        In plain words.
    size
        Number of subjects.
    share
        Of all subjects.
    features
        Its rows of ``models.effects.effect_table``, the greatest effect first.
    mix
        ``category``, ``share`` (mean share of spend in the segment), ``share_all``, ``difference``;
        the greatest differences first. Empty if categories aren't known, or of too few.
    text
        The card as Markdown.
    """

    segment: int
    name: str
    character: str
    size: int
    share: float
    features: pd.DataFrame
    mix: pd.DataFrame
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain values (for JSON)."""
        return {
            "segment": self.segment,
            "name": self.name,
            "character": self.character,
            "size": self.size,
            "share": self.share,
            "features": _records(self.features.drop(columns="segment")),
            "category_mix": _records(self.mix),
        }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values; what isn't known becomes None, which JSON can hold."""
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def build_cards(
    frame: pd.DataFrame,
    model: SegmentModel,
    *,
    smallest: int,
    currency: str = "currency",
    remark: str = "",
) -> list[Card]:
    """Make the card of every segment that has subjects, in the order of their ids.

    Parameters
    ----------
    frame
        One row per subject.
    model
        The fitted model, with names.
    smallest
        How many subjects of a segment have to have a value for a card to tell their median, effect
        or mix; and how many have to have bought a category for it to be named.
    currency
        What to write for the unit of money.
    remark
        A sentence that every card has to show, such as that the data is synthetic.

    Raises
    ------
    ValueError
        If there are no subjects, or a feature of the model is missing.
    """
    if frame.empty:
        raise ValueError("there are no subjects to make cards of")
    segments = model.assign(frame)
    effects = effect_table(frame, segments, model.recipe.scale, smallest=smallest)
    effects["unit"] = effects.unit.str.replace("currency", currency, regex=False)
    mixes = _mixes(frame, segments, smallest)
    cards = []
    for segment in sorted(int(s) for s in segments.unique()):
        own = effects[effects.segment == segment]
        order = own.effect.abs().sort_values(ascending=False, kind="stable").index
        size = int((segments == segment).sum())
        cards.append(
            _card(
                segment,
                model.name_of(segment),
                character(effects, segment),
                size,
                len(frame),
                own.loc[order].reset_index(drop=True),
                mixes.get(segment, _mix_table({}, {})),
                remark,
            )
        )
    return cards


def undescribed(model: SegmentModel, remark: str = "") -> dict[int, str]:
    """Return cards, as Markdown by segment, that give names alone.

    For when figures may not be released: what a segment of few has in common is what these few are,
    and what sets the others apart from them says so as well.

    Parameters are as of :func:`build_cards`.
    """
    below = ["", f"*{escaped(remark)}*"] if remark else []
    return {
        segment: "\n".join([f"# {escaped(model.name_of(segment))}", "", NOT_DESCRIBED, *below, ""])
        for segment in sorted(model.ids)
    }


def _card(
    segment: int,
    name: str,
    line: str,
    size: int,
    everybody: int,
    features: pd.DataFrame,
    mix: pd.DataFrame,
    remark: str,
) -> Card:
    share = size / everybody
    text = "\n".join(
        [
            f"# {escaped(name)}",
            "",
            f"Segment {segment}: {size:,} of {everybody:,} subjects ({share:.1%}). {escaped(line)}",
            "",
            *([f"*{escaped(remark)}*", ""] if remark else []),
            *_feature_lines(features),
            "",
            EFFECT_DEFINITION,
            *_mix_lines(mix),
            "",
        ]
    )
    return Card(segment, name, line, size, share, features, mix, text)


def _feature_lines(features: pd.DataFrame) -> list[str]:
    heads = ["feature", "unit", "median here", "middle half", "median of all",
             "effect (95 % interval)"]  # fmt: skip
    rows = []
    for row in features.to_dict("records"):
        if pd.isna(row["median"]):
            of_all = number(row["median_all"])
            rows.append((row["label"], row["unit"], TOO_FEW, TOO_FEW, of_all, "-"))
            continue
        middle = f"{number(row['lower_quartile'])} to {number(row['upper_quartile'])}"
        effect = f"{row['effect']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
        rows.append(
            (row["label"], row["unit"], number(row["median"]), middle, number(row["median_all"]),
             effect if pd.notna(row["effect"]) else "-")
        )  # fmt: skip
    return table(heads, rows)


def _mix_lines(mix: pd.DataFrame) -> list[str]:
    if mix.empty:
        return []
    rows = [
        (row["category"].lower(), f"{row['share']:.1%}", f"{row['share_all']:.1%}",
         f"{100 * row['difference']:+.1f} points")
        for row in mix.head(TOP_CATEGORIES).to_dict("records")
    ]  # fmt: skip
    return ["", *table(["category", "mean share of spend here", "of all", "difference"], rows)]


def number(value: float) -> str:
    """Return a number with about three digits."""
    if pd.isna(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _mixes(frame: pd.DataFrame, segments: pd.Series, smallest: int) -> dict[int, pd.DataFrame]:
    """Return the category mix of every segment against that of all whose mix is known."""
    if MIX not in frame:
        return {}
    known = pd.DataFrame({MIX: [1.0 if shares(mix) else np.nan for mix in frame[MIX]]})
    told = of_enough(known, segments, smallest)[MIX].notna().to_numpy()
    mixes = pd.Series(folded(frame[MIX][told], smallest), dtype=object)
    codes = segments[told].to_numpy()
    everybody = _mean_mix(mixes)
    if not everybody:
        return {}
    return {int(s): _mix_table(_mean_mix(mixes[codes == s]), everybody) for s in np.unique(codes)}


def _mean_mix(mixes: pd.Series) -> dict[str, float]:
    known = sum(map(bool, mixes))
    return {category: total / known for category, total in mix_totals(mixes).items()}


def _mix_table(own: dict[str, float], everybody: dict[str, float]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "category": list(everybody),
            "share": [own.get(category, 0.0) for category in everybody],
            "share_all": list(everybody.values()),
        }
    )
    table["difference"] = table["share"] - table["share_all"]
    order = table.difference.abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)
