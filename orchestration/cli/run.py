"""``assent run``: the chain from feeds to published segments, in this process.

Belongs here: which jobs run, and turning what failed into messages. Does not belong here: the
chain itself (Dagster's jobs).
"""

from datetime import date, datetime
from typing import Any

import click

from warehouse import keys
from warehouse.errors import AssentError, RuleBrokenError, UsageError


@click.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day whose end selects data.")
@click.option("--select", help="Only these assets of the second job (Dagster's selection syntax).")
def run(as_of: datetime | None, select: str | None) -> None:
    """Materialise: land the feeds, then segment and publish one day."""
    from orchestration.cli.summary import print_summary
    from orchestration.runner import run_job, selected

    # What can be known to be a mistake is told before anything is read.
    if as_of:
        _require_possible(as_of.date())
    selected("segment", select)
    click.echo("Landing", err=True)
    made = not keys.folder().exists()
    landed = run_job("land")
    if made and keys.folder().exists():
        click.echo(
            f"Made the keys of this state, in {keys.folder()}: keep them apart from copies of it",
            err=True,
        )
    _succeed(landed)
    from orchestration.jobs import newest_day

    newest = newest_day()
    day = as_of.date().isoformat() if as_of else newest
    click.echo(f"Segmenting, as of {day}", err=True)
    outcome = run_job("segment", partition=day, select=select)
    _succeed(outcome, parts=bool(select))
    print_summary(past=date.fromisoformat(day) if day != newest else None)


def _require_possible(day: date) -> None:
    """Refuse a day that no feed can reach, before anything is read."""
    from governance.aging import today
    from orchestration.common import FIRST_DAY
    from orchestration.manifest import policy

    last = today(policy())
    if not FIRST_DAY <= day <= last:
        raise UsageError(
            f"as_of {day} is no day that can be asked for",
            f"ask for a day from {FIRST_DAY} to the newest of the feeds, which isn't after {last}",
        )


def _succeed(outcome: Any, *, parts: bool = False) -> None:
    """Raise what a run failed with, as one error with the highest claim."""
    if outcome.success:
        return
    errors: list[AssentError] = outcome.errors
    if not errors:
        raise UsageError(
            f"the run {outcome.run_id[:8]} failed: {outcome.summary}",
            "see it in the UI (`make ui`), under Runs",
        )
    text = "\n".join(dict.fromkeys(str(error) for error in errors))
    broken = any(isinstance(error, RuleBrokenError) for error in errors)
    if broken and parts:
        text += (
            "\n  -> first run `assent run` whole: what wasn't selected is as an earlier run made it"
        )
    raise (RuleBrokenError if broken else UsageError)(text)


COMMANDS = [run]
