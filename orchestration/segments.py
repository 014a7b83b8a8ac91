"""Segmentation as assets: the model, the assignments, the segments with their cards.

Belongs here: reading the mart into frames, calling ``models``, writing tables and artefacts. Does
not belong here: estimators, or deciding what is fair (``expectations``).
"""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from governance import clocks as clock_row
from governance.clocks import Clocks
from governance.gate import judge_features, refuse
from governance.policy.columns import allowed_columns
from governance.policy.load import policy_hash
from governance.policy.words import SEGMENT_PURPOSE
from orchestration.common import DAYS, OWNERS, RETRY, code_version, provenance, same_day
from orchestration.manifest import policy
from orchestration.writer import Writer
from warehouse.home import Home
from warehouse.journal import write_durably

if TYPE_CHECKING:
    import pandas as pd

    from models.model import SegmentModel
    from models.selection import Choice

KEY = f"{SEGMENT_PURPOSE}_key"
MIX = "category_mix"
MIX_ROWS = 50_000


def _folder() -> Path:
    return Home.current().make().artefacts / SEGMENT_PURPOSE


def current_model() -> dict[str, Any] | None:
    """Return what is recorded of the model in force, or None before the first fit."""
    pointer = _folder() / "current.json"
    if not pointer.exists():
        return None
    record: dict[str, Any] = json.loads(pointer.read_bytes())
    return record


def fit_is_due(clocks: Clocks) -> bool:
    """Tell whether a run has to fit: no model yet, one too old, or one under another policy.

    A past ``as_of`` never replaces the model in force.
    """
    record = current_model()
    if record is None:
        return True
    if not clocks.current:
        return False
    age = (clocks.as_of - date.fromisoformat(record["fitted_as_of"])).days
    return age >= policy().segmentation.refit_days or record["policy_hash"] != policy_hash(policy())


def _frame(connection: duckdb.DuckDBPyConnection, table: str, day: date) -> "pd.DataFrame":
    """Read one day of a mart; of the category mix, on large marts, a sample by hash of the rest."""
    columns = [c for c in _columns(connection, table) if c not in ("as_of", MIX)]
    numbers = ", ".join(c if c == KEY else f"{c}::double as {c}" for c in columns)
    sample = (
        f"case when hash({', '.join(c for c in columns if c != KEY)}) %"
        f" greatest(1, (count(*) over ()) // {MIX_ROWS}) = 0 then {MIX} end as {MIX}"
    )
    frame = connection.execute(
        f"select {numbers}, {sample} from marts.{table} where as_of = ?", [day]
    ).df()
    found: pd.DataFrame = frame.set_index(KEY)
    return found


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = 'warehouse'"
        " and schema_name = 'marts' and table_name = ? order by column_index",
        [table],
    ).fetchall()
    return [name for (name,) in rows]


def _feature_names(frame: "pd.DataFrame") -> list[str]:
    return [c for c in frame.columns if c != MIX and not c.startswith("following_")]


