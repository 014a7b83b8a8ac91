"""Segmentation as assets: the model, the assignments, the segments with their cards.

Belongs here: handing frames to ``models`` and keeping what comes back. Does not belong here:
estimators, which model is in force (``orchestration.model_store``), what is fair
(``expectations``).
"""

import base64
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from governance import clocks as clock_row
from governance import evidence, status
from governance.clocks import Clocks
from governance.gate import judge_features, refuse
from governance.policy.load import policy_hash
from governance.policy.words import BIAS_PURPOSE, SEGMENT_PURPOSE
from orchestration import model_store
from orchestration.columns import ASSIGNMENTS, MODEL, SEGMENTS
from orchestration.common import (
    BY_DAY,
    OWNERS,
    RETRY,
    SEGMENT_KINDS,
    code_version,
    provenance,
    same_day,
    unrepeated,
)
from orchestration.fairness import judge_of
from orchestration.land import absent_columns
from orchestration.manifest import policy
from orchestration.metadata import columns_of
from orchestration.model_store import KEY, MIX, MIX_PREFIX, fit_is_due, frame_of
from orchestration.writer import Writer
from warehouse.errors import RuleBrokenError, UsageError
from warehouse.journal import write_durably

if TYPE_CHECKING:
    import pandas as pd

    from models.model import SegmentModel
    from models.selection import Choice

MODEL_ASSET = "segmentation/model"
MART, BACKTEST = f"mart_{SEGMENT_PURPOSE}", f"mart_{SEGMENT_PURPOSE}_backtest"
# Facts that a fit leaves, as the UI calls them; and its plots.
TOLD = {
    "fitted as of": "fitted_as_of",
    "chosen because": "reason",
    "next 8 weeks": "in_words",
    "since the model before": "since",
    "features without a source": "without_a_source",
}
DRAWN = ("explained_variance", "candidates")
READ = [MART, BACKTEST, f"mart_{BIAS_PURPOSE}"]


