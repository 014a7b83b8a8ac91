"""What every entry point does first: settings of the process, folders, Dagster's own files.

Belongs here: environment variables of the tools we run, ``dagster.yaml``, a demo's clock. Does
not belong here: reading the policy or the feeds.
"""

import fcntl
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.clear import in_clear
from warehouse.clock import VARIABLE as CLOCK
from warehouse.clock import now
from warehouse.errors import UsageError
from warehouse.home import Home, production, sources_path
from warehouse.journal import write_durably
from warehouse.keys import PREFIX

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
event_log_storage:
  module: orchestration.history
  class: History
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
retention:
  schedule: {purge_after_days: 90}
  sensor:
    purge_after_days: {skipped: 7, failure: 30, success: -1}
"""

PATHS = ("ASSENT_KEYS", "ASSENT_POLICY", "ASSENT_SOURCES")
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
    _make_absolute()
    os.umask(0o077)  # what any of them writes under the home is its owner's alone
    home = Home.current().make()
    schema.of_state()  # refuses, before anything is read, what a newer version wrote
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["ASSENT_WAREHOUSE_FILE"] = str(home.warehouse)
    instance = home.dagster / "dagster.yaml"
    if not instance.exists() or instance.read_bytes() != DAGSTER_YAML.encode():
        write_durably(instance, DAGSTER_YAML.encode())
    _set_clock(sources_path())
    if production():
        now()  # refuses, before anything begins, a clock that is set,
        in_clear()  # and files in clear
    return home


def opened_instance() -> "dg.DagsterInstance":
    """Open Dagster's storage, one process at a time: two that make it at once would spoil it."""
    import dagster as dg

    with (Home.current().make().dagster / "opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return dg.DagsterInstance.get()


def _make_absolute() -> None:
    """Let settings that name a path mean the same in child processes, which work elsewhere."""
    os.environ["ASSENT_HOME"] = str(Home.current().root)
    for name, value in list(os.environ.items()):
        if value and (name in PATHS or (name.startswith(PREFIX) and name.endswith("_FILE"))):
            os.environ[name] = str(Path(value).expanduser().absolute())


def _set_clock(path: Path) -> None:
    """Take over a demo's clock, so that every process of an installation tells the same time."""
    if CLOCK in os.environ or not path.is_file():
        return
    clock = _clock_of(path)
    if clock is None:
        return
    if production():
        raise UsageError(
            f"{path.name} sets a clock, which is for demos only", "remove the key `clock`"
        )
    if isinstance(clock, str):
        os.environ[CLOCK] = clock


def _clock_of(path: Path) -> object:
    """Return what a sources file has as its clock; whatever is wrong is told when it is read."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if "clock" not in text:  # most files: every command begins here, and a parser costs time
        return None
    from governance.policy.positions import read
    from governance.policy.problems import PolicyError

    try:
        content = read(text, str(path)).data
    except PolicyError:
        return None
    return content.get("clock") if isinstance(content, dict) else None
