"""Commands that show: status, feeds, sources check, query, consent show, explain, check, lineage.

Belongs here: asking another room and printing its answer. Does not belong here: anything that
changes state (``orchestration.cli.act``).
"""

from dataclasses import asdict
from datetime import datetime, time
from math import isnan
from typing import Any

import click

from governance.policy.words import SEGMENT_PURPOSE
from governance.query import SECONDS
from orchestration.cli import unfinished
from orchestration.cli.output import json_option, print_json, print_label, print_table
from orchestration.wording import TOO_FEW, in_words

MOST_SECONDS = 86_400
DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@json_option
def status(as_json: bool) -> int:
    """Show every rule of the policy: verdict, observed, limit."""
    from governance.status import Verdict
    from governance.status import shown as status_shown
    from orchestration.manifest import policy

    shown = status_shown(policy())
    if as_json:
        print_json(shown)
    else:
        print_label()
        rows = [
            (r["rule"], r["status"], *(in_words(r[said], 3) for said in ("observed", "limit")),
             r["overridden_by"] or r["why"])
            for r in shown["rules"]
        ]  # fmt: skip
        print_table(f"As of {shown['as_of']}", ["rule", "status", "observed", "limit", "why"], rows)
    return 0 if all(Verdict(**rule).passes for rule in shown["rules"]) else 1


@click.command()
@json_option
def feeds(as_json: bool) -> None:
    """Show what was read of each feed, and that it adds up."""
    from governance import evidence

    shown = evidence.shown(evidence.FEEDS)
    if as_json:
        print_json(shown)
        return
    print_label()
    columns = ["feed", "read", "accepted", "quarantined", "duplicates", "suppressed", "corrected",
               "subjects", "orders", "value", "first", "last"]  # fmt: skip
    keys = ["feed", "read", "accepted", "quarantined", "duplicates", "suppressed", "corrected",
            "subjects", "orders", "value_total", "first_day", "last_day"]  # fmt: skip
    print_table("", columns, [[f.get(key) for key in keys] for f in shown["feeds"]])
    reasons = [(f["feed"], r, n) for f in shown["feeds"] for r, n in f["reasons"].items()]
    if reasons:
        print_table("\nQuarantined", ["feed", "reason", "rows"], reasons)
    if left := shown["removals"]:
        print_table("\nLeft, or emptied", list(left[0]), [
            [TOO_FEW if value is None else value for value in row.values()] for row in left
        ])  # fmt: skip
    if gone := shown["left_kept"]:
        print_table("\nLeft `kept`", list(gone[0]), [list(row.values()) for row in gone])


@click.group()
def sources() -> None:
    """Look at sources.yaml and the feeds."""


@sources.command("check")
@json_option
def sources_check(as_json: bool) -> int:
    """Validate sources.yaml and the feeds without loading anything."""
    from ingest.check import check_sources, together
    from ingest.sources import load_sources
    from orchestration.manifest import policy
    from warehouse.home import sources_path

    findings = check_sources(load_sources(sources_path(), policy()), policy())
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in together(findings):
            click.echo(str(finding))
        if not any(finding.blocking for finding in findings):
            click.echo(
                "sources.yaml and its feeds fit together: nothing that can be seen without loading"
                " stops a load.\nWhat each subject has said is compared with what has landed by the"
                " load alone."
            )
    return 2 if any(finding.blocking for finding in findings) else 0


def _a_number(_: click.Context, __: click.Parameter, value: float) -> float:
    """Refuse what click lets through, as it is neither below a range nor above it."""
    if isnan(value):
        raise click.BadParameter("nan is no number of seconds")
    return value


@click.command()
@click.option("--purpose", required=True, help="Whose published data to look at.")
@click.option("--timeout", type=click.FloatRange(min=0, max=MOST_SECONDS, min_open=True),
              default=SECONDS, show_default=True, callback=_a_number,
              help="Seconds before it is stopped.")  # fmt: skip
@click.argument("sql")
@json_option
def query(purpose: str, timeout: float, sql: str, as_json: bool) -> None:
    """Look at one purpose's published data, read-only and on record."""
    from governance.query import query as ask
    from orchestration.manifest import policy

    answer = ask(policy(), purpose, sql, seconds=timeout)
    print_label(aside=as_json)
    if as_json:
        print_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    else:
        print_table("", answer.columns, answer.rows)
    if answer.cut:
        click.echo(f"only the first {len(answer.rows):,} rows are shown", err=True)


