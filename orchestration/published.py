"""Published files as assets: one for each purpose.

Belongs here: publishing a purpose once its blocking checks have passed. Does not belong here:
exports to recipients; those are acts, not assets.
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from governance import clocks as clock_row
from governance import evidence, release, status
from governance.policy.load import policy_hash
from governance.policy.words import SEGMENT_PURPOSE
from orchestration import model_store
from orchestration.checks import judge_feeds
from orchestration.common import BY_DAY, OFFICERS, code_version, provenance, same_day
from orchestration.manifest import policy
from orchestration.metadata import columns_of
from orchestration.writer import Writer

FRESH = dg.FreshnessPolicy.cron(
    deadline_cron="0 9 * * *",
    lower_bound_delta=timedelta(hours=9),
    timezone=policy().time_zone,
)


def _deps(purpose: str) -> list[list[str]]:
    deps = [["marts", f"mart_{purpose}"]]
    if purpose == SEGMENT_PURPOSE:
        deps += [["segmentation", "assignments"], ["segmentation", "segments"]]
    return deps


def _published(purpose: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["release", f"published_{purpose}"],
        description=f"What may be read for the purpose {purpose}: one encrypted file",
        group_name="release",
        owners=OFFICERS,
        kinds={"duckdb"},
        **BY_DAY,
        deps=_deps(purpose),
        freshness_policy=FRESH,
    )
    def published(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
        with writer.warehouse() as connection:
            clocks = same_day(context, clock_row.read(connection))
            if not status.feeds_are_judged(connection, policy(), clocks):
                # Another run has landed since we did, and was killed before its checks.
                judge_feeds(connection)
            columns = columns_of(connection, f"release.published_{purpose}")
        about = {
            "as_of": clocks.as_of,
            "known_at": clocks.known_at,
            "policy_hash": policy_hash(policy()),
            "code_version": code_version(),
            "label": evidence.label() or "",
        }
        rows = release.publish_purpose(policy(), purpose, clocks, about)
        if rows and purpose == SEGMENT_PURPOSE:
            model_store.publish()
        counts: dict[str, Any] = {f"rows/{table}": count for table, count in rows.items()}
        return dg.MaterializeResult(
            metadata={**counts, **columns, **provenance(clocks), "assent/published": bool(rows)}
        )

    asset: dg.AssetsDefinition = published
    return asset


ASSETS = [_published(purpose) for purpose in policy().purposes]
