"""What an earlier version of Assent really left is brought up, and nothing in it is forgotten.

The states were made by the code of their day (``tests.support.left_state``); what needs none of
them is in ``test_warehouse_schema``.
"""

import csv
import json
from datetime import datetime

import pytest

from governance import identity
from governance.rights import erasure, kept, receipt
from governance.rights.requests import find
from tests.support.installation import add_consent_events
from tests.support.left_state import STATES, WHO, laid_out
from warehouse import journal, schema
from warehouse.connect import warehouse_store

VERSIONS = sorted(int(path.name.split(".")[0]) for path in STATES.iterdir())


def said(one, *arguments):
    done = one.assent(*arguments)
    assert done.status == 0, done.said
    return done


def landed(one):
    """How many rows each table of landing and of the vault has."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        return {
            name: connection.execute(f"select count(*) from {name}").fetchone()[0]
            for name in ("vault.subjects", "salts.salts", *(
                f"warehouse.landing.{table}" for table in
                ("customers", "transactions", "consent_events", "rights_requests", "quarantine")
            ))
        }  # fmt: skip


def exported(one, folder):
    to = folder / "now.csv"
    said(one, "export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
         "--to", str(to), "--unencrypted")  # fmt: skip
    return {row["customer_id"] for row in csv.DictReader(to.read_text().splitlines())}


def test_every_earlier_version_left_one():
    assert list(range(1, schema.VERSION)) == VERSIONS, "run `python -m tests.support.left_state`"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_left_is_brought_up(version, tmp_path):
    one = laid_out(version, tmp_path)
    who = json.loads((tmp_path / WHO).read_text())
    words = [
        {"event_id": f"late-{name}", "customer_id": who[name], "action": "granted",
         "occurred_at": datetime(2024, 1, 2), "recorded_at": datetime(2024, 12, 30),
         "notice_version": 2}
        for name in ("erased", "withdraws")
    ]  # fmt: skip
    add_consent_events(one.sources.parent, "late", words)
    before = landed(one)
    with one.warehouse() as connection:
        figures = connection.execute(
            "select count(distinct subject_key), count(distinct basket_id), sum(value)::varchar"
            " from landing.transactions"
            if version < 6 else  # from then on they are noted, and nothing takes them back
            "select sum(subjects)::bigint, sum(orders)::bigint, sum(value_total)::varchar"
            " from landing.loads where feed = 'transactions' and counted_in = load_id"
        ).fetchone()  # fmt: skip
    stored = sorted(path.parent for path in one.home.artefacts.rglob("model.skops*"))
    said(one, "run")
    assert one.home.schema_version.read_text() == f"{schema.VERSION}\n"
    for name in ("model.skops", "deciding.json"):
        assert not list(one.home.artefacts.rglob(name))  # in clear
    sealed = sorted(path.parent for path in one.home.artefacts.rglob("model.skops.sealed"))
    assert stored == [path for path in sealed if path in stored] != []
    # What waited in the inbox has landed, and of the new words that of who wasn't erased.
    assert landed(one) == before | {
        "warehouse.landing.consent_events": before["warehouse.landing.consent_events"] + 2,
        "warehouse.landing.rights_requests": before["warehouse.landing.rights_requests"] + 1,
    }
    feeds = {feed["feed"]: feed for feed in said(one, "feeds", "--json").json["feeds"]}
    assert feeds["consent_events"]["suppressed"] == 1
    sold = feeds["transactions"]
    assert (sold["subjects"], sold["orders"], sold["value_total"]) == figures
    assert not exported(one, tmp_path) & set(who.values())
    assert one.assent("consent", "show", who["erased"]).status == 2  # nothing is held
    for name, words in (("objects", "a request to erase, object"), ("withdraws", "withdrew")):
        for state in said(one, "consent", "show", who[name], "--json").json:
            assert (state["permitted"], words in state["why"]) == (False, True), state
    (open_still,) = said(one, "rights", "list", "--json").json
    assert open_still["type"] == "objection"
    with one.entered():
        with kept.opened() as connection:
            rows = connection.execute("select type, receipt from kept.receipts").fetchall()
        assert [(kind, receipt.holds(json.loads(text))) for kind, text in rows] == [
            ("erasure", True)
        ]
    # Who was given an export of them is told; the first version didn't note that of an erasure.
    owed = {(n["recipient"], n["kind"]) for n in said(one, "rights", "notices", "--json").json}
    assert ("store_planning", "objection") in owed
    assert version == 1 or ("store_planning", "erasure") in owed


@pytest.mark.parametrize("version", [6, 7])
def test_models_are_sealed_by_no_vault_but_their_own(version, tmp_path):
    """Not by one that is made because it is missing: they would be lost once it is back."""
    one = laid_out(version, tmp_path)
    stored = {path: path.read_bytes() for path in one.home.artefacts.rglob("*") if path.is_file()}
    vault = one.home.vault.read_bytes()
    one.home.vault.unlink()
    done = one.assent("run")
    assert (done.status, "put back" in done.err) == (2, True), done.said
    assert not one.home.vault.exists()
    assert stored == {
        path: path.read_bytes() for path in one.home.artefacts.rglob("*") if path.is_file()
    }
    one.home.vault.write_bytes(vault)
    who = min(one.members())
    assert one.assent("rights", "purge").status == 0  # which brings it up
    assert one.assent("explain", who).status == 0


def test_an_erasure_that_version_5_left_half_done_is_finished(tmp_path):
    """It is finished before the state is brought up, in tables of their former shape."""
    one = laid_out(5, tmp_path)
    who = next(iter(json.loads((tmp_path / WHO).read_text()).values()))
    customer = next(name for name in sorted(one.everybody()) if name != who)
    number = said(one, "rights", "open", customer, "erasure", "--json").json["request_id"]
    said(one, "rights", "verify", number, "--method", "by letter")
    assert one.home.schema_version.read_text() == "5\n"
    with one.entered(), pytest.MonkeyPatch.context() as killed:
        killed.setattr(erasure, "finish", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erasure.erase([find(number)])
        assert journal.waits()
    shown = said(one, "rights", "show", number, "--json").json
    assert shown["status"] == "fulfilled"
    said(one, "run")
    assert one.home.schema_version.read_text() == f"{schema.VERSION}\n"
    assert customer not in one.everybody()
