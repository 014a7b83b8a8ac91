"""Landing: the feeds as assets.

Belongs here: wiring of ``ingest``, the run's clocks, and the permission file that readers consult.
Does not belong here: reading a feed.
"""

from collections.abc import Iterator

import dagster as dg

from governance import clocks as clock_row
from governance import inbox, release
from governance.clocks import clocks_of
from ingest.feeds import feed_clocks, feed_figures
from ingest.load import load_feeds
from ingest.sources import load_sources
from orchestration.common import DAYS, OFFICERS, OWNERS, RETRY, day_of, provenance
from orchestration.manifest import policy
from orchestration.writer import Writer
from warehouse.clock import now
from warehouse.home import sources_path

TABLES = {
    "customers": "Customers, without direct identifiers: those are in the vault",
    "transactions": "Transaction lines",
    "consent_events": "Consent events: granted, withdrawn, objected, opted out, opted in",
    "rights_requests": "Rights requests",
    "quarantine": "Rows set aside with their reason and position, without their values",
    "purpose_keys": "The crosswalk from a subject to its key for each purpose; never published",
    "changed_days": "Which days each load touched",
}


def _specs() -> list[dg.AssetSpec]:
    feeds = ("customers", "transactions", "consent_events", "rights_requests")
    return [
        dg.AssetSpec(
            ["landing", name],
            description=description,
            group_name="landing",
            owners=OWNERS,
            kinds={"duckdb", "python"},
            deps=[] if name in feeds else [["landing", feed] for feed in feeds],
        )
        for name, description in TABLES.items()
    ]


@dg.multi_asset(specs=_specs(), name="land_feeds", retry_policy=RETRY)
def land_feeds(
    context: dg.AssetExecutionContext, writer: Writer
) -> Iterator[dg.MaterializeResult]:
    """Read, validate and land every feed in one transaction; nothing, if one of them can't be."""
    waiting = inbox.waiting()
    sources = load_sources(sources_path(), policy())
    load_feeds(sources, policy(), now=now(), extra_consent_events=waiting)
    if waiting.num_rows:
        inbox.drop_through(max(waiting.column("event_id").to_pylist()))
    release.publish_permission(policy())
    with writer.warehouse() as connection:
        figures = {f.feed: f for f in feed_figures(connection)}
        counts = {
            name: connection.execute(f"select count(*) from landing.{name}").fetchall()[0][0]
            for name in TABLES
        }
    for name, count in counts.items():
        metadata = {"dagster/row_count": count, **provenance()}
        if name in figures:
            metadata |= {f"feed/{k}": v for k, v in figures[name].summary().items()}
        if sources.label:
            metadata["assent/label"] = sources.label
        yield dg.MaterializeResult(asset_key=["landing", name], metadata=metadata)


@dg.asset(
    key=["landing", "clocks"],
    description="The two clocks of the run: `as_of` selects data, `known_at` decides permission",
    group_name="landing",
    owners=OFFICERS,
    kinds={"duckdb", "python"},
    partitions_def=DAYS,
    deps=[["landing", name] for name in TABLES],
)
def clocks(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Set the clocks, refusing a day beyond the feeds, and forget verdicts of another state."""
    from governance import status
    from orchestration.segments import fit_is_due

    with writer.warehouse() as connection:
        known_at, newest_day = feed_clocks(connection, load_sources(sources_path(), policy()),
                                           policy().time_zone)  # fmt: skip
        found = clocks_of(
            day_of(context), known_at=known_at, newest_day=newest_day,
            time_zone=policy().time_zone,
        )  # fmt: skip
        fit = fit_is_due(found)
        clock_row.write(connection, found, fit=fit)
        status.reset(connection)
    return dg.MaterializeResult(metadata={**provenance(found), "assent/fit": fit})
