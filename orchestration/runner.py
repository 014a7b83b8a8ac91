"""Running a job in this process, and what it failed with in words for its user.

Belongs here: executing against the instance that the UI shows. Does not belong here: printing.
"""

import io
import uuid
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from governance import acts
from models.markdown import unescaped
from orchestration.common import DAYS, require_keys
from orchestration.environment import opened_instance
from warehouse import alive
from warehouse.errors import AssentError, RuleBrokenError, UsageError, of_machine
from warehouse.home import PROJECT


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    success: bool
    errors: list[AssentError] = field(default_factory=list)
    summary: str = ""


def run_job(name: str, *, partition: str | None = None, select: str | None = None) -> Outcome:
    """Run one of the jobs to its end.

    Parameters
    ----------
    name
        ``land`` or ``segment``.
    partition
        The day, for ``segment``.
    select
        Assets, in Dagster's selection syntax.

    Raises
    ------
    UsageError
        If there is no such day, or nothing is selected.
    """
    from orchestration.definitions import defs

    require_keys()
    job = defs.resolve_job_def(name)
    if partition and not DAYS.has_partition_key(partition):
        raise UsageError(
            f"as_of {partition} is no day that can be asked for",
            f"ask for a day from {DAYS.get_first_partition_key()} to the newest of the feeds; if"
            " nobody asked, the clock of this machine is behind the times of the feed"
            " `transactions`: set it right",
        )
    selection = selected(name, select)
    run_id = str(uuid.uuid4())
    alive.begin(run_id)
    tags = {"assent/started_by": "cli", "assent/actor": acts.actor()}
    # dbt's own lines would drown ours; they are in the run's log.
    with opened_instance() as instance, redirect_stdout(io.StringIO()):
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition,
            raise_on_error=False,
            tags=tags,
            run_config={"loggers": {"console": {"config": {}}}},
            asset_selection=selection,
            run_id=run_id,
        )
        events: list[Any] = list(result.all_events)
    found = [*_failures(events), *_blocked(events)]
    return Outcome(result.run_id, result.success and not found, errors=found)


# What a step failed with, or what came before any step: finishing what a killed process has left.
FAILURES = ("STEP_FAILURE", "RESOURCE_INIT_FAILURE")


def _failures(events: list[Any]) -> list[AssentError]:
    """Return what steps failed with; a check that failed speaks for itself."""
    failed = [e for e in events if e.event_type_value in FAILURES]
    return [
        _as_error(e.step_key or "the start of the run", e.event_specific_data.error)
        for e in failed
        if getattr(e.event_specific_data.error, "cls_name", "") != "DagsterAssetCheckFailedError"
    ]


def _blocked(events: list[Any]) -> list[AssentError]:
    checks = [
        e.event_specific_data for e in events if e.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    return [_broken(check) for check in checks if check.blocking and not check.passed]


def _broken(check: Any) -> RuleBrokenError:
    # The UI renders descriptions as Markdown; the terminal doesn't.
    why = unescaped(check.description or "see its metadata")
    return RuleBrokenError(
        f"check {check.check_name} on {check.asset_key.to_user_string()} failed: {why}",
        "see `assent status`; of a past day, evidence/<day>/status.json",
    )


def selected(name: str, select: str | None) -> list[dg.AssetKey] | None:
    """Return the assets of a job that a selection names; None for all of them.

    Raises
    ------
    UsageError
        If it names none.
    """
    from orchestration.definitions import defs  # which an asset that nobody told about ends

    if not select:
        return None
    require_keys()
    job = defs.resolve_job_def(name)
    try:
        keys = dg.AssetSelection.from_string(select).resolve(job.asset_layer.asset_graph)
    except dg.DagsterError:
        keys = set()
    if not keys:
        raise UsageError("no asset is selected by that", "see the assets with `make ui`")
    return sorted(keys)


def _as_error(step: str | None, error: Any) -> AssentError:
    """Turn a step's failure into its cause, if that is one that the user can mend."""
    known = _known(AssentError)
    cause = error
    while cause is not None:
        if cause.cls_name in known:
            message = cause.message.split(": ", 1)[1].strip()
            broken = issubclass(known[cause.cls_name], RuleBrokenError)
            return (RuleBrokenError if broken else UsageError)(message)
        told = of_machine(cause.cls_name, cause.message.partition(": ")[2].strip())
        if told:
            return told
        cause = cause.cause
    return UsageError(
        f"step '{step}' failed: {_fault(error)}", "see the run in the UI (`make ui`), and report it"
    )


def _fault(error: Any) -> str:
    """Return the kind and place of a fault of ours; its message may quote values, so not that."""
    if error is None:
        return "an unknown error"
    while error.cause is not None:
        error = error.cause
    frames = [line.strip() for line in error.stack if str(PROJECT) in line]
    place = frames[-1].splitlines()[0].replace(f"{PROJECT}/", "") if frames else ""
    return f"{error.cls_name} {place}".strip()


def _known(cls: type[AssentError]) -> dict[str, type[AssentError]]:
    """Return the errors for users by class name, those of every imported room included."""
    found = {cls.__name__: cls}
    for child in cls.__subclasses__():
        found |= _known(child)
    return found
