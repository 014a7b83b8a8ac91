"""Requests in bulk, while the daily run is going and a reader asks: each is accounted for.

Some come by the feeds, some by the inbox, and some by commands that run at once. The long version,
among more customers and with a whole run (docs/operating.md):
``ASSENT_BULK=1000 .venv/bin/python -m pytest -n 0 tests/integration/test_governance_bulk.py``
"""

import json
import os
from collections import Counter
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.generate import Size, generate
from governance import identity, inbox
from tests.support.installation import add_consent_events, own_feeds, policy_with, started
from warehouse.connect import warehouse_store
from warehouse.home import PROJECT

LONG = "ASSENT_BULK" in os.environ
COUNT = int(os.environ.get("ASSENT_BULK", "20"))
RUN = ("run",) if LONG else ("run", "--select", "key:landing/clocks")
AT_ONCE = 4  # commands
MOST_ANSWERS = 10  # files to read, of each kind
DENIALS = ("withdrawn", "opted_out")
LEAVING = ("erasure", "restriction", "objection", *DENIALS)
ANSWERED = ("access", "portability", "explanation")
VERIFIED = (*ANSWERED, "rectification", "erasure")
REQUESTS = (*VERIFIED, "limit", "restriction", "objection")
KINDS = (*REQUESTS, *DENIALS)
FEED, INBOX, COMMAND = "feed", "inbox", "command"
SAID_AT = datetime(2024, 12, 30, 12)
NEW_SIZE = "5+"
READ = ("query", "--purpose", "segmentation", "select count(*) from mart_segmentation")


def command(who, kind):
    """Return the command by which somebody's word is taken down."""
    if kind in DENIALS:
        return ("consent", "record", who, kind)
    return ("rights", "open", who, kind, "--json")


def deliver(one, asked):
    """Put words into further files of the feeds; return the numbers of the requests, by whom."""
    folder = one.sources.parent
    denials = [{"customer_id": who, "action": kind, "occurred_at": SAID_AT, "recorded_at": SAID_AT}
               for who, kind in asked if kind in DENIALS]  # fmt: skip
    add_consent_events(folder, "bulk", denials)
    requests = [
        {"customer_id": who, "request_id": f"R-{number:04d}", "type": kind, "status": "open",
         "received_at": SAID_AT}
        for number, (who, kind) in enumerate(asked) if kind not in DENIALS
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(requests), folder / "rights_requests.parquet")
    sources = yaml.safe_load(one.sources.read_text())
    sources["feeds"]["rights_requests"] = {
        "connector": "files", "paths": ["rights_requests.parquet"], "format": "parquet",
        "provenance": "made by a test", "time_zone": "UTC", "identifiers": ["customer_id"],
        "natural_key": ["customer_id", "request_id", "type"],
        "corrections": "latest_arrival", "greatest_bad_share": 0,
        "columns": {name: name for name in requests[0]},
    }  # fmt: skip
    one.sources.write_text(json.dumps(sources, default=str))  # JSON is YAML
    return {row["customer_id"]: row["request_id"] for row in requests}


class AtOnce:
    """Commands in processes of their own, so many at once; each has to end well."""

    def __init__(self, one, log, most):
        self.one, self.log, self.most = one, log, most
        self.alive, self.ended = [], 0

    def start(self, *arguments):
        """Start one, unless there are as many as there may be; whether it was."""
        going = [process for process in self.alive if process.is_alive()]
        done = [process for process in self.alive if process not in going]
        self.alive = going
        self._require(done)
        if len(going) < self.most:
            self.alive.append(started(self.one, self.log, *arguments))
            return True
        return False

    def finish(self):
        """Wait for all of them."""
        for process in self.alive:
            process.join()
        self._require(self.alive)
        self.alive = []

    def _require(self, done):
        assert {process.exitcode for process in done} <= {0}, self.log.read_text()
        self.ended += len(done)


