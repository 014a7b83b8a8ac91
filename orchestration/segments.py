"""Segmentation as assets: the model, the assignments, the segments with their cards.

Belongs here: handing frames to ``models`` and keeping what comes back. Does not belong here:
estimators, which model is in force (``orchestration.model_store``), reading rows: that is the
door's (``orchestration.door``), and the column gate is closed if anything here reads past it.
"""

import base64
import json
from datetime import date
from typing import TYPE_CHECKING, Any

from dagster import MarkdownMetadataValue, MaterializeResult, MetadataValue

from governance.evidence import SEGMENTS, label
from governance.policy.load import policy_hash
from governance.policy.words import BIAS_PURPOSE, SEGMENT_PURPOSE
from models.features import MIX_PREFIX
from orchestration import model_store
from orchestration.columns import BACKTEST, MART
from orchestration.common import RETRY, SEGMENT_KINDS, code_version, provenance
from orchestration.door import Door, asset
from orchestration.manifest import policy
from warehouse.errors import RuleBrokenError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from models.model import SegmentModel
    from models.selection import Choice, Rule

# Facts that a fit leaves, as the UI calls them; and its plots.
TOLD = {
    "fitted as of": "fitted_as_of",
    "chosen because": "reason",
    "next 8 weeks": "in_words",
    "since the model before": "since",
    "features without a source": "without_a_source",
}
DRAWN = ("explained_variance", "candidates")
TABLE = "segments.json"  # the table of segments, as a release keeps it
READ = [MART, BACKTEST, f"mart_{BIAS_PURPOSE}"]


@asset(
    "model",
    description="The fitted segmentation, chosen by what its segments foretold",
    kinds={"scikitlearn"},
    deps=[["marts", name] for name in READ if name != READ[2] or BIAS_PURPOSE in policy().purposes],
    retry_policy=RETRY,
)
def model(marts: Door) -> MaterializeResult:
    """Fit when it is due; else report the model in force."""
    if model_store.fit_is_due(marts.clocks):
        _fit(marts)
    return MaterializeResult(
        metadata={**_reported(), **marts.described("model"), **provenance(marts.clocks)}
    )


def _fit(marts: Door) -> None:
    from models import backtest, identity
    from models.selection import Rule

    limits, clocks = policy(), marts.clocks
    days = _backtest_days(marts)
    later, earlier = (marts.frame(BACKTEST, day, mix="whole") for day in days)
    limited = Rule(limits.segmentation.segments, smallest=limits.thresholds.smallest_segment)
    previous = model_store.loaded() if model_store.record() else None
    current = _current(marts, earlier, previous)
    try:
        # Who had come by the earlier day: the backtest holds a sample.
        subjects = int((current.tenure_days >= (clocks.as_of - days[1]).days).sum())
        choice = _chosen(marts, earlier, limited, current, previous, subjects)
        report = backtest.backtest(later, choice.recipe)
    except ValueError as error:
        raise RuleBrokenError(
            f"no segments can be chosen: {error}",
            "see segmentation.segments, thresholds.smallest_segment and thresholds.bias in the"
            " policy",
        ) from error
    fitted, since = _fitted(current, choice, previous)
    fitted = fitted.with_facts(
        fitted_as_of=clocks.as_of.isoformat(),
        known_at=clocks.known_at.isoformat(),
        policy_hash=policy_hash(limits),
        code_version=code_version(),
        reason=choice.reason,
        in_words=backtest.in_words(report),
        since=identity.in_words(since),
        without_a_source=", ".join(choice.left_out) or "none",
    )
    _keep(marts, fitted, choice, report, current)


def _chosen(
    marts: Door, earlier: "pd.DataFrame", rule: "Rule", current: "pd.DataFrame",
    previous: "SegmentModel | None", subjects: int,
) -> "Choice":  # fmt: skip
    """Choose by the rule; an override of bias counts where no candidate keeps every limit."""
    from models.selection import choose

    def chosen(*, excused: bool) -> "Choice":
        return choose(
            earlier, rule, current=current, judge=marts.judge(excused=excused),
            in_force=previous.recipe if previous else None, subjects=subjects,
        )  # fmt: skip

    try:
        return chosen(excused=False)
    except ValueError:
        if not policy().overrides:
            raise
        return chosen(excused=True)


