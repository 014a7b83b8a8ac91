"""Words that come at the wrong moment: while a run lands others, or around a return.

Ann is erased on 1 July and returns.
"""

import os
from datetime import UTC, date, datetime, timedelta

import pytest

from governance import consent, inbox
from governance.clocks import Clocks
from governance.policy.words import HELD
from governance.release import publish_permission
from governance.rights import custody
from governance.rights.erasure import erase
from governance.rights.opening import hold, open_request
from governance.rights.readmission import readmit
from governance.rights.requests import find
from governance.rights.steps import take_step
from governance.subject_consent import show
from governance.subject_word import record
from ingest.load import load_feeds, load_inbox
from ingest.quarantine import quarantine_list, quarantine_resolve
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
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

POLICY = UTC_POLICY


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())


def land(folder, at="2024-07-01T00:00:00+00:00", tolerance=5, **rows):
    """Land files, and all that wait; customers as they lie there, where their file does."""
    fill(folder, **rows)
    more = {"rights_requests": declared("rights_requests")}
    if (folder / "customers.csv").exists():
        more["customers"] = declared("customers", future_tolerance_minutes=tolerance)
    load_feeds(
        sources_in(folder, **more), POLICY,
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
    (word,) = inbox.waiting().rights_requests
    assert (word["event_id"], word["request_id"]) == (1, opened.request_id)
    assert len(inbox.waiting().consent_events) == 1
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


def describe(folder, age, written):
    """Write a file of customers as if it were written at a moment."""
    fill(folder, customers=[("ann", "Ann", "ann@x.org", "EU", age)])
    os.utime(folder / "customers.csv", (written.timestamp(),) * 2)


def waited_for():
    """Return of each row of customers that is, or was, waited for, how that ended."""
    return ask("select resolution from landing.quarantine where reason = 'none_since_return'")


def decided():
    return next(s.rule for s in show(POLICY, "ann") if s.purpose == "segmentation")


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Return the folder of Ann, who was 41, has returned, agreed, and said of whom her age isn't.

    The clock is set, so that every file that lies there is from before.
    """
    describe(tmp_path, "41", NOW)
    erased(tmp_path)
    monkeypatch.setenv("ASSENT_NOW", "2024-07-02T00:00:00Z")
    readmit("ann", evidence="-", since=datetime(2024, 7, 1, 1))
    describe(tmp_path, "14", NOW + timedelta(hours=2))
    record(POLICY, "ann", "granted", notice_version=9)
    land(tmp_path, "2024-07-02T12:00:00+00:00", rights_requests=[])
    return tmp_path


def test_who_has_returned_is_held_until_customers_tells_of_them(child):
    """A child would count as grown up. And it lasts, whatever is read, or read again."""
    assert words() == [("granted",)]
    assert ask("select * from landing.customers") == []
    for tolerance in (5, 5, 6):  # the last from the beginning
        assert waited_for() == [(None,)]
        assert decided() == consent.HELD
        land(child, "2024-07-03T00:00:00+00:00", tolerance, rights_requests=[])
    assert ask("select sum(rows_suppressed) from landing.loads where feed = 'customers'") == [(1,)]
    describe(child, "14", datetime.now(UTC) + timedelta(hours=1))
    land(child, "2024-07-04T00:00:00+00:00", 6, rights_requests=[])
    assert waited_for() == [("delivered",)]
    assert decided() == consent.TOO_YOUNG
    land(child, "2024-07-05T00:00:00+00:00", 7, rights_requests=[])
    assert waited_for() == [("delivered",)]


def test_so_are_they_where_no_feed_can_be_landed(child):
    with connected(warehouse_store()) as connection:
        connection.execute("delete from landing.quarantine")  # as an earlier version left it
    load_inbox(POLICY, inbox.waiting(), now=NOW)
    assert waited_for() == [(None,)]


def test_whom_somebody_lets_go_is_held_no_more(child):
    with connected(warehouse_store()) as connection:
        (row,) = quarantine_list(connection)
        assert (row.feed, row.source, row.position) == ("customers", "assent rights readmit", None)
        with pytest.raises(UsageError, match="accepted nothing of its subject"):
            quarantine_resolve(connection, row.quarantine_id, "corrected_at_source", note="x",
                               now=NOW)  # fmt: skip
        quarantine_resolve(connection, row.quarantine_id, "dismissed", note="grown up", now=NOW)
    land(child, "2024-07-03T00:00:00+00:00", rights_requests=[])
    assert waited_for() == [("dismissed",)]
    assert decided() == consent.CONSENTED


def test_nobody_is_kept_for_being_waited_for(child):
    with connected(warehouse_store()) as connection:
        connection.execute("delete from landing.consent_events")
    end = datetime(2040, 6, 30)
    found = custody.let_expire(POLICY, Clocks(date(2040, 6, 30), end, end, date(2040, 6, 30)))
    assert found["subjects"] == 1
    assert ask("select subject_key from landing.quarantine") == [(None,)]


def test_nobody_waits_for_a_feed_that_there_is_not(tmp_path, monkeypatch):
    erased(tmp_path)
    monkeypatch.setenv("ASSENT_NOW", "2024-07-02T00:00:00Z")
    readmit("ann", evidence="-")
    land(tmp_path, "2024-07-02T12:00:00+00:00", rights_requests=[])
    assert waited_for() == []


def test_by_the_hosts_clock_a_file_since_the_return_tells_of_them(tmp_path, monkeypatch):
    """Though it was written, and read, before the return was taken down."""
    present = datetime.now(UTC)
    describe(tmp_path, "41", NOW)
    erased(tmp_path)
    describe(tmp_path, "14", present - timedelta(hours=1))
    land(tmp_path, f"{present}", rights_requests=[])
    monkeypatch.delenv("ASSENT_NOW")
    readmit("ann", evidence="-", since=(present - timedelta(hours=2)).replace(tzinfo=None))
    land(tmp_path, f"{present}", rights_requests=[])
    assert ask("select age_years from landing.customers") == [(14,)]
    assert waited_for() == []


def test_a_file_from_before_it_does_not(tmp_path, monkeypatch):
    present = datetime.now(UTC)
    describe(tmp_path, "41", NOW)
    erased(tmp_path)
    monkeypatch.delenv("ASSENT_NOW")
    describe(tmp_path, "14", present - timedelta(hours=3))
    readmit("ann", evidence="-", since=(present - timedelta(hours=2)).replace(tzinfo=None))
    land(tmp_path, f"{present}", rights_requests=[])
    assert ask("select age_years from landing.customers") == []
    assert waited_for() == [(None,)]


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
    assert find(number).stands
    take_step(POLICY, number, "lifted", told="-")
    assert not find(number).stands
