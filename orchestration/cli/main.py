"""``assent``: the commands and how they end.

Belongs here: the root command, exit status (0 done, 1 a rule was broken, 2 bad usage or input)
and the shape of errors. Does not belong here: what a command does (the modules beside this one).
"""

import sys
from typing import Any

import click

from orchestration.environment import prepare
from warehouse.errors import AssentError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Customer segments with permission. Settings: ASSENT_HOME, ASSENT_POLICY, ASSENT_SOURCES.",
)
def assent() -> None:
    """Group the commands."""
    prepare()


def _register() -> None:
    from orchestration.cli import act, run, show, ui

    for command in (*run.COMMANDS, *show.COMMANDS, *act.COMMANDS, *ui.COMMANDS):
        assent.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    _register()
    try:
        status: Any = assent.main(args=arguments, prog_name="assent", standalone_mode=False)
    except AssentError as error:
        click.echo(f"assent: {error}", err=True)
        status = error.exit_status
    except click.ClickException as error:
        error.show()
        status = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("assent: stopped", err=True)
        status = 130
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
