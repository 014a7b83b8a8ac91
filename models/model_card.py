"""The model card: what a model is, how it was chosen, how good it is, what it is not for.

Belongs here: that one text (after Mitchell et al. 2019, Model Cards for Model Reporting). Does not
belong here: sizes and cards of segments (``models.cards``), which are released by rules of their
own; law and purpose (the caller hands them in).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from models.backtest import in_words
from models.frames import describe
from models.markdown import escaped, table
from models.model import SegmentModel
from models.selection import Choice
from models.store import fingerprint

_LIMITS = (
    "Segments describe how subjects shopped, up to the day of the fit; they are groups of "
    "convenience on a continuum, and subjects near a border change segment easily.",
    "Do not use them to decide about one person (prices, credit, service), nor as a stand-in for "
    "age, income, health, family or origin.",
    "The shares of variance explained hold for subjects like those of the fit, in the 8 weeks "
    "after it.",
)


def model_card(
    model: SegmentModel,
    *,
    choice: Choice | None = None,
    report: pd.DataFrame | None = None,
    facts: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
) -> str:
    """Write the card of a model as Markdown.

    Parameters
    ----------
    model
        The fitted model.
    choice
        How the recipe was chosen.
    report
        Result of ``models.backtest.backtest``.
    facts
        What the caller adds: purpose, clocks, versions. Plain values.
    remarks
        Sentences to add to the limits (synthetic data, subjects that are households, say).

    Returns
    -------
    str
        Markdown.
    """
    recipe = model.recipe
    known = {
        "Model": recipe.title(),
        "Features": ", ".join(recipe.features),
        "Seed": recipe.seed,
        "Parameters (SHA-256)": fingerprint(model),
        **model.facts,
        **(facts or {}),
    }
    lines = ["# Model card: segments of subjects", "", *table(["", ""], known.items())]
    lines += ["", "## Segments", ""]
    lines += table(["id", "name"], [(s, model.name_of(s)) for s in sorted(model.ids)])
    if choice is not None:
        lines += [
            "",
            "## How it was chosen",
            "",
            escaped(choice.reason),
            "",
            *_alternatives(choice),
        ]
        if choice.left_out:
            lines += ["", escaped(f"Left out, without a source: {', '.join(choice.left_out)}.")]
    if report is not None:
        lines += ["", "## How good it is", "", escaped(in_words(report))]
    lines += ["", "## Features", ""]
    lines += table(
        ["feature", "unit", "definition", "a null"],
        [(row["feature"], row["unit"], row["definition"], row["null"] or "none")
         for row in describe(recipe.features).to_dict("records")],
    )  # fmt: skip
    lines += ["", "## Limits", ""]
    lines += [f"- {escaped(sentence)}" for sentence in (*_LIMITS, *remarks)]
    return "\n".join(lines) + "\n"


def _alternatives(choice: Choice) -> list[str]:
    """Return the best candidate of every method and feature set, as a table."""
    tried = choice.table[choice.table.verdict != "failed"]
    best = tried.drop_duplicates(["method", "feature_set"])
    chosen = tried[tried.verdict == "chosen"]
    shown = pd.concat([best, chosen]).drop_duplicates("candidate")
    shown = shown.sort_values(["score", "candidate"], ascending=[False, True])
    rows = []
    for row in shown.to_dict("records"):
        stability = "-" if pd.isna(row["stability"]) else f"{row['stability']:.2f}"
        verdict = f"{row['verdict']}: {row['remark']}" if row["remark"] else row["verdict"]
        rows.append(
            (row["candidate"], f"{row['spend_share']:.1%}", f"{row['visits_share']:.1%}",
             f"{row['smallest']:,}", stability, verdict)
        )  # fmt: skip
    return table(
        ["candidate", "spend", "visits", "smallest, at least", "stability", "verdict"], rows
    )
