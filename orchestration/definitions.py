"""The root of what Dagster loads: assets, checks, jobs and the policy that spans them all.

Belongs here: collecting, and nothing else. Does not belong here: an asset.
"""

from orchestration.environment import prepare

prepare()  # before anything that reads the home, the policy or DAGSTER_HOME

import dagster as dg  # noqa: E402

from orchestration import checks, consent_statistics, jobs, land, published, segments, transform  # noqa: E402
from orchestration.progress import progress_logger  # noqa: E402
from orchestration.told import require_told  # noqa: E402
from orchestration.values import NoValues  # noqa: E402
from orchestration.writer import Writer  # noqa: E402

defs = dg.Definitions(
    assets=[
        land.land_feeds,
        land.clocks,
        transform.transform,
        *consent_statistics.ASSETS,
        *segments.ASSETS,
        *published.ASSETS,
    ],
    asset_checks=checks.CHECKS,
    jobs=[jobs.land, jobs.segment],
    schedules=[jobs.daily],
    sensors=[jobs.new_feed_files, jobs.after_landing],
    resources={"writer": Writer(), "dbt": transform.dbt_resource(), "io_manager": NoValues()},
    loggers={"console": progress_logger},
    # One process per run, so that one lock spans it.
    executor=dg.in_process_executor,
)

require_told(defs)  # else nothing here can be run, in whichever way
