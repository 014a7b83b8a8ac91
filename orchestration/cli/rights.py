"""``assent rights``: requests of customers.

Belongs here: arguments and printing. Does not belong here: what a request does
(``governance.rights``).
"""

from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import click

from governance.policy.words import REQUEST_TYPES, STOPPING_REQUESTS
from orchestration.cli import notices, unfinished
from orchestration.cli.output import json_option, print_json, print_label, print_table
from warehouse.errors import RuleBrokenError, UsageError

subject_option = click.option("--subject", help="The customer, where several have that number.")
type_option = click.option(
    "--type", "kind", type=click.Choice(REQUEST_TYPES),
    help="The right, where the customer has several under that number.",
)  # fmt: skip


# What writes to the file and looks for no request first, which would notice an older one.
UNNOTICED = {"confirm", "hold", "notices", "notify", "purge", "readmit"}


@click.group()
def rights() -> None:
    """Open, list, verify, refuse and fulfil requests of customers."""
    asked = click.get_current_context().invoked_subcommand
    # What waits may wait for the very file that is lost.
    if asked != "new-kept":
        unfinished.finish_if_abandoned()
    if asked in UNNOTICED:
        from governance.rights import kept

        kept.require_as_far()


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
    from governance.rights.opening import open_request

    opened = open_request(subject, kind, channel=channel, received_at=received_at)
    if as_json:
        print_json({"request_id": opened.request_id, "received_at": opened.received_at,
                    "known_customer": opened.known, "erased": opened.erased})  # fmt: skip
        return
    click.echo(f"opened {opened.request_id}")
    _warn_of_nobody(opened)


def _warn_of_nobody(opened: Any) -> None:
    if opened.erased:
        click.echo(
            "that customer was erased: answer it before the next run, which stops it at the door"
            " (`assent rights readmit`, if they have returned)"
        )
    elif opened.known is False:
        click.echo("no such customer yet; if the id is misspelt, it reaches nobody")


@rights.command("hold")
@click.argument("subject")
@click.option("--reason", required=True, help="Which claim or duty asks for it.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Its last day.")
def hold(subject: str, reason: str, until: datetime) -> None:
    """Put a customer under a legal hold: kept, used for nothing, and not erased meanwhile."""
    from governance.rights.opening import hold as put_under_hold

    opened = put_under_hold(subject, reason=reason, until=until.date())
    click.echo(f"opened {opened.request_id}: it ends with its last day, or by `assent rights lift`")
    if opened.erased:
        click.echo("that customer was erased: it holds what is still kept of them")
    else:
        _warn_of_nobody(opened)


@rights.command("list")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@json_option
def list_(everything: bool, as_json: bool) -> None:
    """List requests, without names or customer numbers; fail if one is late."""
    from governance.rights.due import due_of, outlook, present_day
    from governance.rights.requests import OPEN, listing
    from orchestration.manifest import policy

    every = listing()
    found = [r for r in every if everything or r.status == OPEN]
    due = [due_of(policy(), request) for request in found]
    stands = outlook(policy(), filter(None, due), present_day(policy(), every))
    shown = [
        _shown(request) | {"due": one and stands.of(one)}
        for request, one in zip(found, due, strict=True)
    ]
    print_label(aside=as_json)
    if as_json:
        print_json(shown)
    else:
        columns = ["request_id", "type", "received_at", "status", "verified", "extended",
                   "acknowledged", "acknowledge_by", "answer_by", "due"]  # fmt: skip
        print_table("", columns, [[row[name] for name in columns] for row in shown])
    if stands.late:
        raise RuleBrokenError(stands.why, stands.mend, rule="rights.due")
    if stands.soon:
        click.echo(stands.why, err=as_json)


def _shown(request: Any) -> dict[str, Any]:
    """Return what may be printed of a request: nothing that says whose it is."""
    from governance.rights.due import due_dates_of
    from orchestration.manifest import policy

    due = due_dates_of(policy(), request)
    names = ("request_id", "number", "type", "received_at", "status", "jurisdiction", "channel",
             "verified", "extended", "acknowledged")  # fmt: skip
    return {name: getattr(request, name) for name in names} | {
        "acknowledge_by": due and due.acknowledge_by, "answer_by": due and due.answer_by,
    }  # fmt: skip


