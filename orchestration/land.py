"""Landing: the feeds as assets.

Belongs here: wiring of ``ingest``, the run's clocks, and the permission file that readers consult.
Does not belong here: reading a feed; which feeds there are (``orchestration.feeds``).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb

from governance import clocks as clock_row
from governance import evidence, inbox, release, status, unpublish
from governance.gate import judge_columns, refuse
from governance.policy.words import FEEDS, PERMISSION
from governance.removal import drop_strays, withdraw_removed
from governance.rights import custody, expiry, kept, known, purge, restricted
from governance.rights.recall import put_back_holds
from governance.rights.replay import replay
from ingest.feeds import feed_figures, known_until, removals
from ingest.landing import SHOWN
from orchestration.checks import judge_feeds
from orchestration.common import (
    BY_DAY,
    OFFICERS,
    OWNERS,
    RETRY,
    about,
    day_of,
    provenance,
    unrepeated,
)
from orchestration.feeds import feeds, landed_clocks, state_of_files
from orchestration.manifest import lineage, policy
from orchestration.metadata import column_schema
from orchestration.progress import tell
from orchestration.wording import TOO_FEW
from orchestration.writer import Writer
from warehouse.clock import now, utc_naive
from warehouse.errors import AssentError
from warehouse.home import Home


def _specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            ["landing", name],
            description=description,
            group_name="landing",
            owners=OWNERS,
            kinds={"duckdb", "python"},
            deps=[] if name in FEEDS else [["landing", feed] for feed in FEEDS],
        )
        for name, description in SHOWN.items()
    ]


@dg.multi_asset(specs=_specs(), name="land_feeds", retry_policy=RETRY)
def land_feeds(context: dg.AssetExecutionContext, writer: Writer) -> Iterator[dg.MaterializeResult]:
    """Read, validate and land every feed in one transaction; nothing, if one of them can't be."""
    from ingest.load import load_feeds, load_inbox

    def progress(line: str) -> None:
        context.log.info(line)
        tell(line)

    with unrepeated():
        waiting = inbox.waiting()
        withdrawn = _take_away(context)
        try:
            _let_none_be_older(context)
            if ended := restricted.lift_ended():
                context.log.info(f"legal holds lifted, as their last day has ended: {ended}")
                waiting = inbox.waiting()
            if purge.due(policy()):
                purge.purge(policy())
                context.log.info("written anew, without rows that were deleted")
            if again := replay(utc_naive(now())):
                context.log.info(f"erased again, as an older state was put back: {again}")
            files = state_of_files(feeds(), policy())
            load_feeds(feeds(), policy(), now=now(), recorded=waiting, progress=progress)
            if lost := put_back_holds():  # such as of whom the feeds have brought back only now
                context.log.info(f"legal holds put back, as an older state had been: {lost}")
                waiting = inbox.waiting()
                load_inbox(policy(), waiting, now=now())
            _let_rows_expire(context, writer)
        except Exception:  # a fault of ours, too, keeps nobody published
            _heed_alone(context, writer, waiting)
            raise
    taken_out = _heed(context, writer, waiting)
    with writer.warehouse() as connection:
        figures = _show(connection)
        # No counts of rows: those of two days would tell how many one subject had.
        described: dict[str, dict[str, Any]] = {
            name: {"dagster/column_schema": column_schema(connection, f"landing.{name}")}
            for name in SHOWN
        }
    evidence.show(evidence.FILES, {"landed": files})
    if withdrawn:
        described["purpose_keys"]["assent/withdrawn"] = withdrawn
    described["purpose_keys"]["assent/taken_out"] = taken_out
    for name, metadata in described.items():
        metadata |= provenance()
        metadata |= figures.get(name, {})
        yield dg.MaterializeResult(asset_key=["landing", name], metadata=metadata)


def _take_away(context: dg.AssetExecutionContext) -> str:
    """Take away what must not be there; return the purposes that are withdrawn."""
    withdrawn = ", ".join(withdraw_removed(policy()))
    if withdrawn:
        context.log.info(f"withdrawn, for the policy no longer has it: {withdrawn}")
    # Or whoever has to leave couldn't, and no word would be heeded.
    if strays := ", ".join(map(".".join, drop_strays(policy()))):
        context.log.info(f"dropped, as nobody knows whose rows it holds: {strays}")
    return withdrawn


def _let_none_be_older(context: dg.AssetExecutionContext) -> None:
    """Go on with the newest files only, before anything lets an older one catch up."""
    kept.require_as_far()
    if release.renew_permission(policy()):
        context.log.info("what decides permission was an older copy: published anew")


def _let_rows_expire(context: dg.AssetExecutionContext, writer: Writer) -> None:
    """Let go the rows that are too old on the newest complete day."""
    with writer.warehouse() as connection:
        current = landed_clocks(connection)
    if expired := custody.let_expire(policy(), current):
        context.log.info(f"too old on {current.newest_day}, and gone: {', '.join(expired)}")


