"""Pictures of segments, as SVG: aggregates only, never a point for a subject.

Belongs here: figures of cards, of the selection and of the backtest; equal input gives equal bytes.
Does not belong here: computing what is shown; files, other than by the caller.
"""

import io
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from models.backtest import MODEL, NONE, RFM
from models.cards import Card

INK, MUTED, GRID = "#1f2933", "#52606d", "#d9dfe5"
BLUE, GREY, ORANGE = "#2b6cb0", "#a0aab4", "#c05621"
LONGEST = 56  # characters of a label: more would leave no room for what it stands beside
NOTHING, HEADROOM = "none, or too few to show", 1.08
_LINE: Any = {"markersize": 3, "linewidth": 1, "clip_on": False}  # else one at 0 is cut in half

_STYLE = {
    "svg.hashsalt": "assent",  # ids of clip paths, equal from run to run
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, without a date.

    Parameters
    ----------
    figure
        One of this module's figures.
    """
    stream = io.StringIO()
    with mpl.rc_context(_STYLE):
        FigureCanvasSVG(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    return figure, figure.add_subplot()


def _finished(figure: Figure, passes: int = 2) -> Figure:
    """Lay the figure out once and for all, so that drawing it again gives the same bytes.

    Where labels stand beside bars, they move with these: it takes a second pass.
    """
    for _ in range(passes):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _bare(axes: Axes) -> None:
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def segment_sizes(cards: Sequence[Card]) -> Figure:
    """Draw how many subjects each segment has.

    Parameters
    ----------
    cards
        Cards of all segments.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(8.5, 1.2 + 0.42 * len(cards))
        places = np.arange(len(cards))
        sizes = [card.size for card in cards]
        axes.barh(places, sizes, color=BLUE, height=0.66)
        for place, card in zip(places, cards, strict=True):
            axes.annotate(
                f"{card.size:,}  ({card.share:.0%})",
                (card.size, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
            )
        axes.set_yticks(places, [card.name for card in cards])
        axes.invert_yaxis()
        axes.set_xlim(0, max(sizes) * 1.18)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_title("Subjects by segment", pad=12)
        _bare(axes)
        return _finished(figure)


def profiles(cards: Sequence[Card]) -> Figure:
    """Draw what sets each segment apart: effect sizes as colours, medians as numbers.

    Parameters
    ----------
    cards
        Cards of all segments.
    """
    tables = {card.name: card.features.set_index("label") for card in cards}
    labels = _by_spread(tables)
    effects = _grid(tables, labels, "effect")
    medians = _grid(tables, labels, "median")
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(2.6 + 0.86 * len(labels), 2.5 + 0.46 * len(cards))
        limit = 2.5
        image = axes.imshow(effects, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        tops = np.nan_to_num(np.abs(medians)).max(axis=0)
        for row in range(len(cards)):
            for column in range(len(labels)):
                strong = abs(effects[row, column]) > 1.5
                axes.text(
                    column,
                    row,
                    _short(medians[row, column], tops[column]),
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if strong else INK,
                )
        axes.set_yticks(range(len(cards)), list(tables))
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_title("What sets the segments apart: medians, coloured by effect size", pad=12)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, ticks=[-2, -0.8, 0, 0.8, 2])
        bar.set_label("Hedges' g against all others")
        bar.outline.set_visible(False)
        return _finished(figure)


def _by_spread(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Order features by how far the segments differ on them."""
    effects = pd.DataFrame({name: table["effect"] for name, table in tables.items()})
    spread = (effects.max(axis=1) - effects.min(axis=1)).fillna(0.0)
    return sorted(spread.index, key=lambda label: (-spread[label], label))


def _grid(
    tables: Mapping[str, pd.DataFrame], labels: Sequence[str], column: str
) -> npt.NDArray[np.float64]:
    return np.array([table.loc[list(labels), column].to_numpy() for table in tables.values()])


def _short(value: float, top: float) -> str:
    """Write a median with as many digits as its column, whose greatest is ``top``, asks for."""
    if np.isnan(value):
        return "-"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    if top < 2:
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 9.95 or value == round(value) else f"{value:.1f}"


def explained(report: pd.DataFrame) -> Figure:
    """Draw the share of what followed that segments explain, with 95 % intervals.

    Parameters
    ----------
    report
        Result of ``models.backtest.backtest``.
    """
    outcomes = list(dict.fromkeys(report.outcome))
    names = [MODEL, RFM, NONE]
    colours = dict(zip(names, (BLUE, GREY, INK), strict=True))
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(8.5, 1.4 + 1.25 * len(outcomes))
        for number, outcome in enumerate(outcomes):
            rows = report[report.outcome == outcome].set_index("segmentation")
            for place, name in enumerate(names):
                row = rows.loc[name]
                height = number + (place - 1) * 0.27
                _bar_with_interval(axes, height, row, colours[name], _called(name, row))
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_yticks(range(len(outcomes)), [f"following\n{outcome}" for outcome in outcomes])
        axes.invert_yaxis()
        axes.set_xlim(0, max(0.5, float(report.high.max())) * 1.45)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_title("Variance of the next 8 weeks that segments explain", pad=12)
        axes.set_xlabel("share of variance, out of sample, with 95 % interval")
        _bare(axes)
        return _finished(figure)


def _called(name: str, row: pd.Series) -> str:
    if name == NONE:
        return f"{row.share:.0%}  no segments"
    count = int(row.segments)
    return f"{row.share:.0%}  " + (
        f"these {count} segments" if name == MODEL else f"{count} {name}"
    )


def _bar_with_interval(axes: Axes, height: float, row: pd.Series, colour: str, label: str) -> None:
    axes.barh(height, row.share, height=0.23, color=colour)
    axes.plot([row.low, row.high], [height, height], color=INK, linewidth=1.6)
    axes.annotate(label, (row.high, height), xytext=(7, 0), textcoords="offset points", va="center")


def selection(table: pd.DataFrame, smallest: int, most: int = 14) -> Figure:
    """Draw how the candidates stand: the best of each kind, with the verdict of the rule.

    Parameters
    ----------
    table
        ``models.selection.Choice.table``.
    smallest
        Least number of subjects asked for, for the caption.
    most
        How many candidates to show; the chosen one and each method's best are always among them.
    """
    shown = _shown(table, most)
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(12, 1.9 + 0.36 * len(shown))
        places = np.arange(len(shown))
        for column, colour, offset, label in (
            ("spend_share", BLUE, -0.17, "following spend"),
            ("visits_share", ORANGE, 0.17, "following visits"),
        ):
            axes.barh(places + offset, shown[column], height=0.3, color=colour, label=label)
        for place, row in zip(places, shown.to_dict("records"), strict=True):
            end = max(row["spend_share"], row["visits_share"])
            chosen = row["verdict"] == "chosen"
            axes.annotate(
                _fitting(_standing(row)),
                (max(0.0, end), place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=INK if chosen else MUTED,
                fontweight="bold" if chosen else "normal",
            )
        axes.set_yticks(places, [_fitting(_brief(row)) for row in shown.to_dict("records")])
        for tick, verdict in zip(axes.get_yticklabels(), shown.verdict, strict=True):
            tick.set_fontweight("bold" if verdict == "chosen" else "normal")
        axes.invert_yaxis()
        top = float(shown[["spend_share", "visits_share"]].to_numpy().max())
        axes.set_xlim(0, max(0.05, top) * 1.75)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if value < 0.95 else "")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("share of variance explained on the earlier window, out of sample")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
        figure.suptitle(
            f"Which segmentation was chosen (segments of at least {smallest:,} subjects)",
            fontsize=12,
            fontweight="bold",
            color=INK,
        )
        _bare(axes)
        return _finished(figure)


def _shown(table: pd.DataFrame, most: int) -> pd.DataFrame:
    fitted = table[table.verdict != "failed"]
    must = fitted[fitted.verdict == "chosen"]
    best = fitted.drop_duplicates("method")
    kinds = fitted.drop_duplicates(["method", "feature_set", "scale"])
    picked = pd.concat([must, best, kinds]).drop_duplicates("candidate").head(most)
    return picked.sort_values(["score", "candidate"], ascending=[False, True], ignore_index=True)


def _brief(row: Mapping[Any, Any]) -> str:
    if row["method"] == "rfm_quantiles":
        return f"{row['segments']} RFM-score quantiles"
    method = "k-means" if row["method"] == "kmeans" else "Gaussian mixture"
    return f"{row['segments']} by {method}: {row['feature_set']} ({row['scale']})"


def _standing(row: Mapping[Any, Any]) -> str:
    stability = "" if pd.isna(row["stability"]) else f", stability {row['stability']:.2f}"
    remark = f": {row['remark']}" if row["remark"] else ""
    verdict = "" if row["verdict"] in ("behind", "level") else f"{row['verdict']}{remark}, "
    size = "" if remark.startswith(": smallest") else f"smallest at least {row['smallest']:,}"
    if remark.startswith(": stability"):
        stability = ""
    return f"{verdict}{size}{stability}".strip(", ")


def _fitting(label: str) -> str:
    """Shorten what would be too long, such as a judge's objection; the table has every word."""
    return shorten(label, LONGEST, placeholder=" ...")


def consents(counts: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw how many granted and denied by month, by channel and by regime, and who had a basis.

    Parameters
    ----------
    counts
        ``month``, ``purpose``, ``word`` (granted, denied, permitted, known), ``by`` (channel,
        regime), ``value`` (None for small ones together) and ``subjects``.
    """
    names = sorted({count["purpose"] for count in counts}) or ["nothing counted yet"]
    months = sorted({count["month"] for count in counts})
    with mpl.rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        figure = Figure(figsize=(14, 0.6 + 2.3 * len(names)), layout=layout, facecolor="white")
        grid = figure.subplots(len(names), 3, squeeze=False, sharex=True)
        for name, (by_channel, by_regime, share) in zip(names, grid, strict=True):
            own = [count for count in counts if count["purpose"] == name]
            by_channel.set_title(name)
            for axes, by in ((by_channel, "channel"), (by_regime, "regime")):
                _words(axes, [c for c in own if c["by"] == by], months)
                axes.set_ylabel(f"subjects, by {by}")
            _permitted(share, own, months)
            for axes in (by_channel, by_regime, share):
                axes.set_xticks(range(len(months)), [f"{m:%y-%m}" for m in months])
                axes.tick_params(axis="x", labelrotation=90, labelsize=7)
                axes.tick_params(length=0)
                _fit_height(axes)
        return _finished(figure, passes=1)


def _fit_height(axes: Axes) -> None:
    """Leave room above the greatest value; where there is nothing, say so instead of a scale."""
    values = np.concatenate([np.empty(0), *(np.asarray(line.get_ydata()) for line in axes.lines)])
    if np.isnan(values).all():
        axes.set_yticks([])
        axes.text(0.5, 0.5, NOTHING, transform=axes.transAxes, ha="center", color=MUTED)
        return
    axes.set_ylim(0, (np.nanmax(values) or 1) * HEADROOM)
    axes.legend(frameon=False, fontsize=7)


def _words(axes: Axes, counts: Sequence[Mapping[str, Any]], months: Sequence[Any]) -> None:
    """Draw grants and denials by channel or regime; where nothing may be shown there is a gap."""
    for word, style in (("granted", "o-"), ("denied", "x--")):
        own = {(c["value"], c["month"]): c["subjects"] for c in counts if c["word"] == word}
        for value in sorted({value for value, _ in own}, key=lambda v: (v is None, v or "")):
            line = [own.get((value, month), np.nan) for month in months]
            called = _fitting(f"{word}: {'small ones together' if value is None else value}")
            called = called.replace("$", r"\$")  # else it would be read as a formula
            axes.plot(range(len(months)), line, style, label=called, **_LINE)


def _permitted(axes: Axes, counts: Sequence[Mapping[str, Any]], months: Sequence[Any]) -> None:
    """Draw the share of subjects that had a basis at the end of each month, by regime."""
    found = {(c["word"], c["value"], c["month"]): c["subjects"] for c in counts}
    for regime in sorted({value for word, value, _ in found if word == "known"}):
        shares = [
            found.get(("permitted", regime, month), np.nan)
            / found.get(("known", regime, month), np.nan)
            for month in months
        ]
        axes.plot(range(len(months)), shares, "o-", label=regime, **_LINE)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel("share with a basis")