@dg.asset(
    key=["segmentation", "model"],
    description="The fitted segmentation, chosen by what its segments foretold",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"scikitlearn"},
    **BY_DAY,
    deps=[["marts", name] for name in READ if name != READ[2] or BIAS_PURPOSE in policy().purposes],
    retry_policy=RETRY,
)
def model(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Fit when it is due; else report the model in force."""
    with writer.warehouse() as connection, unrepeated():
        clocks = same_day(context, clock_row.read(connection))
        if fit_is_due(clocks):
            _fit(connection, clocks)
        columns = columns_of(connection, MODEL)
    return dg.MaterializeResult(metadata={**_reported(), **columns, **provenance(clocks)})


def _fit(connection: duckdb.DuckDBPyConnection, clocks: Clocks) -> None:
    from models import backtest, identity
    from models.candidates import offered_mix
    from models.selection import Rule, choose

    limits = policy()
    later, earlier = (_frame(connection, BACKTEST, day, mix=True)
                      for day in _backtest_days(connection))  # fmt: skip
    current = _frame(connection, MART, clocks.as_of, shares=offered_mix(earlier), mix=True)
    _admit(current)
    limited = Rule(limits.segmentation.segments, smallest=limits.thresholds.smallest_segment)
    judge = judge_of(connection, limits, clocks.as_of)
    try:
        choice = choose(earlier, limited, current=current, judge=judge)
        report = backtest.backtest(later, choice.recipe)
    except ValueError as error:
        raise RuleBrokenError(
            f"no segments can be chosen: {error}",
            "see segmentation.segments, thresholds.smallest_segment and thresholds.bias in the"
            " policy",
        ) from error
    fitted, since = _fitted(current, choice)
    fitted = fitted.with_facts(
        fitted_as_of=clocks.as_of.isoformat(),
        known_at=clocks.known_at.isoformat(),
        policy_hash=policy_hash(limits),
        code_version=code_version(),
        subjects=len(current),
        reason=choice.reason,
        in_words=backtest.in_words(report),
        since=identity.in_words(since),
        without_a_source=", ".join(choice.left_out) or "none",
    )
    _keep(fitted, choice, report, current, clocks)


def _reported() -> dict[str, Any]:
    """Return what is known of the model in force, as its fit left it: a run may only assign."""
    fitted, place = model_store.loaded(), model_store.place()
    told = {name: str(fitted.facts[fact]) for name, fact in TOLD.items() if fact in fitted.facts}
    drawn = {plot.replace("_", " "): place / f"{plot}.svg" for plot in DRAWN}
    return {
        "segments": len(fitted.ids),
        "recipe": fitted.recipe.title(),
        "features": ", ".join(fitted.recipe.features),
        **told,
        **{name: picture(path.read_text()) for name, path in drawn.items() if path.exists()},
        "artefacts": place.name,
    }


def _frame(
    connection: duckdb.DuckDBPyConnection, table: str, day: date, *,
    shares: Sequence[str] = (), mix: bool = False,
) -> "pd.DataFrame":  # fmt: skip
    """Read one day of a mart without the columns that no feed is a source of."""
    found = frame_of(connection, table, day, shares=shares, mix=mix)
    return found.drop(columns=list(absent_columns(SEGMENT_PURPOSE)), errors="ignore")


def _shares_of(fitted: "SegmentModel") -> list[str]:
    """Return the shares of the category mix that a model reads."""
    return [name for name in fitted.recipe.features if name.startswith(MIX_PREFIX)]


def _admit(frame: "pd.DataFrame") -> None:
    """Refuse a frame that holds anything but what the policy allows, in its type and range.

    Raises
    ------
    RuleBrokenError
        Naming rule, column and remedy.
    """
    from expectations import schemas

    # A share of the mix is judged where the mix is: as a column of the mart.
    columns = [c for c in frame.columns if c != MIX and not c.startswith(MIX_PREFIX)]
    refuse(judge_features(policy(), SEGMENT_PURPOSE, columns))
    schema = schemas.features(
        policy(), SEGMENT_PURPOSE, columns, absent=absent_columns(SEGMENT_PURPOSE)
    )
    found = schemas.faults(schema, frame[columns])
    refuse(schemas.findings(SEGMENT_PURPOSE, MODEL_ASSET, found))


def _fitted(current: "pd.DataFrame", choice: "Choice") -> "tuple[SegmentModel, Any]":
    """Fit the chosen recipe; segments that are the same as before keep their number and name."""
    from models import identity, naming
    from models.effects import effect_table
    from models.model import fit_model

    previous = model_store.loaded() if model_store.record() else None
    matching = identity.match(previous, fit_model(current, choice.recipe), current)
    effects = effect_table(current, matching.model.assign(current), choice.recipe.scale)
    names = naming.name_segments(effects, keep=matching.model.names)
    return matching.model.with_names(names), matching


def _backtest_days(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    rows = connection.execute(
        f"select distinct as_of from marts.{BACKTEST} order by as_of desc"
    ).fetchall()
    if len(rows) != 2:
        raise UsageError(
            f"{BACKTEST} doesn't hold two earlier days, so no segments can be chosen",
            "it takes 16 weeks of transactions of subjects with a basis; then run the whole chain",
        )
    later, earlier = (day for (day,) in rows)
    return later, earlier


def _keep(
    fitted: "SegmentModel", choice: "Choice", report: "pd.DataFrame", current: "pd.DataFrame",
    clocks: Clocks,
) -> None:  # fmt: skip
    """Store the model with its card and plots, then make it the one in force."""
    from models import cards, model_card, plots, store

    name = f"{clocks.as_of}-{store.fingerprint(fitted)[:8]}"
    place = model_store.folder(name)
    place.mkdir(parents=True, exist_ok=True)
    store.save(fitted, place / model_store.MODEL_FILE)
    text = model_card.model_card(
        fitted,
        cards=cards.build_cards(current, fitted),
        choice=choice,
        report=report,
        facts={"purpose": SEGMENT_PURPOSE, **provenance(clocks)},
    )
    write_durably(place / "model_card.md", text.encode())
    smallest = policy().thresholds.smallest_segment
    drawn = plots.explained(report), plots.selection(choice.table, smallest)
    for plot, figure in zip(DRAWN, drawn, strict=True):
        write_durably(place / f"{plot}.svg", plots.svg(figure).encode())
    model_store.point_to(
        {
            "folder": name,
            "fitted_as_of": clocks.as_of.isoformat(),
            "policy_hash": policy_hash(policy()),
            "segments": len(fitted.ids),
            "recipe": choice.recipe.title(),
        }
    )


def picture(svg: str) -> dg.MarkdownMetadataValue:
    """Return a plot as metadata that the UI shows in place."""
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![plot](data:image/svg+xml;base64,{encoded})")


@dg.asset(
    key=["segmentation", "assignments"],
    description="The segment of every subject of the mart, by the key of the purpose segmentation",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"python", "duckdb"},
    **BY_DAY,
    deps=[["segmentation", "model"], ["marts", MART]],
)
def assignments(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Assign with the model in force."""
    fitted = model_store.loaded()
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        frame = _frame(connection, MART, clocks.as_of, shares=_shares_of(fitted))
        _admit(frame)
        rows = fitted.assign(frame).reset_index()
        connection.register("assigned", rows)
        connection.execute("create schema if not exists segmentation")
        status.forget(connection, policy(), SEGMENT_PURPOSE, SEGMENT_KINDS, clocks)
        connection.execute(
            "create or replace table segmentation.assignments as select ?::date as as_of,"
            f" {KEY}::uuid as {KEY}, segment::integer as segment_id from assigned",
            [clocks.as_of],
        )
        columns = columns_of(connection, ASSIGNMENTS)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(rows), **columns, **provenance(clocks)}
    )


