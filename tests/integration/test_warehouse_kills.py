"""Killed at any moment: what follows completes, nothing is lost, nobody who was erased is back.

Each act is rehearsed to count its steps, and killed (`kill -9`) at moments spread over them, each
time on a copy of the same state. Then its user does it again, and all has to be as if nothing had
been. The long version (docs/operating.md):
``ASSENT_KILLS=50 .venv/bin/python -m pytest -n 0 tests/integration/test_warehouse_kills.py``
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.generate import generate
from governance import identity, inbox
from governance.rights import kept
from tests.support.installation import SMALL, Installation, own_feeds
from tests.support.killing import STARTING, killed, rehearsed, spread
from tests.support.tables import contents, differences
from tests.support.whereabouts import held, keys_of, rows_with
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.home import PROJECT
from warehouse.publish import published_purposes

KILLS = int(os.environ.get("ASSENT_KILLS", "0"))
MARTS = 'key:"landing/clocks" or group:staging or group:consented or group:marts'
CHANGES = {"email": "canary-new@example.org", "household_size": "5+", "age_years": 47}


@dataclass(frozen=True)
class Act:
    """A command, and from which state it is given.

    Attributes
    ----------
    among
        The step within which it is killed; any, if none is named.
    request
        Whose request it fulfils.
    counts
        Tables of what was read, in which it shows that it was done again: a word that had landed
        but not left the inbox is read once more, as a duplicate.
    """

    arguments: tuple[str, ...]
    state: str = "told"
    among: str | None = None
    request: str = ""
    counts: tuple[str, ...] = ()


ACTS = {
    "landing": Act(("run", "--select", "group:landing"), counts=(
        "governance.rule_verdicts", "landing.loads", "published/permission/main.about",
    )),
    "dbt": Act(("run", "--select", MARTS), among=STARTING),
    "publishing": Act(("run", "--select", "key:release/published_churn_prevention"), "small"),
    "erasure": Act(("rights", "fulfil"), request="leaves"),
    # Purged once more if it was killed early: each time is noted, by a clock that stands here.
    "rectification": Act(("rights", "fulfil", "--changes", "{folder}/changes.json"),
                         request="corrects", counts=("governance.rewritten",)),
    "rewriting": Act(("rights", "purge")),
    "rotation": Act(("keys", "rotate")),
    "restore": Act(("restore", "--from", "{folder}/state")),
}  # fmt: skip
NAMES = tuple(ACTS) if KILLS else ("erasure", "rotation", "restore")


@dataclass(frozen=True)
class Told:
    """A state in which much has been said: who is who, and which requests are open."""

    one: Installation
    folder: Path
    erased: str
    keys: list[str]
    withdrew: str
    requests: dict[str, str]


def said(one, *arguments):
    done = one.assent(*arguments)
    assert done.status == 0, (arguments, done.said)
    return done


def asked(one, who, right):
    number = said(one, "rights", "open", who, right, "--json").json["request_id"]
    said(one, "rights", "verify", number, "--method", "by letter")
    return number


@pytest.fixture(scope="module")
def told(small, tmp_path_factory):
    """A backup, an erasure since, a word that waits, two requests, and a day to be landed."""
    folder = tmp_path_factory.mktemp("kills")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    members = one.members()
    erased, leaves, corrects, withdrew = sorted(members)[:4]
    keys = keys_of(one, erased)
    assert len(rows_with(one, keys)) > 10  # positive control
    said(one, "export", str(members[leaves]), "--purpose", "segmentation", "--recipient",
         "store_planning", "--to", str(folder / "out.csv"), "--unencrypted")  # fmt: skip
    said(one, "backup", "--to", str(folder / "state"))
    said(one, "rights", "fulfil", asked(one, erased, "erasure"))
    requests = {
        "leaves": asked(one, leaves, "erasure"),
        "corrects": asked(one, corrects, "rectification"),
    }
    said(one, "consent", "record", withdrew, "withdrawn")
    generate(SMALL, one.sources.parent, extra_day=True)
    (folder / "changes.json").write_text(json.dumps(CHANGES))
    return Told(one, folder, erased, keys, withdrew, requests)


def given(act, told):
    """Return the words of an act's command."""
    number = [told.requests[act.request]] if act.request else []
    return [word.format(folder=told.folder) for word in act.arguments] + number


def completed(one, act, told):
    """Do what a user does who finds the act stopped."""
    if act.request == "corrects":  # which can't be given twice, as an erasure can
        said(one, "rights", "purge")  # or any other command that writes
        number = told.requests[act.request]
        if said(one, "rights", "show", number, "--json").json["status"] == "fulfilled":
            return
    said(one, *given(act, told))
    if act.request:
        said(one, "rights", "purge")


def times_known(one, who):
    """Return how often a withdrawal stands in the inbox and in what has landed, together."""
    with one.entered():
        waiting = inbox.waiting().consent_events
        with identity.opened(warehouse_store(read_only=True)) as connection:
            landed = connection.execute(
                "select count(*) from vault.subjects join warehouse.landing.consent_events"
                " using (subject_key) where customer_id = ? and action = 'withdrawn'"
                " and purpose is null", [who],
            ).fetchall()[0][0]  # fmt: skip
    return landed + len([word for word in waiting if word["customer_id"] == who])


def require_readable(one):
    """Any command finishes a restore; and readers can read before anything else is finished."""
    said(one, "keys", "list")
    assert not one.home.restoring.exists()
    with one.entered():
        for purpose in published_purposes():
            with connected(published_store(purpose)) as connection:
                connection.execute("select count(*) from duckdb_tables()").fetchall()
        assert kept.mark().steps >= 0


def require_whole(one, told, message):
    """What holds of every state, whatever was killed and finished."""
    require_readable(one)
    assert not list(one.home.journal.iterdir()), message
    assert not list(one.home.spill.iterdir()), message
    left = [path for folder in (one.root, one.keys) for path in folder.rglob("*")
            if path.name.startswith(".") or path.name.endswith((".wal", ".new"))]  # fmt: skip
    assert left == [], message
    if told:
        assert not held(one, told.erased), message
        assert rows_with(one, told.keys) == [], message
        assert times_known(one, told.withdrew) == 1, message


@pytest.mark.parametrize(
    "name",
    [
        name if KILLS or name == "erasure" else pytest.param(name, marks=pytest.mark.slow)
        for name in NAMES
    ],
)
def test_it_is_completed_whenever_it_is_killed(name, small, told, tmp_path):
    act = ACTS[name]
    before = told.one if act.state == "told" else small
    of_told = told if act.state == "told" else None
    command, log = given(act, told), tmp_path / "log"

    undisturbed = before.copy(tmp_path / "undisturbed")
    steps = rehearsed(undisturbed, log, *command)
    completed(undisturbed, act, told)
    require_whole(undisturbed, of_told, "undisturbed")
    expected = contents(undisturbed)

    within = 0
    moments = spread(steps, max(1, math.ceil(KILLS / len(ACTS))), among=act.among)
    for number, moment in enumerate(moments):
        message = f"{name}: killed at {moment} of {len(steps)}"
        one = before.copy(tmp_path / f"killed{number}")
        within += killed(one, log, moment, *command)
        require_readable(one)
        completed(one, act, told)
        require_whole(one, of_told, message)
        different = set(differences(contents(one), expected)) - {*act.counts}
        assert (message, different) == (message, set())
    assert within >= len(moments) * 0.8, "most of the moments came after the end"


def test_the_long_version_is_documented():
    assert "ASSENT_KILLS=" in (PROJECT / "docs" / "operating.md").read_text()
