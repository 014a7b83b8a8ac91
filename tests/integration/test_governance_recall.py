"""Rectifications that a restore opens again: their time runs from when they were received."""

from datetime import datetime, timedelta

import pytest

from governance import inbox, release
from governance.consent_relations import requests_sql
from governance.rights import kept, recall
from governance.rights.opening import open_request
from governance.rights.readmission import readmit
from governance.rights.steps import take_step
from tests.support.feeds import NOW, POLICY, ask, declared, erase, fill, load, sources_in

RECEIVED, FULFILLED = datetime(2024, 5, 1, 10), datetime(2024, 6, 10, 12)
BACKUP = datetime(2024, 6, 1)
KIND = "rectification"


@pytest.fixture
def sources(home, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())
    fill(tmp_path)
    load(sources_in(tmp_path))
    return sources_in(tmp_path)


def fulfilled(number):
    """Note what was done after the backup, by ann, of a request that may be in it."""
    with kept.opened() as file:
        for step, at, details in (
            ("verified", FULFILLED - timedelta(days=2), {}),
            ("fulfilled", FULFILLED, {"columns": ["email"]}),
        ):
            kept.add_step(file, "ann", (number, KIND), step, at=at, actor="a test", **details)
    assert recall.recall(BACKUP, ()).reopened == 1


def word(status, number="A-0000000001", channel="letter"):
    said = {"customer_id": "ann", "request_id": number, "type": KIND, "received_at": RECEIVED,
            "status": status, "channel": channel}  # fmt: skip
    inbox.add("rights_requests", said)


def landed():
    """Return when the request was received, whether it is open, and how it came."""
    return ask(
        "select any_value(r.received_at), any_value(unanswered),"
        " last(channel order by w.received_at)"
        f" from {requests_sql('landing.rights_requests')} as r"
        " join landing.rights_requests as w using (subject_key, request_id, type)"
    )[0]


@pytest.mark.parametrize("had_landed", [True, False])
def test_it_is_kept_with_the_channel_where_the_backup_knows_it(sources, had_landed):
    word("open")
    if had_landed:
        load(sources, recorded=(waiting := inbox.waiting()))
        inbox.drop(waiting)
    word("fulfilled")  # in the inbox that was here, whose words are taken in
    fulfilled("A-0000000001")
    assert recall.recall(BACKUP, ()).reopened == 1  # once more
    words = inbox.waiting().rights_requests
    assert [found["status"] for found in words] == ["open"] * (1 if had_landed else 2)
    load(sources, recorded=inbox.waiting())
    received, is_open, channel = landed()
    assert (received - RECEIVED < timedelta(seconds=1), is_open, channel) == (True, True, "letter")


def test_a_feed_that_says_it_has_ended_doesnt_end_it_anew(sources, tmp_path):
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    fill(tmp_path, rights_requests=[("ann", "7", KIND, RECEIVED, "open")])
    load(sources)
    fulfilled("7")
    load(sources, recorded=inbox.waiting())
    ended = ("ann", "7", KIND, RECEIVED, "fulfilled")
    fill(tmp_path, rights_requests=[("ann", "7", KIND, RECEIVED, "open"), ended])
    load(sources)
    assert ask("select count(*) from landing.rights_requests where status = 'fulfilled'") == [(1,)]
    received, is_open, _ = landed()
    assert (received - RECEIVED < timedelta(seconds=1), is_open) == (True, True)


def test_else_it_is_the_first_step_that_is_kept(sources):
    fulfilled("A-0000000001")
    found = inbox.waiting().rights_requests
    assert [(w["received_at"], w["status"]) for w in found] == [
        (FULFILLED - timedelta(days=2), "open")
    ]


def test_a_request_is_missing_though_the_state_has_another_type_under_its_number(sources):
    word("open")
    with kept.opened() as file:
        kept.add_step(file, "ann", ("A-0000000001", "access"), "verified", at=FULFILLED,
                      actor="a test")  # fmt: skip
        kept.add_step(file, "ann", ("A-0000000001", KIND), "verified", at=FULFILLED,
                      actor="a test")  # fmt: skip
    assert recall.recall(BACKUP, ()).missing == ("A-0000000001",)
    inbox.add("rights_requests", {"customer_id": "ann", "request_id": "A-0000000001",
              "type": "access", "received_at": RECEIVED, "status": "open"})  # fmt: skip
    assert recall.recall(BACKUP, ()).missing == ()


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_one_of_who_has_returned_is_missing_too_but_none_of_the_erased(sources, monkeypatch, again):
    """They are on the list of the erased still, which their return beats."""
    load(sources, recorded=inbox.waiting())
    release.publish_permission(POLICY)
    monkeypatch.setenv("ASSENT_NOW", (BACKUP - timedelta(days=2)).isoformat())
    erase("ann")
    readmit("ann", evidence="a letter")
    monkeypatch.setenv("ASSENT_NOW", FULFILLED.isoformat())
    number = open_request("ann", "objection").request_id
    take_step(POLICY, number, "acknowledged")
    if again:
        erase("ann")
    inbox.forget(["ann"])  # as a state from before has none of it
    assert recall.recall(BACKUP, ()).missing == (() if again else (number,))
