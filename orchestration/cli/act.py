"""Commands that act: export, consent record and receipt, quarantine.

Belongs here: arguments of acts and printing what came of them. Does not belong here: the acts
themselves (``governance``, ``ingest``).
"""

from datetime import datetime
from pathlib import Path

import click

from governance.policy.words import ACTIONS, GIVERS, RESOLUTIONS
from orchestration.cli.output import json_option, print_json, print_label, print_table
from orchestration.cli.show import consent


@click.command()
@click.argument("segment")
@click.option("--purpose", required=True, help="What the recipient will do with it.")
@click.option("--recipient", required=True, help="A recipient that the policy lists.")
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), help="A .csv or .parquet file."
)
@click.option("--unencrypted", is_flag=True, help="Write it in clear.")
@json_option
def export(
    segment: str, purpose: str, recipient: str, to: Path, unencrypted: bool, as_json: bool
) -> None:
    """Export a segment's members, checking each one's permission at this moment."""
    from governance.export import export as release
    from orchestration.manifest import policy

    manifest = release(
        policy(), segment=segment, purpose=purpose, recipient=recipient, to=to,
        encrypted=not unencrypted,
    )  # fmt: skip
    print_label(aside=as_json)
    if as_json:
        print_json(vars(manifest))
        return
    click.echo(
        f"{manifest.exported} of {manifest.members} members of '{manifest.segment}' exported"
        f" for {purpose} to {recipient}; manifest {manifest.release_id}"
    )
    for reason, count in manifest.held_back.items():
        click.echo(f"  {count} held back: {reason}")


@consent.command("record")
@click.argument("subject")
@click.argument("action", type=click.Choice(ACTIONS))
@click.option("--purpose", help="Default: every purpose.")
@click.option("--occurred-at", type=click.DateTime(), help="In UTC; default: now.")
@click.option("--notice-version", type=int, help="Needed for a grant: the notice that was shown.")
@click.option("--method", default="recorded by the company", show_default=True)
@click.option("--channel", help="Where the subject expressed it, such as phone.")
@click.option("--language", help="Language of the wording shown, such as en.")
@click.option("--wording-hash", help="Hash of the wording shown.")
@click.option("--evidence", help="Where the evidence is kept.")
@click.option("--signal", help="Name of the raw signal, if one was received, such as gpc.")
@click.option("--given-by", type=click.Choice(GIVERS), help="Default: the subject.")
@click.option("--unprompted", is_flag=True, help="An opt-in that nobody asked the subject for.")
@json_option
def record(
    subject: str, action: str, purpose: str | None, occurred_at: datetime | None,
    notice_version: int | None, method: str, channel: str | None, language: str | None,
    wording_hash: str | None, evidence: str | None, signal: str | None,
    given_by: str | None, unprompted: bool, as_json: bool,
) -> None:  # fmt: skip
    """Record a subject's word: at once for exports, with the next run for everything else."""
    from governance.subject_word import record as keep
    from orchestration.manifest import policy

    kept = keep(
        policy(), subject, action, purpose=purpose, occurred_at=occurred_at,
        notice_version=notice_version, method=method, channel=channel, language=language,
        wording_hash=wording_hash, evidence_ref=evidence, signal=signal,
        given_by=given_by, unprompted=unprompted,
    )  # fmt: skip
    if as_json:
        print_json(
            {"event_id": kept.event_id, "known_customer": kept.known, "recorded_at": kept.at}
        )
    elif kept.erased:
        click.echo(
            "recorded; that customer was erased, so the next run stops it at the door. If they have"
            " returned: `assent rights readmit`, before that run"
        )
    elif kept.known is False:
        click.echo(
            "recorded; no such customer yet, so it is kept until they appear."
            " If the id is misspelt, it reaches nobody"
        )
    else:
        click.echo("recorded; exports follow it from now on, everything else with the next run")
    if kept.behind:
        click.echo(
            f"the clock is behind what is known: this counts as of {kept.at} UTC, the newest of it",
            err=True,
        )