def _current(
    marts: Door, earlier: "pd.DataFrame", previous: "SegmentModel | None"
) -> "pd.DataFrame":
    """Read all subjects as they are now, with every share of the mix that a model may ask for.

    The mix itself isn't read: of so many subjects it would have to be thinned, and a share taken
    from a mix that wasn't read would be none.
    """
    from models.frames import top_mix_features

    offered = top_mix_features(earlier, policy().thresholds.smallest_segment)
    shares = dict.fromkeys([*offered, *(_shares_of(previous) if previous else ())])
    return marts.frame(MART, marts.clocks.as_of, shares=list(shares))


def _reported() -> dict[str, Any]:
    """Return what is known of the model in force, as its fit left it: a run may only assign."""
    fitted = model_store.loaded()
    told = {name: str(fitted.facts[fact]) for name, fact in TOLD.items() if fact in fitted.facts}
    return {
        "segments": len(fitted.ids),
        "recipe": fitted.recipe.title(),
        "features": ", ".join(fitted.recipe.features),
        **told,
        **{name.replace("_", " "): picture(svg) for name, svg in model_store.plots(DRAWN).items()},
        "artefacts": model_store.place().name,
    }


def _shares_of(fitted: "SegmentModel") -> list[str]:
    """Return the shares of the category mix that a model reads."""
    return [name for name in fitted.recipe.features if name.startswith(MIX_PREFIX)]


def _fitted(
    current: "pd.DataFrame", choice: "Choice", previous: "SegmentModel | None"
) -> "tuple[SegmentModel, Any]":
    """Fit the chosen recipe; segments that are the same as before keep their number and name."""
    from models import identity, naming
    from models.effects import effect_table
    from models.model import fit_model

    matching = identity.match(previous, fit_model(current, choice.recipe), current)
    effects = effect_table(
        current, matching.model.assign(current), choice.recipe.scale,
        smallest=policy().thresholds.smallest_segment,
    )  # fmt: skip
    names = naming.name_segments(effects, keep=matching.model.names)
    return matching.model.with_names(names), matching


def _backtest_days(marts: Door) -> tuple[date, date]:
    days = marts.days(BACKTEST)
    if len(days) != 2:
        raise UsageError(
            f"{BACKTEST} doesn't hold two earlier days, so no segments can be chosen",
            "it takes 16 weeks of transactions of subjects with a basis; then run the whole chain",
        )
    return days[0], days[1]


def _keep(
    marts: Door, fitted: "SegmentModel", choice: "Choice", report: "pd.DataFrame",
    current: "pd.DataFrame",
) -> None:  # fmt: skip
    """Store the model with its card, plots and whom it is of, then make it the one in force."""
    from models import model_card, plots, store

    clocks = marts.clocks
    name = f"{clocks.as_of}-{store.fingerprint(fitted)[:8]}"
    smallest = policy().thresholds.smallest_segment
    model_store.keep(fitted, name)
    text = model_card.model_card(
        fitted,
        choice=choice,
        report=report,
        facts={"purpose": SEGMENT_PURPOSE, **provenance(clocks)},
    )
    figures = plots.explained(report), plots.selection(choice.table, smallest)
    drawn = {f"{plot}.svg": plots.svg(figure) for plot, figure in zip(DRAWN, figures, strict=True)}
    model_store.describe(name, {"model_card.md": text, **drawn}, marts.require_unkeyed)
    marts.note_fitted(name, current)
    model_store.point_to(
        {
            "folder": name,
            "fitted_as_of": clocks.as_of.isoformat(),
            "policy_hash": policy_hash(policy()),
            "segments": len(fitted.ids),
            "recipe": choice.recipe.title(),
            "features": choice.recipe.features,
        },
        marts.require_unkeyed,
    )


def picture(svg: str) -> MarkdownMetadataValue:
    """Return a plot as metadata that the UI shows in place."""
    encoded = base64.b64encode(svg.encode()).decode()
    return MetadataValue.md(f"![plot](data:image/svg+xml;base64,{encoded})")


@asset(
    "assignments",
    description="The segment of every subject of the mart, by the key of the purpose segmentation",
    kinds={"python", "duckdb"},
    deps=[["segmentation", "model"], ["marts", MART]],
)
def assignments(marts: Door) -> MaterializeResult:
    """Assign with the model in force."""
    from expectations import schemas

    fitted = model_store.loaded()
    frame = marts.frame(MART, marts.clocks.as_of, shares=_shares_of(fitted))
    rows = fitted.assign(frame).rename("segment_id").reset_index()
    kept = {marts.key: "uuid", "segment_id": "integer"}
    columns = marts.keep(
        "assignments", rows, kept, fits=schemas.assignments(fitted.ids), judged=SEGMENT_KINDS
    )
    return MaterializeResult(
        metadata={"dagster/row_count": len(rows), **columns, **provenance(marts.clocks)}
    )


