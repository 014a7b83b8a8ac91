"""``assent rights notices|notify|confirm``: recipients are told what has become of data.

Belongs here: arguments and printing. Does not belong here: which notices are owed
(``governance.rights.notices``), the other commands of rights (``rights``).
"""

from pathlib import Path

import click

from orchestration.cli.output import json_option, print_json, print_label, print_table


@click.command("notices")
@json_option
def list_(as_json: bool) -> None:
    """List what recipients have to be told, without names or customer numbers."""
    from governance.rights.notices import notices
    from orchestration.manifest import policy

    found = [vars(notice) for notice in notices(policy())]
    print_label(aside=as_json)
    if as_json:
        print_json(found)
        return
    columns = ["request_id", "recipient", "kind", "since", "state", "notice_id"]
    print_table("", columns, [[row[name] for name in columns] for row in found])


@click.command("notify")
@click.argument("recipient")
@click.option("--to", type=click.Path(path_type=Path), required=True, help="A .json file for it.")
@click.option("--unencrypted", is_flag=True, help="Write it in clear.")
@json_option
def notify(recipient: str, to: Path, unencrypted: bool, as_json: bool) -> None:
    """Write what a recipient has to be told to a file for it (GDPR Art. 19)."""
    from governance.rights.notices import notify as write
    from orchestration.manifest import policy

    told = write(policy(), recipient, to, encrypted=not unencrypted)
    if as_json:
        print_json(told)
        return
    numbers = ", ".join(told["notice_ids"])
    click.echo(f"{told['file']} written: {told['changes']} changes, notice {numbers}")


@click.command("confirm")
@click.argument("notice_id", metavar="NOTICE")
@click.option("--how", required=True, help="How the recipient confirmed it.")
def confirm(notice_id: str, how: str) -> None:
    """Note that the recipient of a notice has confirmed it."""
    from governance.rights.notices import confirm as note

    click.echo(f"noted: confirmed, {note(notice_id, how)} changes")


COMMANDS = [list_, notify, confirm]
