"""A restriction, or a legal hold to its last day, comes before custody and erasure, wherever it is.

Ann's purchase is too old to be held; a request of hers for erasure is verified.
"""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from expectations.feeds import check_feeds
from governance import inbox
from governance.clocks import Clocks
from governance.consent_relations import LANDED
from governance.policy.words import HELD, OF_HOLD
from governance.release import publish_permission
from governance.rights import custody, kept, recall, restricted
from governance.rights.answered import answered
from governance.rights.erasure import erase
from governance.rights.opening import hold
from governance.rights.requests import Request, find
from governance.rights.steps import take_step
from ingest.quarantine import quarantine_list, quarantine_resolve
from tests.support.feeds import (
    NOW,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    reasons,
    sale,
    sources_in,
    vault,
)
from tests.support.feeds import UTC_POLICY as POLICY
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

AS_OF = date(2024, 6, 30)
OLD = "2020-01-01 10:00:00"
RESTRICTION = ("ann", "r1", "restriction", "2024-06-29 10:00:00", "open")


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    monkeypatch.setenv("ASSENT_NOW", "2024-07-01T00:00:00Z")


def land(folder, *requests, **declaring):
    people = (("ann", OLD), ("zoe", "2024-06-30 10:00:00"))
    fill(
        folder,
        transactions=[sale(customer_id=w, basket_id=w, occurred_at=at) for w, at in people],
        consent_events=[event(customer_id=w, occurred_at=at) for w, at in people],
        rights_requests=requests,
    )
    sources = sources_in(folder, rights_requests=declared("rights_requests", **declaring))
    load(sources, POLICY, recorded=(waiting := inbox.waiting()))
    inbox.drop(waiting)


def key() -> UUID:
    ((found,),) = vault("select subject_key from vault.subjects where customer_id = 'ann'")
    return found


def waits(status="open", kind="restriction"):
    """Let a word of Ann's wait in the inbox."""
    inbox.add("rights_requests", {
        "customer_id": "ann", "request_id": "A-1", "type": kind, "status": status,
        "received_at": datetime(2024, 6, 30),
    })  # fmt: skip


def is_hold(number, until):
    with kept.opened() as connection:
        kept.add_step(connection, "ann", (number, "restriction"), HELD, at=datetime(2024, 6, 30),
                      actor="a clerk", until=until)  # fmt: skip


def expired():
    end = datetime(2024, 7, 1)
    return custody.let_expire(POLICY, Clocks(AS_OF, end, end, AS_OF))


def erased():
    verified = ({"step": "verified"},)
    at = datetime(2024, 6, 30)
    request = Request("E-1", "E-1", "erasure", at, "open", "ann", key(), steps=verified)
    return erase([request])


def refused():
    with pytest.raises(UsageError) as raised:
        erased()
    assert "ann" not in str(raised.value)
    return raised.value.rule == "subject.held"


def retention(**given):
    end = datetime(2024, 7, 1)
    with connected(warehouse_store()) as connection:
        found = check_feeds(connection, POLICY, Clocks(AS_OF, end, end, AS_OF),
                            now=end.replace(tzinfo=UTC), oldest_in_vault={}, **given)  # fmt: skip
    return next(r.status for r in found if r.rule == "custody.retention")


def test_one_that_comes_while_feeds_land_stops_custody(tmp_path):
    land(tmp_path)
    waits()
    assert expired() == {}
    assert ask("select count(*) from landing.transactions where basket_id = 'ann'") == [(1,)]
    assert retention() == "broken"
    assert retention(restricted={key()}) == "holds"  # as long as it waits
    waits("lifted")
    assert expired()["transactions"] == 1


def test_one_that_has_landed_and_isnt_published_yet_stops_an_erasure(tmp_path):
    """As after a kill: the next landing publishes who is permitted."""
    land(tmp_path, RESTRICTION)
    assert refused()
    inbox.add("rights_requests", {
        "customer_id": "ann", "request_id": "r1", "type": "restriction", "status": "lifted",
        "received_at": datetime(2024, 6, 30),
    })  # fmt: skip
    assert len(erased()) == 1


def test_a_request_that_couldnt_be_read_stops_an_erasure(tmp_path):
    """It may be a restriction."""
    land(tmp_path, ("ann", "r1", "restrict me", "2024-06-29 10:00:00", "open"))
    assert refused()


def test_a_hold_stops_them_to_its_last_day_everywhere(tmp_path, monkeypatch):
    land(tmp_path, RESTRICTION)
    is_hold("r1", f"{AS_OF}")
    monkeypatch.setenv("ASSENT_NOW", "2024-07-01T11:59:59Z")
    assert expired() == {}
    assert refused()
    monkeypatch.setenv("ASSENT_NOW", "2024-07-01T12:00:00Z")
    assert len(erased()) == 1