@rights.command("show")
@click.argument("request_id")
@subject_option
@type_option
@json_option
def show(request_id: str, subject: str | None, kind: str | None, as_json: bool) -> None:
    """Show one request with the steps taken on it, its receipt, and who has been told."""
    from governance.rights.answered import answered
    from orchestration import model_store
    from orchestration.manifest import policy

    found = answered(policy(), request_id, subject, kind)
    fitted = [
        model | {"now": model_store.standing(model["model"])}
        for model in (found.receipt or {}).get("models", [])
    ]
    if found.request:
        shown = _shown(found.request)
    else:  # of a subject who was erased: what is kept
        ended = found.steps[-1]["step"] if found.steps else "fulfilled"
        shown = {"request_id": request_id, "type": found.kind, "status": ended}
    if as_json:
        print_json(shown | {"steps": list(found.steps), "receipt": found.receipt, "models": fitted,
                            "notices": [vars(notice) for notice in found.notices]})  # fmt: skip
        return
    print_table("", ["", ""], list(shown.items()))
    for step in found.steps:
        more = ", ".join(f"{k}: {v}" for k, v in step.items() if k not in ("step", "at", "actor"))
        click.echo(
            f"  {step['at']:%Y-%m-%d %H:%M} {step['step']} by {step['actor']} {more}".rstrip()
        )
    for notice in found.notices:
        click.echo(f"  notice to {notice.recipient}: {notice.state}")
    for model in fitted:
        click.echo(
            f"  model {model['model']}: fitted on the subject: {model['fitted_on_subject']};"
            f" {model['now']} (by {model['refit_by']} at the latest)"
        )


class Step(NamedTuple):
    """A command that notes one step on a request.

    ``options`` are what it has to be told, with what that is; ``more`` what it is told of some
    requests only.
    """

    command: str
    step: str
    what: str
    options: dict[str, str]
    more: dict[str, str] = {}  # noqa: RUF012


STEPS = (
    Step("acknowledge", "acknowledged",
         "Note that the subject was told that the request has arrived.", {}),
    Step("verify", "verified", "Note that it was verified who makes the request.",
         {"method": "How it was made sure who asks."}),
    Step("extend", "extended",
         "Note that the time to answer was extended, as the law lets one do once.",
         {"reason": "Why it takes longer; the subject is told."}),
    Step("refuse", "refused",
         "Refuse a request, with the ground and where to complain (GDPR Art. 12(4)).",
         {"ground": "On which ground.", "complaint": "Where the subject can complain."},
         {"told": "Of a restriction: how the subject was told beforehand (GDPR Art. 18(3))."}),
    Step("partly", "partial",
         "Note that a request was fulfilled in part, and on which ground not the rest.",
         {"how": "What was done, and how the subject was told.",
          "ground": "On which ground not the rest.",
          "complaint": "Where the subject can complain."}),
    Step("lift", "lifted", "Lift a restriction, once the subject has been told, or a legal hold.",
         {}, {"told": "Of a restriction: how the subject was told beforehand (GDPR Art. 18(3))."}),
    Step("withdraw", "withdrawn",
         "Note that the subject takes its request back, open or granted (or a refused objection).",
         {"how": "How the subject said so."}),
    Step("done", "fulfilled",
         "Note that a request was fulfilled outside of Assent (an erasure can't be: see fulfil).",
         {"how": "What was done, and how the subject was told."}),
)  # fmt: skip


def _command(step: Step) -> click.Command:
    """Return the command that notes a step: they are all alike."""

    def note(request_id: str, subject: str | None, kind: str | None, **said: str | None) -> None:
        from governance.rights.steps import take_step
        from orchestration.manifest import policy

        details = {name: text for name, text in said.items() if text is not None}
        request = take_step(
            policy(), request_id, step.step, customer_id=subject, kind=kind, **details
        )
        click.echo(f"noted: {step.step}")
        if (request.type, step.step) == ("objection", "refused"):
            click.echo("direct marketing stays stopped: that can't be refused (GDPR Art. 21(3))")
        if step.step == "withdrawn" and request.type in STOPPING_REQUESTS:
            click.echo("it stops nothing from the next run on; what was said since counts then")

    asked = [
        click.Option([f"--{name}"], required=name in step.options, help=what)
        for name, what in {**step.options, **step.more}.items()
    ]
    command = click.Command(
        step.command, params=[click.Argument(["request_id"]), *asked], help=step.what, callback=note
    )
    return subject_option(type_option(command))


for command in (*map(_command, STEPS), *notices.COMMANDS):
    rights.add_command(command)