@click.group()
def consent() -> None:
    """One subject's consent."""
    if click.get_current_context().invoked_subcommand != "new-inbox":  # it may wait for the lost
        unfinished.finish_if_abandoned()


@consent.command("show")
@click.argument("subject")
@click.option("--as-of", type=DAY, help="At the end of this day; default: now.")
@click.option("--known-at", type=DAY, help="With what was known at the end of this day.")
@json_option
def consent_show(
    subject: str, as_of: datetime | None, known_at: datetime | None, as_json: bool
) -> None:
    """Show the state of a subject (by customer id) for every purpose, and what decided it."""
    from governance.clocks import last_instant
    from governance.consent_words import said
    from governance.subject_consent import show
    from orchestration.manifest import policy

    def instant(day: datetime | None) -> datetime | None:
        if day is None:
            return None
        return last_instant(datetime.combine(day, time()).date(), policy().time_zone)

    states = show(policy(), subject, at=instant(as_of), known=instant(known_at))
    print_label(aside=as_json)
    if as_json:
        print_json([asdict(state) for state in states])
        return
    print_table(
        "", ["purpose", "permitted", "why", "regime", "until (UTC)", "not to be asked before (UTC)",
             "signals overruled"],
        [(s.purpose, s.permitted, s.why, s.regime, s.until, s.ask_again_at, s.overruled or None)
         for s in states],
    )  # fmt: skip
    print_table(
        "\nThe event that decided",
        ["purpose", "said", "when (UTC)", "known (UTC)", "notice", "method", "channel"],
        [(s.purpose, said(e.action, e.purpose, e.signal), e.occurred_at, e.recorded_at,
          e.notice_version, e.method, e.channel)
         if (e := s.event) else (s.purpose, "no event", *[None] * 5) for s in states],
    )  # fmt: skip


@click.command()
@click.argument("subject")
@click.option("--purpose", default=SEGMENT_PURPOSE, show_default=True, help="Whose segments.")
@json_option
def explain(subject: str, purpose: str, as_json: bool) -> None:
    """Say why a subject (by customer id) is in its segment, and why it changed."""
    from orchestration.explain import explain as why

    found = why(subject, purpose)
    print_label(aside=as_json)
    if as_json:
        print_json(found)
        return
    click.echo(found["sentence"])
    if found["segment"] is None:
        return
    if found["features"]:
        _print_features(found)
    for change in found["changes"]:
        click.echo(f"\n{change}")


def _print_features(found: dict[str, Any]) -> None:
    print_table(
        f"\n{found['name']} (segment {found['segment']}), as of {found['as_of']}",
        ["feature", "unit", "this subject", "typical", f"typical of '{found['rather_than']}'",
         "part in it"],
        [(f["label"], f["unit"], f["value"],
          *("too few" if f[name] is None else f[name] for name in ("typical", "typical_of_rival")),
          f"{f['share']:.0%}") for f in found["features"]],
    )  # fmt: skip


@click.command()
@json_option
def check(as_json: bool) -> None:
    """Judge every column against the policy, and whether every asset is known, without running."""
    from governance.gate import judge_columns, refuse
    from orchestration.manifest import lineage, policy
    from orchestration.told import AssetsUntoldError

    findings = judge_columns(policy(), lineage())
    closed: AssetsUntoldError | None = None
    if not findings:  # else the definitions may not even load
        try:
            import orchestration.definitions  # noqa: F401
        except AssetsUntoldError as error:
            findings, closed = error.findings, error
    if as_json:
        print_json([vars(finding) for finding in findings])
    if closed:
        raise closed
    refuse(findings)
    if not as_json:
        click.echo("every column of every mart is allowed, in its allowed form")


@click.command()
@click.argument("column")
@json_option
def lineage(column: str, as_json: bool) -> None:
    """Show what a column comes from and where it goes, with classes."""
    from governance.lineage.render import describe
    from orchestration.manifest import lineage as graph
    from orchestration.manifest import policy

    described = describe(graph(), policy(), column)
    if as_json:
        print_json(described.traces)
    else:
        click.echo(str(described))


COMMANDS = [status, feeds, sources, query, consent, explain, check, lineage]
