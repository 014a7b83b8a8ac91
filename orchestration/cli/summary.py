"""What came of a run, on one screen.

Belongs here: laying out facts that the run left under ``evidence/``. Does not belong here: working
them out.
"""

from collections import Counter
from datetime import date
from typing import Any

import click

from orchestration.cli.output import print_label, print_table


def print_summary(past: date | None = None) -> None:
    """Print feeds, permission, minimisation, segments, verdicts, and where to look next.

    Parameters
    ----------
    past
        The day of a run that answered a question about the past.
    """
    from governance import evidence

    def facts(name: str) -> dict[str, Any]:
        day = None if name == evidence.FEEDS else past
        return evidence.shown(name, past=day) if evidence.path_of(name, day).exists() else {}

    feeds, permission = facts(evidence.FEEDS), facts(evidence.PERMISSION)
    segments, status = facts(evidence.SEGMENTS), facts(evidence.STATUS)
    click.echo()
    print_label()
    if feeds:
        _feeds(feeds)
    if permission:
        _permission(permission)
    _minimisation()
    if segments:
        _segments(segments)
    if status:
        _status(status)
    click.echo(
        "\nNext: `make ui` (the graph, localhost:3000), `assent status` (every rule),"
        "\n      `assent query --purpose segmentation 'from segments'`, `assent lineage visits_8w`,"
        "\n      docs/sources.md (your own feeds)"
    )


def _feeds(feeds: dict[str, Any]) -> None:
    print_table(
        "\nFeeds", ["feed", "read", "accepted", "quarantined", "duplicates", "adds up"],
        [(f["feed"], f["read"], f["accepted"], f["quarantined"], f["duplicates"],
          f["read"] == f["accepted"] + f["quarantined"] + f["duplicates"]) for f in feeds["feeds"]],
    )  # fmt: skip


def _permission(permission: dict[str, Any]) -> None:
    total = permission["subjects"]
    print_table(
        f"\nPermission (as of {permission['as_of']}, known at {permission['known_at']} UTC)",
        ["purpose", "with a basis", "without", "rows in the mart"],
        [(p["purpose"], p["permitted"], total - p["permitted"], p["rows"])
         for p in permission["purposes"]],
    )  # fmt: skip


def _minimisation() -> None:
    from orchestration.manifest import policy

    rows = []
    for name, purpose in policy().purposes.items():
        forms: dict[str, list[str]] = {"aggregated": [], "banded": [], "raw": []}
        for attribute, allowance in purpose.attributes.items():
            forms[allowance.form].append(attribute)
        dropped = len(policy().attributes) - len(purpose.attributes)
        rows.append((name, dropped, *(", ".join(forms[f]) or "-" for f in forms)))
    print_table(
        "\nMinimisation", ["purpose", "attributes dropped", "aggregated", "banded", "raw"], rows
    )


def _segments(segments: dict[str, Any]) -> None:
    print_table(
        f"\nSegments (as of {segments['as_of']})",
        ["", "segment", "subjects", "share", "compared with the others"],
        [(s["segment"], s["name"], s["subjects"], f"{s['share']:.0%}",
          s["line"].removeprefix("Compared with the others: ")) for s in segments["segments"]],
    )  # fmt: skip
    if segments["model"].get("in_words"):
        click.echo(segments["model"]["in_words"])


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
