"""What every entry point does first: settings of the process, folders, Dagster's own files.

Belongs here: environment variables of the tools we run, and ``dagster.yaml``. Does not belong
here: reading the policy or the feeds.
"""

import fcntl
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.clock import VARIABLE as CLOCK
from warehouse.clock import now
from warehouse.errors import UsageError
from warehouse.home import Home, production, sources_path
from warehouse.journal import write_durably

if TYPE_CHECKING:
    import dagster as dg

DAGSTER_YAML = """\
# Written by Assent at start; edit orchestration/environment.py instead.
nux:
  enabled: false
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    # The writer lock decides who writes; the queue only keeps waiting runs few.
    max_concurrent_runs: 4
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
retention:
  schedule: {purge_after_days: 90}
  sensor:
    purge_after_days: {skipped: 7, failure: 30, success: -1}
"""

SETTINGS = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MPLBACKEND": "Agg",
}


def prepare() -> Home:
    """Set up this process and the folders of the home; cheap, and safe to repeat.

    Raises
    ------
    UsageError
        If production mode meets a clock that is set.
    """
    # Dagster calls beta what it has had for years; each mention would bury our own lines.
    warnings.filterwarnings("ignore", message=".*is currently in beta.*")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.umask(0o077)  # what any of them writes under the home is its owner's alone
    home = Home.current().make()
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["ASSENT_WAREHOUSE_FILE"] = str(home.warehouse)
    instance = home.dagster / "dagster.yaml"
    if not instance.exists() or instance.read_bytes() != DAGSTER_YAML.encode():
        write_durably(instance, DAGSTER_YAML.encode())
    _set_clock(sources_path())
    if production():
        now()  # refuses, before anything begins, a clock that is set
    return home


def opened_instance() -> "dg.DagsterInstance":
    """Open Dagster's storage, one process at a time: two that make it at once would spoil it."""
    import dagster as dg

    with (Home.current().make().dagster / "opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return dg.DagsterInstance.get()


def _set_clock(path: Path) -> None:
    """Take over a demo's clock, so that every process of an installation tells the same time."""
    if CLOCK in os.environ or not path.exists():
        return
    clock = next(
        (
            line.split(":", 1)[1].split(" #")[0].strip().strip("'\"")
            # What isn't UTF-8 is told when the feeds are read.
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("clock:")
        ),
        None,
    )
    if clock and production():
        raise UsageError(
            f"{path.name} sets a clock, which is for demos only", "remove the line `clock:`"
        )
    if clock:
        os.environ[CLOCK] = clock
