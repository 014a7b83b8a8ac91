"""The report on a segmentation: what it foretold, next to RFM-score quantiles and to no segments.

Belongs here: the comparison for one recipe, as a table and in words. Does not belong here: the
measure itself (``models.evaluation``), choosing a recipe: that has happened on an earlier window
(``models.selection``), else this report would flatter it.
"""

import numpy as np
import pandas as pd

from models.evaluation import RESAMPLES, Estimate, estimate, foretell, resampled_shares
from models.model import fit_model
from models.recipe import Recipe, rfm_quantiles

# What the subjects did in the 8 weeks after, and how it is called.
OUTCOMES = {"following_value": "spend", "following_visits": "visits"}

MODEL, RFM, NONE = "segments", "RFM-score quantiles", "no segments"


def backtest(
    frame: pd.DataFrame, recipe: Recipe, *, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Fit a recipe on features at one day and say what its segments explain of what followed.

    Parameters
    ----------
    frame
        One row per subject: features at the day, ``following_value`` and ``following_visits``.
    recipe
        The chosen recipe. RFM-score quantiles get the same number of segments.
    resamples, seed
        Number of bootstrap resamples, and seed.

    Returns
    -------
    DataFrame
        One row per outcome and segmentation: ``outcome``, ``segmentation``, ``segments``,
        ``subjects``, ``share`` of variance explained out of sample with its 95 % interval ``low``,
        ``high``; and ``ahead``, ``ahead_low``, ``ahead_high``: by how much the model's share is
        above this one (paired bootstrap).

    Raises
    ------
    ValueError
        If a column is missing or null, or there are too few subjects.
    """
    subjects = frame.reset_index(drop=True)
    segmentations = {
        MODEL: fit_model(subjects, recipe).assign(subjects),
        RFM: fit_model(subjects, rfm_quantiles(recipe.n_segments)).assign(subjects),
    }
    counts = {name: int(segments.nunique()) for name, segments in segmentations.items()}
    rows = []
    for column, outcome in OUTCOMES.items():
        if column not in subjects:
            raise ValueError(f"the frame has no column {column!r}, which the backtest needs")
        foretold = foretell(segmentations, subjects[column], seed=seed)
        drawn = resampled_shares(foretold, resamples, seed)
        drawn[NONE] = np.zeros(resamples)  # by definition: the mean of all explains nothing
        shares = {MODEL: foretold.share(MODEL), RFM: foretold.share(RFM), NONE: 0.0}
        for name, share in shares.items():
            own = estimate(share, drawn[name])
            ahead = estimate(shares[MODEL] - share, drawn[MODEL] - drawn[name])
            rows.append(
                {
                    "outcome": outcome,
                    "segmentation": name,
                    "segments": counts.get(name, 1),
                    "subjects": len(subjects),
                    **_prefixed(own, "share", ""),
                    **_prefixed(ahead, "ahead", "ahead_"),
                }
            )
    return pd.DataFrame(rows)


def _prefixed(number: Estimate, name: str, prefix: str) -> dict[str, float]:
    return {name: number.value, f"{prefix}low": number.low, f"{prefix}high": number.high}


def verdicts(report: pd.DataFrame) -> dict[str, str]:
    """Judge the model against RFM-score quantiles, by outcome.

    Parameters
    ----------
    report
        Result of ``backtest``.

    Returns
    -------
    dict
        Outcome to ``above`` (the whole interval of the difference is), ``level`` (the interval
        holds 0) or ``below``.
    """
    found = {}
    for row in report[report.segmentation == RFM].to_dict("records"):
        above, below = row["ahead_low"] > 0, row["ahead_high"] < 0
        found[str(row["outcome"])] = "above" if above else "below" if below else "level"
    return found


def in_words(report: pd.DataFrame) -> str:
    """Say the report in a few sentences.

    Parameters
    ----------
    report
        Result of ``backtest``.
    """
    sentences = []
    judged = verdicts(report)
    for outcome in judged:
        rows = report[report.outcome == outcome].to_dict("records")
        part = {str(row["segmentation"]): row for row in rows}
        model, rfm = part[MODEL], part[RFM]
        sentences.append(
            f"The {model['segments']} segments explain {model['share']:.0%} (95 % interval "
            f"{model['low']:.0%} to {model['high']:.0%}) of the variance of the next 8 weeks' "
            f"{outcome}; RFM-score quantiles {rfm['share']:.0%} ({rfm['low']:.0%} to "
            f"{rfm['high']:.0%}). The difference is {100 * rfm['ahead']:+.0f} points "
            f"({100 * rfm['ahead_low']:+.0f} to {100 * rfm['ahead_high']:+.0f}): "
            f"{judged[outcome]}."
        )
    short = [outcome for outcome, verdict in judged.items() if verdict != "above"]
    sentences.append(
        f"Short of the aim (above RFM on both) on {' and '.join(short)}."
        if short
        else "The aim, above RFM on both, is reached."
    )
    return " ".join(sentences)