def _let_kept_expire(context: dg.AssetExecutionContext, writer: Writer) -> None:
    """Let go what is kept of requests, exports and the erased for too long on that day."""
    with writer.warehouse() as connection:
        current = landed_clocks(connection)
    if expired := expiry.let_expire(policy(), current):
        context.log.info(f"kept too long on {current.newest_day}, and gone: {', '.join(expired)}")
    if dropped := known.let_go(utc_naive(now())):
        context.log.info(f"identifiers by which no recipient knows anybody any more: {dropped}")


def _heed(
    context: dg.AssetExecutionContext, writer: Writer, waiting: inbox.Waiting
) -> dict[str, int]:
    """Let what has landed take effect: on exports, on the inbox, on what is published."""
    # In this order, so that at every instant a denial is where exports look for it, and that an
    # event waits, and asks for a run, until nobody is published whom it denies.
    release.publish_permission(policy())
    with writer.warehouse() as connection:
        known_at = known_until(connection)
    taken_out = unpublish.take_out(policy(), known_at)
    inbox.drop(waiting)
    if taken_out:
        context.log.info(f"taken out of what is published: {taken_out}")
    # A request that waits stands, whatever its word says: one that has landed has ended by now.
    _let_kept_expire(context, writer)
    return taken_out


def _heed_alone(context: dg.AssetExecutionContext, writer: Writer, waiting: inbox.Waiting) -> None:
    """Let the inbox's words and the policy take effect though no feed can be landed.

    Nobody stays published because a feed is broken.
    """
    from ingest.load import load_inbox

    if not Home.current().published_file(PERMISSION).exists():
        return
    try:
        load_inbox(policy(), waiting, now=now())
        _heed(context, writer, waiting)
        with writer.warehouse() as connection:
            judge_feeds(connection)  # no check of this run will
    except Exception as error:  # it stands in the way of this as well
        # Of a fault of ours only the kind: its message may quote a row.
        why = error.what if isinstance(error, AssentError) else type(error).__name__
        context.log.info(f"nor could all be done about recorded words: {why}")


def _show(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Leave the feeds' figures and the newest complete day where anyone may read them."""
    figures = [found.summary() for found in feed_figures(connection)]
    left = removals(connection, policy().thresholds.release_difference)
    clocks = landed_clocks(connection)
    evidence.show(
        evidence.FEEDS,
        {"label": feeds().label, "newest_day": clocks.newest_day, "known_at": clocks.known_at,
         "feeds": figures, "removals": left, "left_kept": expiry.removals()},
    )  # fmt: skip
    return {found["feed"]: _shown(found) | _left(found["feed"], left) for found in figures}


def _left(feed: str, left: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what has left of one feed as metadata, by reason and day."""
    told: dict[str, str] = {}
    for row in left:
        if row["feed"] == feed:
            name = f"feed/left: {row['why']}, {row['day']}"
            few = row["rows"] is None
            said = TOO_FEW if few else f"{row['rows']} rows, {row['emptied']} emptied"
            told[name] = f"{told[name]}; of others: {said}" if name in told else said
    return told


def _shown(figures: dict[str, Any]) -> dict[str, Any]:
    """Return one feed's figures as metadata; of reasons only those that there are."""
    reasons = {f"quarantined: {why}": rows for why, rows in figures["reasons"].items()}
    plain = {key: value for key, value in figures.items() if key not in ("feed", "reasons")}
    return {f"feed/{key}": value for key, value in (plain | reasons).items()}


def _builds(run: dg.DagsterRun) -> bool:
    """Tell whether a run was asked for more than to land."""
    return any(key.path[0] != "landing" for key in run.asset_selection or [dg.AssetKey("all")])


@dg.asset(
    key=["landing", "clocks"],
    description="The two clocks of the run: `as_of` selects data, `known_at` decides permission",
    group_name="landing",
    owners=OFFICERS,
    kinds={"duckdb", "python"},
    **BY_DAY,
    deps=[["landing", name] for name in SHOWN],
)
def clocks(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Set the clocks, refusing a day beyond the feeds, and forget verdicts of another state."""
    from orchestration.model_store import fit_is_due

    if _builds(context.run):  # what the gate would stop leaves the verdicts on what there is
        refuse(judge_columns(policy(), lineage()))
    with writer.warehouse() as connection:
        found = landed_clocks(connection, day_of(context))
        fit = fit_is_due(found)
        clock_row.write(connection, found, fit=fit)
        status.reset(connection, policy(), found, about())
        columns = {"dagster/column_schema": column_schema(connection, "landing.clocks")}
    return dg.MaterializeResult(metadata={**columns, **provenance(found), "assent/fit": fit})