@consent.command("receipt")
@click.argument("subject")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="A .json or .html file.")
@click.option("--public-key", help="The subject's age public key, to encrypt to.")
@click.option("--unencrypted", is_flag=True, help="Write it in clear.")
@json_option
def receipt(
    subject: str, to: Path, public_key: str | None, unencrypted: bool, as_json: bool
) -> None:
    """Write a subject's own copy of its consent: what is allowed now, why, what it has said."""
    from governance.consent_receipt import issue
    from orchestration.manifest import policy

    issued = issue(policy(), subject, to=to, encrypted=not unencrypted, public_key=public_key)
    print_label(aside=as_json)
    if as_json:
        print_json(vars(issued))
        return
    click.echo(
        f"written: {issued.permitted} of {issued.purposes} purposes allowed, {issued.events}"
        f" event(s); receipt {issued.receipt_id}"
    )


@consent.command("conflicts")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="A .csv or .json file.")
@click.option("--public-key", help="Your own age public key, to encrypt to.")
@click.option("--unencrypted", is_flag=True, help="Write it in clear.")
@json_option
def conflicts(to: Path, public_key: str | None, unencrypted: bool, as_json: bool) -> None:
    """Write whose opt-outs and opt-ins are at odds, and whom not to ask until when."""
    from governance.consent_conflicts import write
    from orchestration.manifest import policy

    listed = write(policy(), to=to, encrypted=not unencrypted, public_key=public_key)
    print_label(aside=as_json)
    if as_json:
        print_json(vars(listed))
        return
    click.echo(
        f"written, of {listed.customers} customers: {listed.opted_in_early} opt-ins within the"
        f" months in which nobody may ask, {listed.signal_overruled} signals that an opt-in"
        f" overrules, {listed.not_to_be_asked} not to be asked now"
    )


@consent.command("new-inbox")
def new_inbox() -> None:
    """Begin an empty inbox in place of a lost one; what waited there has to be recorded again."""
    from governance import acts, inbox

    with acts.acting("consent.new_inbox"):
        inbox.begin_anew()
    click.echo("begun; record again what has been recorded since the last run that landed")


@click.group()
def quarantine() -> None:
    """Rows that were set aside."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@json_option
def quarantine_list(everything: bool, as_json: bool) -> None:
    """List quarantined rows: feed, reason and position, never values."""
    from governance import acts
    from ingest.quarantine import quarantine_list as find
    from orchestration.writing import warehouse_alone

    with acts.acting("quarantine.list") as act, warehouse_alone("quarantine list") as connection:
        rows = find(connection, resolved=everything)
        act["rows"] = len(rows)
    print_label(aside=as_json)
    if as_json:
        print_json([vars(row) for row in rows])
        return
    print_table(
        "", ["id", "feed", "reason", "column", "source", "row", "resolved", "resolution",
             "note"],
        [(r.quarantine_id, r.feed, r.reason, r.column_name, r.source, r.position, r.resolved_at,
          r.resolution, r.note) for r in rows],
    )  # fmt: skip


@quarantine.command("resolve")
@click.argument("number", type=int)
@click.option("--as", "resolution", required=True, type=click.Choice(RESOLUTIONS))
@click.option("--note", required=True, help="Why; kept with the row, encrypted.")
def quarantine_resolve(number: int, resolution: str, note: str) -> None:
    """Resolve a quarantined row: its consequences end with the next run."""
    from governance import acts
    from ingest.quarantine import quarantine_resolve as settle
    from orchestration.writing import warehouse_alone
    from warehouse.clock import now

    with (
        acts.acting("quarantine.resolve", quarantine_id=number, resolution=resolution),
        warehouse_alone("quarantine resolve") as connection,
    ):
        settle(connection, number, resolution, note=note, now=now())
    click.echo("resolved")


COMMANDS = [export, quarantine]