@rights.command("fulfil")
@click.argument("request_ids", metavar="REQUEST...", nargs=-1, required=True)
@subject_option
@type_option
@click.option("--to", type=click.Path(path_type=Path), help="The folder that an answer goes to.")
@click.option("--public-key", help="The subject's age public key, to encrypt to.")
@click.option("--unencrypted", is_flag=True, help="Write the answer in clear.")
@click.option(
    "--changes",
    type=click.File("rb"),
    help="What a rectification corrects: a JSON file of columns and values, or -.",
)
@json_option
def fulfil(
    request_ids: tuple[str, ...], subject: str | None, kind: str | None, to: Path | None,
    public_key: str | None, unencrypted: bool, changes: BinaryIO | None, as_json: bool,
) -> None:  # fmt: skip
    """Fulfil a request: write the answer to it, or erase; several erasures are done together."""
    from governance.rights.answered import erased_before
    from governance.rights.fulfil import fulfil as fulfil_requests
    from governance.rights.requests import find_all, listing
    from ingest.corrections import read
    from orchestration.manifest import policy
    from orchestration.meanings import meanings
    from orchestration.writing import writing_alone

    request_ids = tuple(dict.fromkeys(request_ids))
    with writing_alone("rights fulfil"):
        # Such as by what has just finished the work of one who was killed.
        standing = listing(subject, request_ids)
        before = erased_before(policy(), request_ids, standing, subject, kind)
        receipts = list(before.values())
        left = [number for number in request_ids if number not in before]
        if left:
            receipts += fulfil_requests(
                policy(), find_all(left, standing, subject, kind=kind), standing, meanings(),
                to=to, encrypted=not unencrypted, public_key=public_key,
                changes=read(changes.read()) if changes else None,
            )  # fmt: skip
    print_label(aside=as_json)
    if as_json:
        print_json(receipts)
        return
    for number, receipt in zip([*before, *left], receipts, strict=True):
        rows = sum(sum(tables.values()) for tables in receipt["rows_found"].values())
        erased = "erased already" if number in before else "erased"
        done = {"erasure": erased, "rectification": "corrected"}.get(
            receipt["type"], f"{', '.join(receipt.get('files', []))} written"
        )
        click.echo(f"{number}: {done}, {rows} rows in {receipt['seconds']} s")


@rights.command("check")
@click.argument("receipt", type=click.File(encoding="utf-8"))
def check(receipt: TextIO) -> None:
    """Tell whether receipts (a JSON file, or -) are as they were signed here."""
    from governance import said_once
    from governance.rights.receipt import holds

    mend = "`assent rights show REQUEST --json` prints the one that is kept"
    try:
        found = said_once.read(receipt.read())
    except said_once.SaidTwiceError:
        raise RuleBrokenError("a key stands in it twice: none was signed so", mend) from None
    except (ValueError, RecursionError):
        found = None
    receipts = found if isinstance(found, list) else [found]
    if not receipts or not all(isinstance(each, dict) for each in receipts):
        raise UsageError("that is no receipt", "give what `assent rights fulfil --json` printed")
    wrong = sum(not holds(each) for each in receipts)
    if wrong:
        raise RuleBrokenError(
            f"{wrong} of {len(receipts)} aren't as they were signed, or were signed elsewhere", mend
        )
    click.echo(f"as signed here: {len(receipts)}")


@rights.command("readmit")
@click.argument("subject")
@click.option("--evidence", required=True, help="Where it is kept that the customer returned.")
@click.option("--since", type=click.DateTime(), help="When, in UTC; default: now.")
def readmit(subject: str, evidence: str, since: datetime | None) -> None:
    """Admit a customer who was erased and has returned; what is from before stays away."""
    from governance.rights.readmission import readmit as admit
    from orchestration.writing import writing_alone

    with writing_alone("rights readmit"):
        admit(subject, evidence=evidence, since=since)
    click.echo(
        "admitted: rows from then on land with the next run; where there is a feed of"
        " customers, it has to deliver their row again: until then they are in no mart"
    )


@rights.command("new-kept")
def new_kept() -> None:
    """Go on without the file `kept` where it is lost: who was erased may come back with a feed."""
    from governance import acts
    from governance.rights import kept_lost
    from orchestration.writing import holding_the_lock
    from warehouse.home import Home

    # What a killed process left may wait for just this: it is finished by the next command.
    with holding_the_lock("rights new-kept"), acts.acting("rights.new_kept"):
        Home.current().require_no_restore_begun()
        kept_lost.begin_anew()
    click.echo("begun; whoever was erased has to be erased again when a feed brings them")


@rights.command("purge")
def purge() -> None:
    """Write the files of the state anew, without the rows that were deleted."""
    from governance.rights.purge import purge as write_anew
    from orchestration.manifest import policy
    from orchestration.writing import writing_alone

    with writing_alone("rights purge"):
        write_anew(policy())
    click.echo("written anew: nothing that was deleted is left in them")


COMMANDS = [rights]
