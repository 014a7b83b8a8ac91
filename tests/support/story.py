"""One installation over some weeks: what it holds and says after each event, for several tests.

Belongs here: the events in their order, and what is seen after each. Does not belong here: what
ought to be seen (the tests). Runs are dear, so each of them serves several tests.
"""

import csv
import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from governance import identity
from governance.policy.words import SEGMENT_PURPOSE
from tests.support.installation import (
    Done,
    Installation,
    add_consent_events,
    own_feeds,
    policy_with,
)
from warehouse.connect import connected, warehouse_store

PAST = "2024-11-30"
SIGNED = "2024-12-29T12:00:00"  # on paper, so before the day that a run selects data of
PUBLISHED = f"+key:release/published_{SEGMENT_PURPOSE}"
NOTE = "Jane Example rang: it is not hers"
LATER, MUCH_LATER = "2024-12-31T06:00:00Z", "2025-01-20T12:00:00Z"
OVERRIDE = (
    "overrides: [{rule: freshness.transactions, reason: The till was out of order,"
    " approved_by: A. Officer, until: 2025-03-31}]"
)


@dataclass
class Seen:
    """What was there after an event."""

    done: Done
    in_mart: set[str]
    members: dict[str, int]
    published: dict[str, str]  # SHA-256 by name of file
    status: dict[str, Any]
    current: dict[str, str]  # SHA-256 of the evidence on the current state
    exports: list[Done] = field(default_factory=list)
    exported: set[str] = field(default_factory=set)
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Story:
    """All that was seen, by event, and who it is about."""

    who: str  # leaves
    newcomer: str  # comes back, who had left before the start
    segment: int  # of who leaves
    steps: dict[str, Seen] = field(default_factory=dict)
    installation: Installation | None = None


def play(small: Installation, folder: Path) -> Story:
    """Play the events on a copy of an installation that has run."""
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    members = one.members()
    who = min(members)
    story = Story(who, _one_who_left(one), members[who])

    def after(name: str, done: Done, **variables: str) -> Seen:
        story.steps[name] = seen = _seen(one, done)
        to = folder / f"{name.replace(' ', '_')}.csv"
        export = one.assent(
            "export", str(members[who]), "--purpose", SEGMENT_PURPOSE, "--recipient",
            "store_planning", "--to", str(to), "--unencrypted", "--json", **variables,
        )  # fmt: skip
        seen.exports.append(export)
        seen.exported = _ids(to)
        return seen

    def consent(*arguments: str) -> Done:
        return one.assent("consent", "record", *arguments, "--purpose", SEGMENT_PURPOSE)

    # One leaves, one comes back.
    after("start", Done(0, "", ""))
    returned = consent(story.newcomer, "granted", "--notice-version", "1", "--occurred-at", SIGNED)
    seen = after("recorded", consent(who, "withdrawn"))
    seen.more["returned"] = returned
    seen.more["consent"] = one.assent("consent", "show", who, "--json").json

    # The feed brings what nobody can read.
    moment = datetime(2024, 12, 30, 12)
    unread = {"action": "withdrawn", "occurred_at": moment, "recorded_at": moment}
    _tolerate_bad_rows(one.sources)
    add_consent_events(one.sources.parent, "unread", [unread])
    seen = after("unread event", one.assent("run", ASSENT_NOW=LATER), ASSENT_NOW=LATER)
    rows = one.assent("quarantine", "list", "--json").json
    assert rows, seen.done.said
    seen.more["quarantine"] = rows
    seen.more["query"] = one.assent("query", "--purpose", SEGMENT_PURPOSE, "from about")

    # It is resolved, but weeks have passed without a new feed; then the officer excuses that.
    late = {"ASSENT_NOW": MUCH_LATER}
    number = str(rows[0]["quarantine_id"])
    done = one.assent("quarantine", "resolve", number, "--as", "dismissed", "--note", NOTE, **late)
    seen = after("resolved, stale", one.assent("run", **late), **late)
    seen.more["resolve"] = done
    one = replace(one, policy=policy_with(folder, ("overrides: []", OVERRIDE)))
    after("run", one.assent("run", **late), **late)

    story.installation = one
    return story


def look_back(story: Story, folder: Path) -> Seen:
    """Run for a past day, on a copy of the installation as it is in the end."""
    assert story.installation is not None
    one = story.installation.copy(folder / "home")
    done = one.assent("run", "--as-of", PAST, "--select", PUBLISHED, ASSENT_NOW=MUCH_LATER)
    seen = _seen(one, done)
    seen.more["past mart"] = _past_mart(one)
    seen.more["past status"] = json.loads((one.home.evidence / PAST / "status.json").read_bytes())
    return seen


def _one_who_left(one: Installation) -> str:
    """Return a customer with purchases who withdrew, and has said nothing since."""
    with (
        one.entered(),
        connected(warehouse_store(), *identity.stores(read_only=True)) as connection,
    ):
        rows = connection.execute(
            "select min(customer_id) from vault.subjects where subject_key in ("
            " select subject_key from landing.consent_events group by all"
            " having max_by(action, recorded_at) = 'withdrawn')"
            " and subject_key in (select subject_key from landing.transactions)"
        ).fetchall()
    return str(rows[0][0])


def _ids(file: Path) -> set[str]:
    if not file.exists():
        return set()
    with file.open(newline="") as text:
        return {row["customer_id"] for row in csv.DictReader(text)}


def _seen(one: Installation, done: Done) -> Seen:
    return Seen(
        done=done,
        in_mart=one.in_mart(),
        members=one.members(),
        published=_hashes(one.home.published),
        status=one.evidence("status"),
        current=_hashes(one.home.evidence) | _hashes(one.home.artefacts),
    )


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files of a folder, but those of past days."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and PAST not in path.parts
    }


def _past_mart(one: Installation) -> set[str]:
    """Return who is in the warehouse's mart of the past day, by customer id."""
    with (
        one.entered(),
        connected(warehouse_store(), *identity.stores(read_only=True)) as connection,
    ):
        rows = connection.execute(
            f"select customer_id from ({identity.purpose_keys([SEGMENT_PURPOSE])})"
            " join vault.subjects using (subject_key)"
            f" join marts.mart_segmentation on purpose_key = segmentation_key and as_of = '{PAST}'"
        ).fetchall()
    return {customer for (customer,) in rows}


def _tolerate_bad_rows(sources: Path) -> None:
    text = sources.read_text()
    before, consent = text.split("  consent_events:\n")
    consent = consent.replace("greatest_bad_share: 0", "greatest_bad_share: 1", 1)
    sources.write_text(f"{before}  consent_events:\n{consent}")
