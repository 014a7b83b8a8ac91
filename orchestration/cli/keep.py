"""``assent backup``, ``restore`` and ``keys``: keeping the state.

Belongs here: arguments and printing. Does not belong here: what goes into a backup
(``governance.backup``), how a key is changed (``governance.rotation``).
"""

from pathlib import Path

import click

from orchestration.cli.output import json_option, print_json, print_table
from warehouse.errors import UsageError

FOLDER = click.Path(path_type=Path)
PUT_ASIDE = {
    "kept": "the list of the erased that was here is put aside",
    "inbox": "what waited in the damaged inbox has to be recorded again; it is put aside",
}


@click.command()
@click.option("--to", required=True, type=FOLDER, help="The folder to make, outside the state.")
@click.option("--separate", is_flag=True, help="What an ordinary one lacks: salts, who was erased.")
def backup(to: Path, separate: bool) -> None:
    """Copy the state to a folder elsewhere, as encrypted as it is, without its keys."""
    from governance.backup import back_up
    from orchestration.writing import writing_alone

    with writing_alone("backup"):
        files = back_up(to, separate=separate)
    click.echo(f"backed up: {files} files; keys aren't among them")


@click.command()
@click.option("--from", "source", required=True, type=FOLDER, help="An ordinary backup.")
@click.option("--separate", type=FOLDER, help="The newest separate backup; default: what is here.")
@click.option(
    "--newest-lost",
    is_flag=True,
    help="The newest list of the erased is lost for good: take an older --separate.",
)
@json_option
def restore(source: Path, separate: Path | None, newest_lost: bool, as_json: bool) -> None:
    """Put a backup in the place of the state, and erase again whoever was erased since."""
    from governance.backup import restore as bring_back
    from orchestration.common import require_keys
    from orchestration.manifest import policy
    from orchestration.migrations import MIGRATIONS
    from orchestration.writing import holding_the_lock
    from warehouse import aside, schema
    from warehouse.keys import folder as keys_folder

    require_keys()
    with holding_the_lock("restore"):
        done = bring_back(
            policy(), source, separate, newest_lost=newest_lost,
            migrate=lambda: schema.migrate(MIGRATIONS),
        )  # fmt: skip
        # Only now: of the state that was here, nothing had to be fit to be written.
        aside.clear(keys_folder())
    if as_json:
        print_json(vars(done))
        return
    click.echo(
        f"restored as of {done.at}; erased again: {done.erased_again}. Nothing is published until"
        " `assent run` has read the feeds"
    )
    if done.holds_put_back:
        click.echo(f"legal holds of since then, put back: {done.holds_put_back}")
    if done.rectifications_reopened:
        click.echo(
            f"rectifications of since then, undone and open again: {done.rectifications_reopened};"
            " after `assent run`, `assent rights list` shows them: verify and fulfil them anew",
            err=True,
        )
    for name, place in done.put_aside.items():
        click.echo(f"{PUT_ASIDE[name]}: {place}", err=True)
    if done.erased_unlisted:
        click.echo(
            "the list of the erased that was given is older than the lost one: by the record of"
            f" acts, erasures since then that it doesn't name: {done.erased_unlisted}; open them"
            " again before `assent run`, from your own records, and fulfil them after it",
            err=True,
        )
    if done.requests_missing:
        click.echo(
            f"requests of since then, lost: {', '.join(done.requests_missing)}; open them again",
            err=True,
        )
    if done.releases_unrecorded:
        click.echo(
            "nothing here told which figures of segments and of consent were shown since then: none"
            " is released anew for `segmentation.aggregates_days`, and no month that has ended is"
            " counted",
            err=True,
        )
    click.echo(
        "Record again what was recorded since then and is in no feed; readmit who was readmitted",
        err=True,
    )


@click.group()
def keys() -> None:
    """List and change the keys that files are encrypted with."""


@keys.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the keys: what each opens and where it comes from; never a key."""
    from governance.rotation import listing
    from orchestration.common import key_names

    found = listing(key_names())
    if as_json:
        print_json([vars(key) for key in found])
        return
    print_table(
        "", ["key", "opens", "comes from", "days old", "a new one is there"],
        [(k.name, k.opens, k.place, k.days, k.new) for k in found],
    )  # fmt: skip


@keys.command("rotate")
@click.argument("names", metavar="NAME...", nargs=-1)
def rotate(names: tuple[str, ...]) -> None:
    """Write what keys open anew with other keys; without a name, all of them."""
    from governance.rotation import rotate as change
    from orchestration.common import key_names, require_keys
    from orchestration.writing import writing_alone

    for name in names:
        if name not in key_names():
            raise UsageError("there is no such key", "see `assent keys list`")
    require_keys()  # the new ones, too: or the next run would refuse them
    with writing_alone("keys rotate"):
        done = change(list(dict.fromkeys(names)) or key_names())
    anew = [name for name, changed in done.items() if changed.had_file]
    if anew:
        click.echo(f"changed: {', '.join(anew)}; the old ones open older backups")
    if len(anew) < len(done):
        click.echo(f"for a file yet to be written: {', '.join(n for n in done if n not in anew)}")
    supplied = [name for name, changed in done.items() if not changed.in_place]
    if supplied:
        click.echo(f"supply the new key in the old one's place: {', '.join(supplied)}", err=True)


COMMANDS = [backup, restore, keys]
