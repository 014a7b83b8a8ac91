"""Words that come at the wrong moment: while a run lands others, or around a return.

Ann is erased on 1 July and returns.
"""

from datetime import datetime

import pytest

from governance import inbox
from governance.policy.words import HELD
from governance.release import publish_permission
from governance.rights.erasure import erase
from governance.rights.opening import hold, open_request
from governance.rights.readmission import readmit
from governance.rights.requests import find, take_step
from governance.subject_word import record
from ingest.load import load_feeds
from tests.support.feeds import (
    NOW,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    must_reconcile,
    sale,
    sources_in,
)

POLICY = UTC_POLICY


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())


def land(folder, at="2024-07-01T00:00:00+00:00", **rows):
    fill(folder, **rows)
    load_feeds(
        sources_in(folder, rights_requests=declared("rights_requests")), POLICY,
        now=datetime.fromisoformat(at), recorded=(waiting := inbox.waiting()),
    )  # fmt: skip
    inbox.drop(waiting)
    publish_permission(POLICY)
    must_reconcile()


def erased(folder):
    """Land Ann, with a request for erasure, and erase her."""
    land(folder, rights_requests=[("ann", "7", "erasure", "2024-06-01 09:00:00", "open")])
    take_step(POLICY, "7", "verified", method="-")
    erase([find("7")])


def words():
    return ask("select action from landing.consent_events order by occurred_at")


def test_a_word_that_comes_while_others_land_stays_whoever_left_meanwhile(tmp_path):
    """Whoever is erased again while a run lands leaves the inbox empty: numbers begin anew."""
    open_request("mary", "access")
    landing = inbox.waiting()
    inbox.forget(["mary"])
    opened = open_request("bob", "objection")
    record(POLICY, "bob", "withdrawn")
    inbox.drop(landing)
    (word,) = inbox.waiting().rights_requests.to_pylist()
    assert (word["event_id"], word["request_id"]) == (1, opened.request_id)
    assert inbox.waiting().consent_events.num_rows == 1
    inbox.drop(inbox.waiting())
    assert not inbox.waiting().by_feed


def test_what_was_recorded_before_a_return_counts_if_it_denies(tmp_path, monkeypatch):
    erased(tmp_path)
    for action, notice in (("granted", 9), ("objected", None)):
        said = record(POLICY, "ann", action, notice_version=notice)
        assert (said.known, said.erased) == (False, True)
    monkeypatch.setenv("ASSENT_NOW", "2024-07-02T00:00:00Z")
    readmit("ann", evidence="-")
    land(tmp_path, "2024-07-02T12:00:00+00:00", rights_requests=[])
    assert words() == [("objected",)]


def test_a_denial_of_before_that_is_told_after_a_return_counts(tmp_path, monkeypatch):
    erased(tmp_path)
    monkeypatch.setenv("ASSENT_NOW", "2024-07-03T00:00:00Z")
    record(POLICY, "ann", "granted", notice_version=9)
    monkeypatch.setenv("ASSENT_NOW", "2024-07-04T00:00:00Z")
    readmit("ann", evidence="-")
    record(POLICY, "ann", "objected", occurred_at=datetime(2024, 7, 2))
    land(tmp_path, "2024-07-04T12:00:00+00:00", rights_requests=[])
    assert words() == [("objected",)]


def test_what_the_door_stopped_since_a_return_is_read_once_more(tmp_path, monkeypatch):
    """It lies in files that were read meanwhile: a sale, an objection, a request."""
    erased(tmp_path)
    said = {
        "transactions": [sale(), sale(basket_id="b2", occurred_at="2024-07-03 10:00:00"),
                         sale(customer_id="zoe")],
        "consent_events": [event(), event(action="objected", occurred_at="2024-07-03 10:00:00")],
        "rights_requests": [("ann", "8", "restriction", "2024-07-03 10:00:00", "open")],
    }  # fmt: skip
    land(tmp_path, "2024-07-04T00:00:00+00:00", **said)
    assert ask("select count(*) from landing.transactions") == [(1,)]
    assert words() == []
    monkeypatch.setenv("ASSENT_NOW", "2024-07-05T00:00:00Z")
    readmit("ann", evidence="-", since=datetime(2024, 7, 2))
    land(tmp_path, "2024-07-05T12:00:00+00:00", **said)
    assert ask("select basket_id from landing.transactions order by all") == [("b1",), ("b2",)]
    assert words() == [("objected",)]
    assert ask("select request_id from landing.rights_requests") == [("8",)]
    land(tmp_path, "2024-07-06T00:00:00+00:00", **said)  # and not again
    assert ask("select count(*) from landing.loads where feed = 'transactions'"
               " and rows_read > 0") == [(3,)]  # fmt: skip


def test_a_return_is_taken_down_while_the_warehouse_is_lost(home, tmp_path):
    erased(tmp_path)
    home.warehouse.unlink()
    assert readmit("ann", evidence="-", since=datetime(2024, 7, 1))
    assert not home.warehouse.exists()


def test_a_hold_has_its_last_day_before_it_is_a_restriction(tmp_path, monkeypatch):
    land(tmp_path, rights_requests=[])
    with monkeypatch.context() as full:
        full.setattr(inbox, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hold("ann", reason="claim 7", until=datetime(2099, 1, 1).date())
    assert not inbox.waiting().by_feed
    opened = hold("ann", reason="claim 7", until=datetime(2099, 1, 1).date())
    (step,) = find(opened.request_id).steps
    assert (step["step"], step["until"]) == (HELD, "2099-01-01")


def test_a_restriction_that_was_granted_in_part_can_be_lifted(tmp_path):
    number = open_request("ann", "restriction").request_id
    land(tmp_path, rights_requests=[])
    take_step(POLICY, number, "partial", ground="-", complaint="-")
    assert not find(number).ended
    take_step(POLICY, number, "lifted", told="-")
    assert find(number).ended
