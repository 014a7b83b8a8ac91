"""Proofs of consent of whom an erasure takes: what had landed, and what waited in the inbox."""

import pytest

from governance import inbox
from governance.release import publish_permission
from governance.rights import erasure, kept, receipt
from governance.rights.erasure import erase
from governance.rights.opening import open_request
from governance.rights.proofs import proofs_of
from governance.rights.requests import find
from governance.rights.steps import take_step
from governance.subject_word import record
from ingest.load import load_feeds, load_inbox
from tests.support.feeds import NOW, UTC_POLICY, declared, fill, sources_in
from warehouse import journal

POLICY = UTC_POLICY
ASKED = ("ann", "7", "erasure", "2024-06-01 09:00:00", "open")


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())


def proven():
    with kept.opened() as connection:
        return [
            [(said["action"], said["evidence_ref"]) for said in events]
            for _, events in proofs_of(connection, "ann")
        ]


def said_and_asked(folder):
    """Land Ann, with a request for erasure; then she grants, opts out and objects: that waits."""
    fill(folder, rights_requests=[ASKED])
    feeds = sources_in(folder, rights_requests=declared("rights_requests"))
    load_feeds(feeds, POLICY, now=NOW, recorded=inbox.waiting())
    publish_permission(POLICY)
    take_step(POLICY, "7", "verified", method="-")
    record(POLICY, "ann", "granted", notice_version=9, evidence_ref="form-4711")
    record(POLICY, "ann", "opted_out", evidence_ref="mail-9")
    open_request("ann", "objection")
    record(POLICY, "bob", "objected")


PROVEN = [[("granted", None), ("granted", "form-4711"), ("opted_out", "mail-9")]]


def test_words_that_wait_are_proven_and_counted_by_an_erasure(tmp_path):
    said_and_asked(tmp_path)
    (told,) = erase([find("7")])
    assert told["rows_found"]["inbox"] == {"main.consent_events": 2, "main.rights_requests": 1}
    assert told["rows_found"]["warehouse"]["landing.consent_events"] == 1
    assert proven() == PROVEN
    left = inbox.waiting()
    assert [word["customer_id"] for word in left.consent_events] == ["bob"]
    assert len(left.rights_requests) == 0


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inbox.drop", "leaving.leave"])
def test_they_are_kept_once_by_an_erasure_that_is_killed(tmp_path, monkeypatch, where):
    """Before they are forgotten, and after."""
    said_and_asked(tmp_path)
    with monkeypatch.context() as fault:
        fault.setattr(f"governance.rights.erasure.{where}", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase([find("7")])
    assert journal.complete(erasure.STEPS) == [erasure.KIND]
    assert proven() == PROVEN
    with kept.opened() as connection:
        (told,) = receipt.kept_of(connection, ["7"]).values()
    assert told["rows_found"]["inbox"] == {"main.consent_events": 2, "main.rights_requests": 1}


def test_a_word_that_has_landed_and_waits_still_is_one_proof(tmp_path):
    said_and_asked(tmp_path)
    load_inbox(POLICY, inbox.waiting(), now=NOW)  # and is killed before it drops them
    erase([find("7")])
    assert proven() == PROVEN