@dg.asset(
    key=["segmentation", "model"],
    description="The fitted segmentation: chosen by what its segments foretold on an earlier window",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"scikit-learn"},
    partitions_def=DAYS,
    deps=[["marts", "mart_segmentation"], ["marts", "mart_segmentation_backtest"],
          ["marts", "mart_bias_monitoring"]] if "bias_monitoring" in policy().purposes
    else [["marts", "mart_segmentation"], ["marts", "mart_segmentation_backtest"]],
    retry_policy=RETRY,
)  # fmt: skip
def model(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Fit when it is due; else report the model in force."""
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        if not fit_is_due(clocks):
            record = current_model() or {}
            return dg.MaterializeResult(
                metadata={**provenance(clocks), "fitted_as_of": record["fitted_as_of"],
                          "segments": record["segments"]}
            )  # fmt: skip
        facts = _fit(connection, clocks)
    return dg.MaterializeResult(metadata={**facts, **provenance(clocks)})


def _fit(connection: duckdb.DuckDBPyConnection, clocks: Clocks) -> dict[str, Any]:
    from models import backtest, cards, identity, naming, plots, store
    from models.effects import effect_table
    from models.model import fit_model
    from models.selection import Rule, choose
    from orchestration.fairness import judge_of

    limits = policy()
    current = _frame(connection, "mart_segmentation", clocks.as_of)
    refuse(judge_features(limits, SEGMENT_PURPOSE, _feature_names(current)))
    later, earlier = _backtest_days(connection)
    choice = choose(
        _frame(connection, "mart_segmentation_backtest", earlier),
        Rule(
            segments=limits.segmentation.segments, smallest=limits.thresholds.smallest_segment
        ),
        current=current,
        judge=judge_of(connection, limits),
    )
    report = backtest.backtest(
        _frame(connection, "mart_segmentation_backtest", later), choice.recipe
    )
    matching = identity.match(_loaded(), fit_model(current, choice.recipe), current)
    fitted = matching.model
    effects = effect_table(current, fitted.assign(current), choice.recipe.scale)
    fitted = fitted.with_names(naming.name_segments(effects, keep=fitted.names)).with_facts(
        fitted_as_of=clocks.as_of.isoformat(),
        known_at=clocks.known_at.isoformat(),
        policy_hash=policy_hash(limits),
        code_version=code_version(),
        subjects=len(current),
        reason=choice.reason,
        backtest=report.to_dict("records"),
    )
    folder = _keep(fitted, choice, report, clocks)
    return {
        "segments": len(fitted.ids),
        "recipe": choice.recipe.title(),
        "chosen because": choice.reason,
        "next 8 weeks": dg.MetadataValue.md(backtest.in_words(report)),
        "since the last model": identity.in_words(matching),
        "features without a source": choice.left_out,
        "candidates": dg.MetadataValue.md(choice.table.head(20).to_markdown(index=False)),
        "explained variance": _picture(plots.explained_variance_plot(report)),
        "artefacts": dg.MetadataValue.path(str(folder.relative_to(Home.current().root))),
    }


def _backtest_days(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    days = connection.execute(
        "select distinct as_of from marts.mart_segmentation_backtest order by as_of desc"
    ).fetchall()
    later, earlier = (day for (day,) in days)
    return later, earlier


def _keep(fitted: "SegmentModel", choice: "Choice", report: Any, clocks: Clocks) -> Path:
    """Store the model, its card and its tables, then point to it."""
    from models import store

    folder = _folder() / f"{clocks.as_of}-{policy_hash(policy())[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    store.save(fitted, folder / "model.skops")
    write_durably(folder / "model_card.md", store.model_card(fitted, choice, report).encode())
    record = {
        "folder": folder.name,
        "fitted_as_of": clocks.as_of.isoformat(),
        "policy_hash": policy_hash(policy()),
        "segments": len(fitted.ids),
    }
    write_durably(_folder() / "current.json", json.dumps(record).encode())
    return folder


def _loaded() -> "SegmentModel | None":
    from models import store

    record = current_model()
    if record is None:
        return None
    loaded: SegmentModel = store.load(_folder() / record["folder"] / "model.skops")
    return loaded


def _picture(svg: str) -> dg.MetadataValue:
    """Return a plot as metadata that the UI shows in place."""
    import base64

    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![plot](data:image/svg+xml;base64,{encoded})")


@dg.asset(
    key=["segmentation", "assignments"],
    description="The segment of every subject of the mart, by the key of the purpose segmentation",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"python", "duckdb"},
    partitions_def=DAYS,
    deps=[["segmentation", "model"], ["marts", "mart_segmentation"]],
)
def assignments(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Assign with the model in force."""
    fitted = _loaded()
    if fitted is None:
        raise dg.Failure("no model has been fitted; materialise segmentation/model first")
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        frame = _frame(connection, "mart_segmentation", clocks.as_of)
        rows = fitted.assign(frame).reset_index()
        rows.columns = [KEY, "segment_id"]
        connection.register("assigned", rows)
        connection.execute("create schema if not exists segmentation")
        connection.execute(
            "create or replace table segmentation.assignments as select ?::date as as_of,"
            f" {KEY}::uuid as {KEY}, segment_id::integer as segment_id from assigned",
            [clocks.as_of],
        )
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(rows), **provenance(clocks)}
    )


@dg.asset(
    key=["segmentation", "segments"],
    description="What sets each segment apart: its card, with a plain-words name, and plots",
    group_name="segmentation",
    owners=OWNERS,
    kinds={"python", "duckdb"},
    partitions_def=DAYS,
    deps=[["segmentation", "assignments"]],
)
def segments(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Describe the segments by aggregates only."""
    from governance import evidence
    from models import cards, drift, plots

    fitted = _loaded()
    if fitted is None:
        raise dg.Failure("no model has been fitted; materialise segmentation/model first")
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        frame = _frame(connection, "mart_segmentation", clocks.as_of)
        found = cards.build_cards(frame, fitted)
        psi = drift.population_stability(fitted.reference, frame)
        rows = [(c.segment, c.name, c.line, c.subjects, c.share) for c in found]
        connection.execute(
            "create or replace table segmentation.segments (as_of date, segment_id integer,"
            " name varchar, line varchar, subjects integer, share double)"
        )
        connection.executemany(
            "insert into segmentation.segments values (?, ?, ?, ?, ?, ?)",
            [(clocks.as_of, *row) for row in rows],
        )
        connection.execute(
            "create or replace table segmentation.drift as select * from psi_frame"
            if False else "select 1"
        )
    summary = [dict(zip(("segment", "name", "line", "subjects", "share"), r, strict=True))
               for r in rows]  # fmt: skip
    evidence.show(
        evidence.SEGMENTS,
        {"as_of": clocks.as_of, "segments": summary, "model": fitted.facts,
         "drift": psi.to_dict("records")},
    )  # fmt: skip
    folder = _folder() / (current_model() or {})["folder"]
    for card in found:
        write_durably(folder / f"card_{card.segment}.md", card.text.encode())
    return dg.MaterializeResult(
        metadata={
            **{f"{c.segment}. {c.name}": dg.MetadataValue.md(c.text) for c in found},
            "sizes": _picture(plots.sizes_plot(found)),
            "profiles": _picture(plots.profiles_plot(found)),
            **provenance(clocks),
        }
    )


ASSETS = [model, assignments, segments]
FEATURES = sorted(set(allowed_columns(policy(), SEGMENT_PURPOSE)) - {MIX})
