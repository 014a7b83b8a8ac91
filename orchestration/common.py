"""What every asset shares: partitions, owners, retries, and the metadata that proves a run.

Belongs here: constants and small helpers that more than one module of this room uses. Does not
belong here: assets.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import Any

import dagster as dg

from governance import evidence
from governance.clocks import Clocks
from governance.policy.load import policy_hash
from orchestration.manifest import DBT_PROJECT, policy
from warehouse import keys
from warehouse.clock import days_ahead
from warehouse.errors import AssentError, UsageError
from warehouse.home import PROJECT, ROOMS, production

OWNERS = ["team:data-engineering"]
OFFICERS = ["team:privacy"]
# The kinds of rules that are judged on the segments.
SEGMENT_KINDS = ("size", "segment_count", "refit", "release", "drift", "bias")
RETRY = dg.RetryPolicy(max_retries=1, delay=5)

# Long before any feed, so that every past day can be asked for; a day beyond the feeds is refused.
# Dagster's days end where the host's clock is: one that is set ahead of it adds the days between.
FIRST_DAY = date(1990, 1, 1)
DAYS = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY.isoformat(), timezone=policy().time_zone,
    end_offset=days_ahead(policy().time_zone),
)  # fmt: skip
BY_DAY: dict[str, Any] = {"partitions_def": DAYS, "backfill_policy": dg.BackfillPolicy.multi_run(1)}


@cache
def code_version() -> str:
    """Return a hash over our own code: Python of every room, and the dbt project."""
    digest = hashlib.sha256()
    files = [p for room in ROOMS for p in (PROJECT / room).rglob("*.py")]
    files += [p for p in DBT_PROJECT.rglob("*.sql") if "target" not in p.parts]
    for path in sorted(files):
        digest.update(str(path.relative_to(PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def require_keys() -> None:
    """Refuse to begin, in production mode, without a good key for every file of the policy.

    Raises
    ------
    KeyMissingError
        Naming all that are missing, short, or the same as another's.
    """
    if production():
        keys.require(key_names())


def key_names() -> list[str]:
    """Return the names of all keys: of each file of the policy, and that of receipts."""
    published = [f"published_{name}" for name in ("permission", *policy().purposes)]
    return ["warehouse", "vault", "salts", "inbox", "kept", "receipts", *published]


def about() -> dict[str, Any]:
    """Return the facts that are shown with verdicts."""
    return {"code_version": code_version()}


def provenance(clocks: Clocks | None = None) -> dict[str, Any]:
    """Return the metadata of every materialisation: policy, code, clocks and label if there are."""
    found: dict[str, Any] = {
        "assent/policy_hash": policy_hash(policy()),
        "assent/code_version": code_version(),
    }
    if label := evidence.label():
        found["assent/label"] = label
    if clocks:
        found |= {
            "assent/as_of": clocks.as_of.isoformat(),
            "assent/known_at": f"{clocks.known_at.isoformat()}Z",
            "assent/current": clocks.current,
        }
    return found


@contextmanager
def unrepeated() -> Iterator[None]:
    """Let a mistake of the user end the step at once: trying again would find it again."""
    try:
        yield
    except AssentError as error:
        raise dg.Failure(error.what, allow_retries=False) from error


def day_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """Return the partition of this run: its ``as_of``."""
    return date.fromisoformat(context.partition_key)


def same_day(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
             clocks: Clocks) -> Clocks:  # fmt: skip
    """Return the clocks if they are this partition's.

    Raises
    ------
    UsageError
        If the warehouse stands at another day.
    """
    if context.has_partition_key and day_of(context) != clocks.as_of:
        raise UsageError(
            f"the warehouse stands at {clocks.as_of}, not at {day_of(context)}",
            "`assent run` does all; in the UI, materialise landing/clocks and what follows it for"
            f" {day_of(context)}",
        )
    return clocks