@dg.asset(
    key=["segmentation", "segments"],
    description="What sets each segment apart: its card, with a plain-words name, and plots",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"python", "duckdb"},
    **BY_DAY,
    deps=[["segmentation", "assignments"]],
)
def segments(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Describe the segments by aggregates only."""
    from models import cards, drift, plots
    from models.features import matrix

    fitted = model_store.loaded()
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        frame = _frame(connection, MART, clocks.as_of, shares=_shares_of(fitted), mix=True)
        found = cards.build_cards(frame, fitted, remark=evidence.label() or "")
        connection.execute(
            "create or replace table segmentation.segments (as_of date, segment_id integer,"
            " name varchar, line varchar, subjects integer, share double)"
        )
        connection.executemany(
            "insert into segmentation.segments values (?, ?, ?, ?, ?, ?)",
            [(clocks.as_of, c.segment, c.name, c.character, c.size, c.share) for c in found],
        )
        columns = columns_of(connection, SEGMENTS)
    shifts = drift.population_stability(fitted.reference, matrix(frame, fitted.recipe.features))
    evidence.show(
        evidence.SEGMENTS,
        {
            "as_of": clocks.as_of,
            "segments": [
                {"segment": c.segment, "name": c.name, "line": c.character, "subjects": c.size,
                 "share": c.share} for c in found
            ],
            "model": fitted.facts,
            "drift": dict(zip(shifts["feature"], shifts["index"], strict=True)),
        },
        past=clocks.past,
    )  # fmt: skip
    place = _cards_folder(clocks)
    for card in found:
        write_durably(place / f"segment_{card.segment}.md", card.text.encode())
    drawn = {
        "sizes": plots.svg(plots.segment_sizes(found)),
        "profiles": plots.svg(plots.profiles(found)),
    }
    for name, svg in drawn.items():
        write_durably(place / f"{name}.svg", svg.encode())
    return dg.MaterializeResult(
        metadata={
            **{name: picture(svg) for name, svg in drawn.items()},
            **{f"card {c.segment}": dg.MetadataValue.md(c.text) for c in found},
            **columns,
            **provenance(clocks),
        }
    )


def _cards_folder(clocks: Clocks) -> Path:
    """Return where cards go: beside the model in force, those of a past day in a folder of it."""
    place = model_store.place()
    if clocks.past:
        place /= clocks.past.isoformat()
        place.mkdir(mode=0o700, exist_ok=True)
    return place


ASSETS = [model, assignments, segments]
