"""``assent ui``: Dagster's web interface on localhost.

Belongs here: starting Dagster's own processes with our settings. Does not belong here: anything
that they load.
"""

import os
import signal
import socket
import sys
from pathlib import Path

import click

from orchestration.environment import opened_instance
from warehouse.errors import UsageError
from warehouse.home import PROJECT

HOST = "127.0.0.1"


@click.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--read-only", is_flag=True, help="For auditors: nothing can be started or changed.")
def ui(port: int, read_only: bool) -> None:
    """Start Dagster on localhost; schedules and sensors run, unless it is read-only."""
    _require_free(port)
    os.environ.setdefault("ASSENT_ACTOR", "unauthenticated")
    bin_folder = Path(sys.executable).parent
    workspace = ["-w", str(PROJECT / "workspace.yaml"), "-h", HOST, "-p", str(port)]
    if read_only:
        command = [str(bin_folder / "dagster-webserver"), "--read-only", *workspace]
    else:
        command = [str(bin_folder / "dagster"), "dev", *workspace]
    opened_instance().dispose()  # made here, before Dagster's own processes would all make it
    click.echo(f"http://{HOST}:{port}", err=True)
    os.chdir(PROJECT)
    # In our place, so that whoever stops us stops Dagster; that takes a request to end (SIGTERM) as
    # an interrupt, and what a script starts in the background begins with ignoring those.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606


def _require_free(port: int) -> None:
    """Refuse a port that is taken: Dagster's daemons would start all the same, beside the first."""
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} can't be used: {error.strerror}",
                "stop what uses it, or pass another (`assent ui --port`, `make ui PORT=...`)",
            ) from None


COMMANDS = [ui]
