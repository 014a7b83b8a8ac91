"""``assent ui``: Dagster's web interface on localhost.

Belongs here: starting Dagster's own processes with our settings. Does not belong here: anything
that they load.
"""

import os
import sys
from pathlib import Path

import click

from orchestration.environment import opened_instance
from warehouse.home import PROJECT


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--read-only", is_flag=True, help="For auditors: nothing can be started or changed.")
def ui(port: int, read_only: bool) -> None:
    """Start Dagster on localhost; schedules and sensors run, unless it is read-only."""
    os.environ.setdefault("ASSENT_ACTOR", "unauthenticated")
    bin_folder = Path(sys.executable).parent
    workspace = ["-w", str(PROJECT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    if read_only:
        command = [str(bin_folder / "dagster-webserver"), "--read-only", *workspace]
    else:
        command = [str(bin_folder / "dagster"), "dev", *workspace]
    opened_instance().dispose()  # made here, before Dagster's own processes would all make it
    click.echo(f"http://127.0.0.1:{port}", err=True)
    os.chdir(PROJECT)
    # In our place, so that whoever stops us stops Dagster.
    os.execv(command[0], command)  # noqa: S606


COMMANDS = [ui]
