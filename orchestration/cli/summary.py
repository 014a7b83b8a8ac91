"""What came of a run, on one screen.

Belongs here: laying out facts that the run left under ``evidence/``. Does not belong here: working
them out. Of a run for a past day only that day's facts are shown: the feeds, which are as they are
today, and what the policy drops are not.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import click

from governance.policy.model import Policy
from orchestration.cli.output import print_label, print_table
from warehouse.errors import UsageError


def print_summary(past: date | None = None) -> None:
    """Print feeds, permission, minimisation, segments, verdicts, and where to look next.

    Parameters
    ----------
    past
        The day of a run that answered a question about the past.
    """
    from governance import evidence
    from orchestration.manifest import policy

    def facts(name: str) -> dict[str, Any]:
        try:
            return evidence.shown(name, past=None if name == evidence.FEEDS else past)
        except UsageError:  # of a part of the chain, which `--select` named, there may be less
            return {}

    feeds, permission = facts(evidence.FEEDS), facts(evidence.PERMISSION)
    segments, status = facts(evidence.SEGMENTS), facts(evidence.STATUS)
    click.echo()
    print_label()
    if past:
        click.echo(
            f"\nA past day, {past}: nothing is published of it."
            " Permission is today's, and so is what customers say of themselves."
        )
    sections: list[tuple[Callable[[Any], None], Any]] = [
        (_feeds, None if past else feeds),
        (_permission, permission),
        (_minimisation, None if past else policy()),
        (_segments, segments),
        (_status, status),
    ]
    for layout, found in sections:
        if found:
            layout(found)
    if past:
        click.echo(f"\nNext: evidence/{past}/ keeps this; `assent status` is about the current day")
        return
    click.echo(
        "\nNext: `make ui` (the graph, localhost:3000), `assent status` (every rule),"
        "\n      `assent query --purpose segmentation 'from segments'`, `assent lineage visits_8w`,"
        "\n      docs/sources.md (your own feeds)"
    )


def _feeds(feeds: dict[str, Any]) -> None:
    columns = ["read", "accepted", "quarantined", "duplicates", "suppressed"]
    print_table(
        "\nFeeds", ["feed", *columns, "adds up"],
        [(f["feed"], *(f[c] for c in columns), f["read"] == sum(f[c] for c in columns[1:]))
         for f in feeds["feeds"]],
    )  # fmt: skip


def _permission(permission: dict[str, Any]) -> None:
    total = permission["subjects"]
    print_table(
        f"\nPermission (as of {permission['as_of']}, known at {permission['known_at']} UTC)",
        ["purpose", "with a basis", "without", "rows in the mart"],
        [(p["purpose"], p["permitted"], total - p["permitted"], p["rows"])
         for p in permission["purposes"]],
    )  # fmt: skip
    if overruled := permission["signals_overruled"]:
        click.echo(f"Signals (GPC) that an opt-in by name overrules: {_counted(overruled)}.")
    if early := permission["opted_in_early"]:
        click.echo(
            "Opt-ins within the months after an opt-out in which nobody may ask:"
            f" {_counted(early)}. They\ncount if nobody asked: find out who did."
        )
    if overruled or early:
        click.echo("`assent consent conflicts` writes of whom these are, and who may not be asked.")
    if alone := permission["known_by_consent_only"]:
        click.echo(
            f"Known from consent events or rights requests only: {_counted(alone)}. If such an id"
            " is misspelt, what was\nsaid under it reaches nobody: look for ids of these two that"
            " neither customers nor transactions have."
        )


def _counted(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else count


def _minimisation(policy: Policy) -> None:
    rows = []
    for name, purpose in policy.purposes.items():
        forms: dict[str, list[str]] = {"aggregated": [], "banded": [], "raw": []}
        for attribute, allowance in purpose.attributes.items():
            forms[allowance.form].append(attribute)
        dropped = len(policy.attributes) - len(purpose.attributes)
        rows.append((name, dropped, *(", ".join(forms[f]) or "-" for f in forms)))
    print_table(
        "\nMinimisation", ["purpose", "attributes dropped", "aggregated", "banded", "raw"], rows
    )


def _segments(segments: dict[str, Any]) -> None:
    print_table(
        f"\nSegments (as of {segments['as_of']})",
        ["", "segment", "subjects", "share", "compared with the others"],
        [(s["segment"], s["name"], s["subjects"] or "-",
          f"{s['share']:.0%}" if s["subjects"] else "-",
          s["line"].removeprefix("Compared with the others: ")) for s in segments["segments"]],
    )  # fmt: skip
    if segments["postponed"]:
        click.echo(f"Aggregates are {segments['postponed']}.")
    model = segments["model"]
    click.echo(f"Assigned by the model that was fitted as of {model['fitted_as_of']}.")
    # How well a model of a later day foretold says nothing about this one.
    if model["fitted_as_of"] <= segments["as_of"]:
        click.echo(model["in_words"])


def _status(status: dict[str, Any]) -> None:
    rules = status["rules"]
    counts = Counter(r["status"] for r in rules)
    total = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    rows = [
        (r["rule"], r["status"], r["overridden_by"] or r["why"]) for r in rules
        if r["status"] != "holds"
    ]  # fmt: skip
    kinds: dict[str, Counter[str]] = {}
    for r in rules:
        kinds.setdefault(r["rule"].split(".")[0], Counter())[r["status"]] += 1
    print_table(
        f"\nChecks: {len(rules)} rules: {total}", ["check", "verdict"],
        [(kind, ", ".join(f"{n} {s}" if len(found) > 1 or n > 1 else s for s, n in found.items()))
         for kind, found in kinds.items()],
    )  # fmt: skip
    if rows:
        print_table("", ["rule", "verdict", "why"], rows)
