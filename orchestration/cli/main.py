"""``assent``: the commands and how they end.

Belongs here: the root command, exit status (0 done, 1 a rule was broken, 2 bad usage or input)
and the shape of errors. Does not belong here: what a command does (the modules beside this one).
"""

import gc
import re
import sys
import traceback
from typing import Any

import click

from orchestration.cli import unfinished
from orchestration.cli.unasked import LeftOut
from orchestration.environment import prepare
from warehouse.errors import AssentError, UsageError, masked, of_machine
from warehouse.home import PROJECT, ROOMS
from warehouse.lock import waits_told

ANSWERING = {"explain", "export", "query"}  # and, of the groups, consent and rights
WITHOUT_PANDAS = {"consent", "rights"}


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Customer segments with permission. Settings: ASSENT_HOME, ASSENT_POLICY, ASSENT_SOURCES.",
)
def assent() -> None:
    """Group the commands."""
    if prepare().restoring.exists():
        unfinished.finish()
    if click.get_current_context().invoked_subcommand in ANSWERING:
        unfinished.finish_if_abandoned()


def _register() -> None:
    from orchestration.cli import act, keep, rights, run, show, ui

    rooms = (run, show, act, rights, keep, ui)
    for command in (command for room in rooms for command in room.COMMANDS):
        assent.add_command(command)


def program() -> None:
    """Be the program ``assent``: run the command line of this process, and exit with its status."""
    if WITHOUT_PANDAS & {*sys.argv[1:2]}:
        # None of their parameters is a value of pandas, whose loading is a fifth of their time.
        sys.meta_path.insert(0, LeftOut("pandas"))
    main()


def main(arguments: list[str] | None = None) -> None:
    """Run a command line, by default this process's, and exit with its status."""
    # Most of a short command is loading modules, none of which is garbage: to look for some as
    # often as Python does by itself takes a fifteenth of its time.
    gc.set_threshold(50_000)
    _register()
    try:
        _require_text(sys.argv[1:] if arguments is None else arguments)
        with waits_told(_tell_wait):
            status: Any = assent.main(args=arguments, prog_name="assent", standalone_mode=False)
    except AssentError as error:
        click.echo(f"assent: {_printable(str(error))}", err=True)
        status = error.exit_status
    except click.ClickException as error:
        usage = (
            f"{error.ctx.get_usage()}\n"
            if isinstance(error, click.UsageError) and error.ctx
            else ""
        )
        said = _unsaid(error, arguments or sys.argv[1:])
        click.echo(f"{usage}Error: {_printable(said)}", err=True)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("assent: stopped", err=True)
        status = 130
    except Exception as error:
        # A traceback, and often the message, may quote a row.
        told = of_machine(type(error).__name__, str(error))
        ours = f"a fault of ours: {_place(error)}\n  -> please report it"
        click.echo(f"assent: {told or ours}", err=True)
        status = 2
    # To look through all modules for garbage before the process ends takes 0.15 s, for nothing.
    gc.freeze()
    sys.exit(status or 0)


def _tell_wait(file: str) -> None:
    click.echo(f"waiting for another process, which holds {file}", err=True)


def _require_text(typed: list[str]) -> None:
    """Refuse bytes that are no text, which a terminal passes on: nothing could keep or show them.

    Raises
    ------
    UsageError
        If a word of the command line isn't UTF-8.
    """
    try:
        "".join(typed).encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the command line isn't valid UTF-8", "write it anew, in a terminal that is set to it"
        ) from None


def _printable(text: str) -> str:
    """Return a text with what no terminal can show, such as a path of other bytes, escaped."""
    return text.encode(errors="backslashreplace").decode()


def _unsaid(error: click.ClickException, typed: list[str]) -> str:
    """Return what click says, with the shape of what was typed in its place.

    Such as a customer number where the right belongs. A path is said: it has to be found.
    """
    said = error.format_message()
    parameter = getattr(error, "param", None)
    if parameter and isinstance(parameter.type, click.Path | click.File):
        return said
    words = {part for word in typed for part in (word, *word.split("=", 1)) if part}
    for word in sorted(words - _names(getattr(error, "ctx", None)), key=len, reverse=True):
        for form in dict.fromkeys((repr(word), repr(word)[1:-1], word)):
            # A shape has no backslash, which would mean something there.
            said = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", masked(word), said)
    return said


def _names(context: click.Context | None) -> set[str]:
    """Return the names of a command's and its groups' options, commands and choices."""
    found: set[str] = set()
    while context:
        command, context = context.command, context.parent
        found |= {
            str(command.name),
            *(name for p in command.params for name in (*p.opts, str(p.name))),
        }
        found |= set(getattr(command, "commands", ()))
        for parameter in command.params:
            if isinstance(parameter.type, click.Choice):
                found |= set(map(str, parameter.type.choices))
    return found


def _place(error: Exception) -> str:
    """Return the kind of an unforeseen fault, and where in our own rooms it came up."""
    ours = ""
    for frame in traceback.extract_tb(error.__traceback__):
        place = frame.filename.removeprefix(f"{PROJECT}/")
        if place.split("/")[0] in ROOMS:
            ours = f" in {place}:{frame.lineno}"
    return type(error).__name__ + ours


if __name__ == "__main__":
    main()
