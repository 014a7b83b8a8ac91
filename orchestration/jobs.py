"""Jobs, schedule and sensors: when work starts by itself.

Belongs here: what triggers a run, and for which day. Does not belong here: what a run does.
Landing doesn't depend on `as_of`, so it is a job of its own; the newest complete day of what has
landed is then the day that the second job is run for.
"""

import hashlib
from collections.abc import Iterator

import dagster as dg

from orchestration.common import DAYS
from orchestration.manifest import policy

LAND_ASSETS = dg.AssetSelection.groups("landing") - dg.AssetSelection.assets(["landing", "clocks"])

land = dg.define_asset_job(
    "land",
    selection=LAND_ASSETS,
    description="Read every feed, validate it, land it",
)

segment = dg.define_asset_job(
    "segment",
    selection=dg.AssetSelection.all() - LAND_ASSETS,
    partitions_def=DAYS,
    description="From landed feeds to published, checked segments for one day",
)


@dg.schedule(
    job=land,
    cron_schedule="30 5 * * *",
    execution_timezone=policy().time_zone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Land the feeds every morning; segmentation follows."""
    return dg.RunRequest(tags={"assent/trigger": "daily schedule"})


@dg.sensor(
    job=land,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_feed_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Land the feeds if they, or how they are read, aren't as they landed, or a word waits.

    What is there and what had landed make the cursor, so that one state is tried once: again only
    when something else has been there, or has landed, in between. The policy is read afresh, since
    one that kept the feeds from landing may have been mended.
    """
    from governance.policy.load import load_policy
    from ingest.sources import load_sources, watched_files
    from orchestration.feeds import last_landed, state_of_files
    from warehouse.home import Home, policy_path, sources_path

    inbox = Home.current().inbox
    rules = load_policy(policy_path())
    sources = load_sources(sources_path(), rules)
    waiting = [f"inbox:{inbox.stat().st_mtime_ns}"] if inbox.exists() and _waiting() else []
    if not watched_files(sources) and not waiting:
        return dg.SkipReason("no feed is a file, and the inbox is empty")
    state, landed = state_of_files(sources, rules), last_landed()
    cursor = hashlib.sha256("\n".join([state, landed, *waiting]).encode()).hexdigest()
    if cursor == context.cursor:
        return dg.SkipReason("nothing new")
    if not waiting and state == landed:
        return dg.SensorResult(skip_reason="the files have landed as they are", cursor=cursor)
    request = dg.RunRequest(tags={"assent/trigger": "new feed files"})
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _waiting() -> bool:
    from governance import inbox

    return bool(inbox.waiting().by_feed)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[land],
    request_job=segment,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_landing(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Segment the newest complete day once feeds have landed."""
    if context.dagster_run.tags.get("assent/started_by") == "cli":
        yield dg.SkipReason("the command line goes on by itself")
        return
    yield dg.RunRequest(
        run_key=context.dagster_run.run_id,
        partition_key=newest_day(),
        tags={"assent/trigger": "landing"},
    )


def newest_day() -> str:
    """Return the newest complete day of what has landed, as a partition key."""
    from governance.evidence import feeds_shown

    return str(feeds_shown()["newest_day"])