def landed(one):
    """Return the customer, number, type and household size of everybody who is known."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        requests = connection.execute(
            "select customer_id, type, request_id from vault.subjects"
            " join warehouse.landing.rights_requests using (subject_key)"
        ).fetchall()
        denials = connection.execute(
            "select customer_id, action, null from vault.subjects"
            " join warehouse.landing.consent_events using (subject_key) where purpose is null"
            " and signal is null and list_contains(?, action)", [list(DENIALS)],
        ).fetchall()  # fmt: skip
        sizes = dict(
            connection.execute(
                "select customer_id, household_size from vault.subjects"
                " join warehouse.landing.customers using (subject_key)"
            ).fetchall()
        )
    return requests, denials, sizes


@pytest.fixture(scope="module")
def one(small, compiled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bulk")
    if not LONG:
        return own_feeds(small.copy(folder / "home"), folder / "feeds")
    generate(Size(8 * COUNT, 200 * COUNT), folder / "feeds")
    made = compiled.fresh(folder / "home", sources=folder / "feeds" / "sources.yaml",
                          policy=policy_with(folder))  # fmt: skip
    made.run()
    return made


def asked_for(members):
    """Return who asks for what, and how: (customer, kind, way)."""
    whom = sorted(members)[:: max(1, len(members) // COUNT)][:COUNT]
    # Every kind by the feed, then every kind by the inbox, and so on; now and then by commands.
    ways = [(INBOX, FEED)[n // len(KINDS) % 2] for n in range(COUNT)]
    for n in range(AT_ONCE // 2) if not LONG else range(0, COUNT, 23):
        ways[n] = COMMAND
    return list(zip(whom, KINDS * COUNT, ways, strict=False))


def send(one, asked, folder):
    """Let all of them ask, by feed, inbox and command, during a run; return their numbers."""
    by = {way: [(w, k) for w, k, of in asked if of == way] for way in (FEED, INBOX, COMMAND)}
    assert all(by.values())
    numbers = deliver(one, by[FEED])
    run = started(one, folder / "run", *RUN)
    readers = AtOnce(one, folder / "readers", 1)
    commands = AtOnce(one, folder / "commands", AT_ONCE)
    for_inbox, for_commands, meanwhile = list(by[INBOX]), list(by[COMMAND]), 0
    while run.is_alive() or for_inbox or for_commands:
        if run.is_alive():
            readers.start(*READ)
        if for_commands and commands.start(*command(*for_commands[-1])):
            for_commands.pop()
        if for_inbox:
            who, kind = for_inbox.pop()
            meanwhile += run.is_alive()
            done = said(one, *command(who, kind))
            if kind not in DENIALS:
                numbers[who] = done.json["request_id"]
        else:
            run.join(0.2)
    for some in (readers, commands):
        some.finish()
    run.join()
    assert run.exitcode == 0, (folder / "run").read_text()
    assert meanwhile
    assert readers.ended
    assert commands.ended == len(by[COMMAND])
    return numbers


def said(one, *arguments):
    done = one.assent(*arguments)
    assert done.status == 0, done.said
    return done


def give_their_due(one, of, folder):
    """Do what the company does about those that it has to answer, by kind: each gets its end."""
    changes = folder / "changes"
    changes.write_text(json.dumps({"household_size": NEW_SIZE}))
    answered = [number for kind in ANSWERED for _, number in of[kind][:MOST_ANSWERS]]
    changed = [number for kind in ("rectification", "erasure") for _, number in of[kind]]
    for number in answered + changed:
        said(one, "rights", "verify", number, "--method", "by letter")
    for number in answered:
        to = folder / "answers" / number
        to.mkdir(parents=True)
        said(one, "rights", "fulfil", number, "--to", str(to), "--unencrypted")
        assert list(to.iterdir())
    for _, number in of["rectification"]:
        done = one.assent("rights", "fulfil", number, "--changes", str(changes))
        assert done.status == 0 or "held already" in done.err, done.said
    said(one, "rights", "fulfil", *(number for _, number in of["erasure"]))
    for _, number in of["limit"]:
        said(one, "rights", "done", number, "--how", "by mail")


def test_each_of_many_requests_at_once_is_accounted_for(one, tmp_path):
    members = one.in_mart()
    _, before, _ = landed(one)
    asked = asked_for(members)
    assert len(asked) == COUNT
    numbers = send(one, asked, tmp_path)

    # Whatever came too late for that run lands with the next; nothing is lost, nothing doubled.
    said(one, "run", "--select", "key:landing/clocks")
    requests, denials, _ = landed(one)
    denied = Counter(row[:2] for row in denials) - Counter(row[:2] for row in before)
    found = Counter(row[:2] for row in requests) + denied
    assert found == Counter((who, kind) for who, kind, _ in asked)
    with one.entered():
        assert not inbox.waiting().by_feed
    landed_as = {who: number for who, _, number in requests}
    assert numbers.items() <= landed_as.items()
    listed = one.assent("rights", "list", "--json").json
    assert {(r["request_id"], r["type"], r["status"]) for r in listed} == {
        (number, kind, "open") for _, kind, number in requests
    }
    leaving = {who for who, kind, _ in asked if kind in LEAVING}
    assert one.in_mart() == members - leaving

    of = {kind: [(w, landed_as[w]) for w, k, _ in asked if k == kind] for kind in REQUESTS}
    give_their_due(one, of, tmp_path)
    erased = {who for who, _ in of["erasure"]}
    assert not erased & one.everybody()
    assert {who for who, *_ in asked} - erased <= one.everybody()
    _, _, sizes = landed(one)
    assert {sizes[who] for who, _ in of["rectification"]} == {NEW_SIZE}
    still = Counter(r["type"] for r in one.assent("rights", "list", "--json").json)
    open_yet = {kind: max(0, len(of[kind]) - MOST_ANSWERS) for kind in ANSWERED}
    open_yet |= {kind: len(of[kind]) for kind in ("restriction", "objection")}
    assert {kind: still[kind] for kind in (*open_yet, "erasure", "limit")} == {
        **open_yet, "erasure": 0, "limit": 0,
    }  # fmt: skip
    assert not list(one.home.journal.iterdir())
    if LONG:
        one.run()
        assert one.in_mart() == members - leaving


def test_the_long_version_is_documented():
    assert "ASSENT_BULK=" in (PROJECT / "docs" / "operating.md").read_text()
