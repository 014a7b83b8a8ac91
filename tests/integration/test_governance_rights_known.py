"""Recipients are told of whom by what they received, though the vault has other values by now.

Ann and Zoe are in an export to the printer on 10 June, by their e-mail addresses.
"""

import json
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from governance import identity, inbox
from governance.clocks import Clocks
from governance.release import publish_permission
from governance.rights import custody, kept, known, readmission, recipients
from governance.rights.erasure import erase
from governance.rights.notices import confirm, notify
from governance.rights.rectification import rectify
from governance.rights.requests import find
from ingest.load import load_feeds
from tests.support.feeds import UTC_POLICY, declared, event, fill, sale, sources_in, vault
from warehouse.connect import connected, warehouse_store

POLICY = UTC_POLICY
EXPORTED = datetime(2024, 6, 10, 12)
NOON = datetime.fromisoformat("2024-06-25T12:00:00Z")
OFFERS = "personalised_offers"


class Story:
    """A state in the making, whose clock goes on by an hour with each thing that is done."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch, self.hours = folder, monkeypatch, 0
        (folder / "out").mkdir()
        self.land()

    def later(self):
        self.hours += 1
        now = NOON + timedelta(hours=self.hours)
        self.monkeypatch.setenv("ASSENT_NOW", now.isoformat())
        return now

    def land(self, **emails):
        """Land what the feeds hold, Ann's and Zoe's e-mail addresses changed."""
        emails = {"ann": "old@example.org", "zoe": "zoe@example.org"} | emails
        people = [(who, who.title(), email, "EU", 40) for who, email in emails.items()]
        fill(self.folder, transactions=[sale(customer_id=who) for who in emails],
             consent_events=[event(customer_id=who, purpose=None) for who in emails],
             customers=people)  # fmt: skip
        sources = sources_in(self.folder, customers=declared("customers"))
        waiting = inbox.waiting()
        load_feeds(sources, POLICY, now=self.later(), recorded=waiting)
        inbox.drop(waiting)
        publish_permission(POLICY)

    def export(self, *columns, recipient="printer", at=None):
        """Remember an export of both; of e-mail addresses, if nothing else is said."""
        at = at or self.later().replace(tzinfo=None)
        subjects = pa.table({"customer_id": ["ann", "zoe"]})
        release_id = f"release {self.hours}"
        recipients.remember(
            subjects,
            recipients.HandedOver(release_id, recipient, OFFERS, at, columns or ("email",)),
        )

    def ask(self, kind, number, who="ann"):
        """Open a request whose subject is verified."""
        at = self.later().replace(tzinfo=None)
        inbox.add("rights_requests", {"customer_id": who, "request_id": number, "type": kind,
                                      "received_at": at, "status": "open"})  # fmt: skip
        with kept.opened() as connection:
            kept.add_step(connection, who, (number, kind), "verified", at=at, actor="a clerk")
        return find(number)

    def correct(self, number="A-1", **changes):
        request = self.ask("rectification", number)
        self.later()
        rectify(POLICY, request, changes)

    def erase(self, number="A-2"):
        request = self.ask("erasure", number)
        self.later()
        erase([request])

    def told(self, recipient="printer"):
        """Hand over what waits for a recipient, and return it."""
        self.later()
        file = self.folder / "out" / f"{self.hours}.json"
        notify(POLICY, recipient, file, encrypted=False)
        return json.loads(file.read_text())["changes"]


@pytest.fixture
def story(home, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    made = Story(tmp_path, monkeypatch)
    made.export(at=EXPORTED)
    return made


def known_of(changes):
    return [(c["kind"], c["known_as"], c.get("also_known_as")) for c in changes]


def former():
    return sorted(vault("select name, value from vault.former_identifiers"))


def test_who_was_corrected_before_being_erased_is_known_by_what_was_wrong(story):
    story.correct(email="right@example.org")
    story.erase()
    assert known_of(story.told()) == [("erasure", {"email": "old@example.org"}, None)]
    assert former() == []


def test_a_feed_that_changes_an_identifier_changes_nothing_for_who_received_it(story):
    story.land(ann="moved@example.org")
    story.ask("restriction", "A-1")
    assert known_of(story.told()) == [("restriction", {"email": "old@example.org"}, None)]


def test_one_that_is_gone_since_is_known_too(story):
    story.correct(email=None)
    story.ask("restriction", "A-3")
    corrected, restricted = story.told()
    assert (corrected["known_as"], corrected["now"]) == (
        {"email": "old@example.org"}, {"email": None},
    )  # fmt: skip
    assert restricted["known_as"] == {"email": "old@example.org"}


def test_who_received_both_is_told_both(story):
    story.land(ann="moved@example.org")
    story.export()
    story.land(ann="again@example.org")
    story.erase()
    assert known_of(story.told()) == [
        ("erasure", {"email": "moved@example.org"}, {"email": ["old@example.org"]})
    ]


def test_it_is_told_in_which_export_who_was_known_by_what(story):
    """Zoe gives up her address, and Ann has it then: the recipient's file has two such lines."""
    story.land(ann="zoe@example.org", zoe="new@example.org")
    story.export()
    story.ask("restriction", "A-1")
    (change,) = story.told()
    assert [(one["at"], one["known_as"]) for one in change["received"]] == [
        ("2024-06-10T12:00:00Z", {"email": "old@example.org"}),
        ("2024-06-25T15:00:00Z", {"email": "zoe@example.org"}),
    ]
    assert [one["number"] for one in change["received"]] == ["release 1", "release 3"]


