"""``assent rights``: requests of customers.

Belongs here: arguments and printing. Does not belong here: what a request does
(``governance.rights``).
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from governance.policy.words import REQUEST_TYPES
from orchestration.cli.output import json_option, print_json, print_label, print_table
from warehouse.errors import UsageError

subject_option = click.option("--subject", help="The customer, where several have that number.")


@click.group()
def rights() -> None:
    """Open, list, verify, refuse and fulfil requests of customers."""


@rights.command("open")
@click.argument("subject")
@click.argument("kind", metavar="RIGHT", type=click.Choice(REQUEST_TYPES))
@click.option("--channel", help="Where the subject asked.")
@click.option("--received-at", type=click.DateTime(), help="In UTC; default: now.")
@json_option
def open_(
    subject: str, kind: str, channel: str | None, received_at: datetime | None, as_json: bool
) -> None:
    """Open a request: it counts at once, and lands with the next run."""
    from governance.rights.requests import open_request

    opened = open_request(subject, kind, channel=channel, received_at=received_at)
    if as_json:
        print_json({"request_id": opened.request_id, "received_at": opened.received_at,
                    "known_customer": opened.known})  # fmt: skip
        return
    click.echo(f"opened {opened.request_id}")
    if opened.known is False:
        click.echo("no such customer yet; if the id is misspelt, it reaches nobody")


@rights.command("list")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@json_option
def list_(everything: bool, as_json: bool) -> None:
    """List requests, without names or customer numbers."""
    from governance.rights.requests import OPEN, listing

    found = [r for r in listing() if everything or r.status == OPEN]
    shown = [_shown(request) for request in found]
    print_label(aside=as_json)
    if as_json:
        print_json(shown)
        return
    columns = ["request_id", "type", "received_at", "status", "verified", "extended"]
    print_table("", columns, [[row[name] for name in columns] for row in shown])


def _shown(request: Any) -> dict[str, Any]:
    """Return what may be printed of a request: nothing that says whose it is."""
    names = ("request_id", "type", "received_at", "status", "jurisdiction", "channel",
             "verified", "extended")  # fmt: skip
    return {name: getattr(request, name) for name in names}


@rights.command("show")
@click.argument("request_id")
@subject_option
@json_option
def show(request_id: str, subject: str | None, as_json: bool) -> None:
    """Show one request with the steps taken on it."""
    from governance.rights.requests import find

    request = find(request_id, subject)
    shown = _shown(request) | {"steps": list(request.steps)}
    if as_json:
        print_json(shown)
        return
    print_table("", ["", ""], [(name, value) for name, value in shown.items() if name != "steps"])
    for step in request.steps:
        more = ", ".join(f"{k}: {v}" for k, v in step.items() if k not in ("step", "at", "actor"))
        click.echo(
            f"  {step['at']:%Y-%m-%d %H:%M} {step['step']} by {step['actor']} {more}".rstrip()
        )


def _step(request_id: str, subject: str | None, step: str, **details: Any) -> None:
    from governance.rights.requests import take_step

    take_step(request_id, step, customer_id=subject, **details)
    click.echo(f"noted: {step}")


@rights.command("acknowledge")
@click.argument("request_id")
@subject_option
def acknowledge(request_id: str, subject: str | None) -> None:
    """Note that the subject was told that the request has arrived."""
    _step(request_id, subject, "acknowledged")


@rights.command("verify")
@click.argument("request_id")
@click.option("--method", required=True, help="How it was made sure who asks.")
@subject_option
def verify(request_id: str, method: str, subject: str | None) -> None:
    """Note that it was verified who makes the request."""
    _step(request_id, subject, "verified", method=method)


@rights.command("extend")
@click.argument("request_id")
@click.option("--reason", required=True, help="Why it takes longer; the subject is told.")
@subject_option
def extend(request_id: str, reason: str, subject: str | None) -> None:
    """Note that the time to answer was extended, as the law lets one do once."""
    _step(request_id, subject, "extended", reason=reason)


@rights.command("refuse")
@click.argument("request_id")
@click.option("--ground", required=True, help="On which ground.")
@click.option("--complaint", required=True, help="Where the subject can complain.")
@subject_option
def refuse(request_id: str, ground: str, complaint: str, subject: str | None) -> None:
    """Refuse a request, with the ground and where to complain (GDPR Art. 12(4))."""
    from governance.rights.requests import find

    _step(request_id, subject, "refused", ground=ground, complaint=complaint)
    if find(request_id, subject).type == "objection":
        click.echo("direct marketing stays stopped: that can't be refused (GDPR Art. 21(3))")


@rights.command("lift")
@click.argument("request_id")
@click.option(
    "--told", required=True, help="How the subject was told beforehand (GDPR Art. 18(3))."
)
@subject_option
def lift(request_id: str, told: str, subject: str | None) -> None:
    """Lift a restriction, once the subject has been told."""
    _step(request_id, subject, "lifted", told=told)


@rights.command("fulfil")
@click.argument("request_ids", metavar="REQUEST...", nargs=-1, required=True)
@subject_option
@click.option("--to", type=click.Path(path_type=Path), help="The folder that an answer goes to.")
@click.option("--public-key", help="The subject's age public key, to encrypt to.")
@click.option("--unencrypted", is_flag=True, help="Write the answer in clear.")
@json_option
def fulfil(
    request_ids: tuple[str, ...], subject: str | None, to: Path | None, public_key: str | None,
    unencrypted: bool, as_json: bool,
) -> None:  # fmt: skip
    """Fulfil a request: write the answer to it, or erase; several erasures are done together."""
    from governance.rights.fulfil import fulfil as fulfil_requests
    from governance.rights.requests import find
    from orchestration.manifest import policy
    from orchestration.meanings import meanings
    from orchestration.runner import writing_alone

    with writing_alone("rights fulfil"):
        receipts = fulfil_requests(
            policy(), [find(request_id, subject) for request_id in request_ids], meanings(),
            to=to, encrypted=not unencrypted, public_key=public_key,
        )  # fmt: skip
    print_label(aside=as_json)
    if as_json:
        print_json(receipts)
        return
    for receipt in receipts:
        rows = sum(sum(tables.values()) for tables in receipt["rows_found"].values())
        done = f"{', '.join(receipt['files'])} written" if "files" in receipt else "erased"
        click.echo(f"{receipt['request_id']}: {done}, {rows} rows in {receipt['seconds']} s")


@rights.command("done")
@click.argument("request_id")
@click.option("--how", required=True, help="What was done, and how the subject was told.")
@subject_option
def done(request_id: str, how: str, subject: str | None) -> None:
    """Note that a request was fulfilled outside of Assent (an erasure can't be: see fulfil)."""
    from governance.rights.requests import find

    if find(request_id, subject).type == "erasure":
        raise UsageError(
            "an erasure is done by Assent, not noted", f"`assent rights fulfil {request_id}`"
        )
    _step(request_id, subject, "fulfilled", how=how)


@rights.command("purge")
def purge() -> None:
    """Write the files of the state anew, without the rows that were deleted."""
    from governance.rights.purge import purge as write_anew
    from orchestration.runner import writing_alone

    with writing_alone("rights purge"):
        write_anew()
    click.echo("written anew: nothing that was deleted is left in them")


COMMANDS = [rights]