@pytest.mark.slow
def test_a_hold_of_which_an_older_state_has_no_word_stops_them_and_is_put_back(tmp_path):
    land(tmp_path)
    number = hold("ann", reason="claim 7", until=date(2025, 1, 1)).request_id
    inbox.drop(inbox.waiting())
    assert expired() == {}
    assert refused()
    assert [recall.put_back_holds() for _ in range(2)] == [1, 0]
    land(tmp_path)
    assert ask("select request_id, status from landing.rights_requests") == [(number, "open")]
    assert recall.put_back_holds() == 0
    assert refused()


def held():
    return ask(f"select held from {LANDED.subjects} where subject_key = '{key()}'") == [(True,)]


REST = ("refused", "lifted", "open")


@pytest.mark.parametrize(
    "status", ["withdrawn", *(pytest.param(s, marks=pytest.mark.slow) for s in REST)]
)
def test_no_row_of_a_feed_changes_a_hold(tmp_path, status):
    """It is in the quarantine, alone in its feed too, and keeps nothing of others from landing."""
    land(tmp_path)
    number = hold("ann", reason="claim 7", until=date(2025, 1, 1)).request_id
    land(tmp_path)  # the hold's own word lands
    word = ("restriction", "2024-07-01 00:00:00", status)
    land(tmp_path, ("ann", number, *word), greatest_bad_share=0.0)
    assert reasons("rights_requests") == {OF_HOLD: [1]}
    assert ask("select status from landing.rights_requests") == [("open",)]
    must_reconcile()
    publish_permission(POLICY)
    assert find(number).status == "open"
    with connected(warehouse_store()) as connection:
        rows = [row.quarantine_id for row in quarantine_list(connection)]
        quarantine_resolve(connection, rows, "dismissed", note="the CRM", now=NOW)
    assert held()
    assert refused()
    # Another customer's request of that number is another request.
    land(tmp_path, ("zoe", number, *word))
    assert reasons("rights_requests") == {}
    assert find(number, "ann").status == "open"
    # Once Assent has lifted it, its rows land as others do.
    take_step(POLICY, number, "lifted", customer_id="ann", told="by letter")
    inbox.drop(inbox.waiting())
    land(tmp_path, ("ann", number, "restriction", "2024-06-30 00:00:00", "withdrawn"))
    assert reasons("rights_requests") == {}


@pytest.mark.slow
def test_a_hold_of_somebody_who_was_erased_is_lifted(tmp_path):
    """Its word was stopped at the door: `kept` alone has it, and needs nobody's number."""
    land(tmp_path)
    publish_permission(POLICY)
    assert len(erased()) == 1
    number = hold("ann", reason="claim 7", until=date(2025, 1, 1)).request_id
    land(tmp_path)
    publish_permission(POLICY)

    def lift(**whose):
        return take_step(POLICY, number, "lifted", told="by letter", **whose)

    for whose in ({"customer_id": "zoe"}, {"kind": "erasure"}):
        with pytest.raises(UsageError, match="no such request"):
            lift(**whose)
    with pytest.raises(UsageError, match="no such request"):
        take_step(POLICY, number, "withdrawn", how="by letter")
    assert lift().is_hold
    with kept.opened() as connection:
        assert connection.execute(f"from {kept.HOLDS}").fetchall() == []
    assert [step["step"] for step in answered(POLICY, number).steps] == [HELD, "lifted"]
    assert len(inbox.waiting().rights_requests) == 0
    with pytest.raises(UsageError, match="has ended: lifted"):
        lift(customer_id="ann")


def test_a_lifted_hold_is_not_put_back(tmp_path):
    land(tmp_path)
    number = hold("ann", reason="claim 7", until=date(2025, 1, 1)).request_id
    inbox.drop(inbox.waiting())
    with kept.opened() as connection:
        kept.add_step(connection, "ann", (number, "restriction"), "lifted", actor="a clerk",
                      at=datetime(2024, 7, 1))  # fmt: skip
    assert recall.put_back_holds() == 0
    assert len(erased()) == 1


@pytest.mark.slow
def test_a_landing_lifts_a_hold_whose_last_day_has_ended(tmp_path, monkeypatch):
    """Of two of one customer's, one ends."""
    land(tmp_path)
    publish_permission(POLICY)
    hold("ann", reason="claim 7", until=date(2025, 1, 1))
    number = hold("ann", reason="claim 8", until=AS_OF).request_id
    land(tmp_path)
    publish_permission(POLICY)
    held = f"select held from {LANDED.subjects} where subject_key = '{key()}'"
    monkeypatch.setenv("ASSENT_NOW", "2024-07-01T11:59:59Z")
    assert restricted.lift_ended() == 0
    monkeypatch.setenv("ASSENT_NOW", "2024-07-01T12:00:00Z")
    assert restricted.lift_ended() == 1
    assert restricted.lift_ended() == 0
    assert find(number).status == "lifted"
    land(tmp_path)
    publish_permission(POLICY)
    assert ask(held) == [(True,)]
    monkeypatch.setenv("ASSENT_NOW", "2025-01-02T12:00:00Z")
    assert restricted.lift_ended() == 1
    land(tmp_path)
    assert ask(held) == [(False,)]
    assert expired()["transactions"] == 1