def test_who_received_it_only_after_the_change_is_told_nothing_older(story):
    story.land(ann="moved@example.org")
    story.export(recipient="planning")
    story.ask("restriction", "A-1")
    assert known_of(story.told("planning")) == [
        ("restriction", {"email": "moved@example.org"}, None)
    ]


def test_a_copy_from_before_a_recipient_was_told_or_has_confirmed_is_older(story):
    story.export()
    story.ask("restriction", "A-1")
    come = [kept.mark().steps]
    (notice,) = story.told()
    come.append(kept.mark().steps)
    confirm(notice["notice_id"], "by mail")
    come.append(kept.mark().steps)
    assert come == sorted(set(come))


def test_who_was_told_what_is_right_may_know_either_until_it_has_confirmed(story):
    story.correct(email="right@example.org")
    (corrected,) = story.told()
    story.ask("restriction", "A-2")
    both = {"email": "right@example.org"}, {"email": ["old@example.org"]}
    assert known_of(story.told()) == [("restriction", *both)]
    assert known.let_go(EXPORTED) == 0
    confirm(corrected["notice_id"], "by mail")
    assert known.let_go(EXPORTED) == 1
    story.land(ann="right@example.org")
    story.ask("objection", "A-3")
    assert known_of(story.told()) == [("objection", {"email": "right@example.org"}, None)]
    assert former() == []


def test_nothing_is_kept_of_who_was_in_no_export_nor_of_what_nobody_received(
    home, tmp_path, monkeypatch
):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    story = Story(tmp_path, monkeypatch)
    story.land(ann="moved@example.org")
    story.export("full_name")
    story.land(ann="again@example.org")
    assert former() == []


def test_what_custody_lets_go_is_kept_of_who_received_it(story):
    """The recipient may still be owed a notice, as long as its export is remembered."""
    with connected(*identity.stores()) as connection:
        connection.execute("update vault.identifiers set recorded_on = date '2015-01-01'")
    with connected(warehouse_store()) as connection:
        connection.execute("update landing.customers set recorded_on = date '2015-01-01'")
    today = story.later()
    day, at = today.date(), today.replace(tzinfo=None)
    custody.let_expire(POLICY, Clocks(day, at, at, day))
    assert vault("select email from vault.identifiers") == [(None,), (None,)]
    assert former() == [("email", "old@example.org"), ("email", "zoe@example.org")]
    story.erase()
    assert known_of(story.told()) == [("erasure", {"email": "old@example.org"}, None)]


def test_it_goes_with_the_export(story):
    story.land(ann="moved@example.org")
    assert former() == [("email", "old@example.org")]
    with kept.opened() as connection:
        connection.execute("delete from kept.handed_over")
    assert known.let_go(EXPORTED) == 1
    assert former() == []


def test_what_was_received_before_an_erasure_is_of_nobody_who_has_returned(story):
    """The recipient was told to delete it; it may have done so."""
    story.export("customer_id")
    story.erase()
    assert [change["kind"] for change in story.told()] == ["erasure"]
    readmission.readmit("ann", evidence="a contract", since=story.later().replace(tzinfo=None))
    story.land(ann="back@example.org")
    story.ask("restriction", "A-3")
    assert [change["kind"] for change in story.told()] == ["erasure"]  # again: not yet confirmed
    story.export()
    assert known_of(story.told()) == [("restriction", {"email": "back@example.org"}, None)]


def test_who_received_an_empty_column_alone_cant_be_told_of_whom(home, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    story = Story(tmp_path, monkeypatch)
    story.land(ann=None)
    story.export()
    story.ask("restriction", "A-1")
    with pytest.raises(Exception, match="nothing to tell"):
        story.told()


def test_an_objection_that_was_refused_stops_direct_marketing_in_the_last_line(story):
    story.ask("objection", "A-1")
    assert [change["kind"] for change in story.told()] == ["objection"]
    at = story.later().replace(tzinfo=None)
    inbox.add("rights_requests", {"customer_id": "ann", "request_id": "A-1", "type": "objection",
                                  "received_at": at, "status": "refused"})  # fmt: skip
    kinds = [change["kind"] for change in story.told()]
    assert kinds == ["objection_ended", "marketing_objection"]