@asset(
    "segments",
    description="What sets each segment apart: its card, with a plain-words name, and plots; they"
    " stand until the policy has them made anew",
    kinds={"python", "duckdb"},
    deps=[["segmentation", "assignments"]],
)
def segments(marts: Door) -> MaterializeResult:
    """Show the segments by aggregates only, as the release that stands has them."""
    import pandas as pd

    from expectations import schemas
    from models import drift
    from models.frames import matrix

    fitted, clocks = model_store.loaded(), marts.clocks
    frame = marts.frame(MART, clocks.as_of, shares=_shares_of(fitted), mix="some")
    assigned = fitted.assign(frame)
    found = marts.released(
        model_store.place().name, assigned, lambda: _described(frame, fitted, assigned)
    )
    as_of = found.release.as_of if found.release else clocks.as_of
    texts = found.release.texts if found.release else _undescribed(fitted)
    rows = json.loads(texts[TABLE])
    kept = {"segment_id": "integer", "name": "varchar", "line": "varchar", "subjects": "integer",
            "share": "double"}  # fmt: skip
    table = pd.DataFrame(rows).rename(columns={"segment": "segment_id"})
    columns = marts.keep(
        "segments", table.astype({"subjects": "Int64", "share": float}), kept,
        fits=schemas.segments(), as_of=as_of,
    )  # fmt: skip
    shifts = drift.population_stability(fitted.reference, matrix(frame, fitted.recipe.features))
    marts.tell(
        SEGMENTS,
        {
            "as_of": as_of,
            "postponed": found.postponed,
            "segments": rows,
            "model": fitted.facts,
            # Finer figures of two days, or their order, would say who has come or left since.
            "drift": dict(sorted(zip(shifts["feature"], shifts["index"].round(2), strict=True))),
        },
    )
    model_store.show(texts, clocks.past, marts.require_unkeyed)
    postponed = {"next aggregates": found.postponed} if found.postponed else {}
    return MaterializeResult(
        metadata={
            "aggregates as of": as_of.isoformat(),
            **postponed,
            **{n.removesuffix(".svg"): picture(t) for n, t in texts.items() if n.endswith(".svg")},
            **{n.removesuffix(".md"): MetadataValue.md(t) for n, t in texts.items()
               if n.endswith(".md")},
            **columns,
            **provenance(clocks),
        }
    )  # fmt: skip


def _described(
    frame: "pd.DataFrame", fitted: "SegmentModel", assigned: "pd.Series"
) -> dict[str, str]:
    """Return what a release shows: cards, plots, and the same as tables, by name of the file."""
    from models import cards, effects, plots

    smallest, remark = policy().thresholds.smallest_segment, label() or ""
    found = cards.build_cards(frame, fitted, smallest=smallest, remark=remark)
    typical = effects.typical(frame, assigned, fitted.recipe.features, smallest=smallest)
    return {
        **{f"segment_{card.segment}.md": card.text for card in found},
        "sizes.svg": plots.svg(plots.segment_sizes(found)),
        "profiles.svg": plots.svg(plots.profiles(found)),
        model_store.TYPICAL: json.dumps(typical),
        TABLE: json.dumps(
            [{"segment": c.segment, "name": c.name, "line": c.character, "subjects": c.size,
              "share": c.share} for c in found], indent=1,
        ),
    }  # fmt: skip


def _undescribed(fitted: "SegmentModel") -> dict[str, str]:
    """Return what is shown of segments that no release is of: their names."""
    from models import cards

    texts = cards.undescribed(fitted, label() or "")
    rows = [
        {"segment": segment, "name": fitted.name_of(segment), "line": cards.NOT_DESCRIBED,
         "subjects": None, "share": None} for segment in texts
    ]  # fmt: skip
    cards_of = {f"segment_{segment}.md": text for segment, text in texts.items()}
    return cards_of | {TABLE: json.dumps(rows, indent=1)}


ASSETS = [model, assignments, segments]
