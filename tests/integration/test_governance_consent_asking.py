"""From when somebody who denied may be asked to opt in, and which of their words count.

Ann is in California; offers are sold, here, and use sensitive data.
"""

import json
from datetime import datetime

import pytest

from governance import consent, inbox
from governance.consent_conflicts import write
from governance.release import publish_permission
from governance.subject_consent import account, show
from governance.subject_word import record
from ingest.load import load_feeds, load_inbox
from tests.support.feeds import (
    EVENTS,
    UTC_POLICY,
    declared,
    event,
    fill,
    sources_in,
    write_csv,
)
from warehouse.errors import RuleBrokenError, UsageError
from warehouse.home import RESTORING

OFFERS = "personalised_offers"
OFFERED = UTC_POLICY.purposes[OFFERS].model_copy(update={"sensitive": True})
POLICY = UTC_POLICY.model_copy(update={"purposes": {**UTC_POLICY.purposes, OFFERS: OFFERED}})
LIMITED = datetime(2024, 2, 29, 9)
YEAR_LATER = datetime(2025, 2, 28, 9)
NOW = datetime.fromisoformat("2024-06-25T12:00:00Z")


@pytest.fixture(autouse=True)
def _now(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_NOW", "2024-06-25T12:00:00Z")


def land(folder, *signals, where="US-CA"):
    """Land Ann and a consent of hers, (action, purpose, day) of signals, and what waits."""
    fill(folder, customers=[("ann", None, None, where, None)])
    columns = (*EVENTS, "signal")
    said = [("ann", action, purpose, f"{day} 09:00:00", "GPC") for action, purpose, day in signals]
    write_csv(folder / "consent_events.csv", columns, [(*event(), None), *said])
    written = {name: name for name in columns} | {"notice_version": {"constant": 9}}
    sources = sources_in(
        folder,
        customers=declared("customers"),
        consent_events=declared("consent_events", columns=written),
    )
    load_feeds(sources, POLICY, now=NOW, recorded=(waiting := inbox.waiting()))
    inbox.drop(waiting)
    publish_permission(POLICY)


def state(**when):
    return next(s for s in show(POLICY, "ann", **when) if s.purpose == OFFERS)


def limit(status="open", at=LIMITED):
    inbox.add("rights_requests", {
        "customer_id": "ann", "request_id": "A-1", "type": "limit", "received_at": at,
        "status": status, "channel": None,
    })  # fmt: skip


@pytest.mark.parametrize("landed", [False, True])
def test_who_limited_is_not_asked_for_twelve_months(tmp_path, landed):
    land(tmp_path)
    limit()
    if landed:
        land(tmp_path)
    told = state()
    assert (told.rule, told.ask_again_at) == (consent.LIMITED, YEAR_LATER)
    others = {s.ask_again_at for s in show(POLICY, "ann") if s.purpose != OFFERS}
    assert others == {None}
    before = datetime(2024, 2, 28)
    assert state(at=before, known=before).ask_again_at is None
    with pytest.raises(RuleBrokenError) as refused:
        record(POLICY, "ann", "opted_in", purpose=OFFERS, notice_version=9)
    assert "or limited it" in str(refused.value)
    assert str(YEAR_LATER) in str(refused.value)
    target = tmp_path / "asked.json"
    assert write(POLICY, to=target, encrypted=False).not_to_be_asked == 1
    (row,) = json.loads(target.read_text())
    assert (row["customer_id"], row["kind"], row["until"]) == (
        "ann", "not_to_be_asked", str(YEAR_LATER))  # fmt: skip


def test_who_took_the_limit_back_may_be_asked(tmp_path):
    land(tmp_path)
    limit()
    limit("withdrawn", datetime(2024, 3, 1))
    land(tmp_path)
    assert (state().rule, state().ask_again_at) == (consent.NEVER, None)


def test_an_opt_out_after_the_limit_lasts_longer(tmp_path):
    land(tmp_path)
    limit()
    record(POLICY, "ann", "opted_out", purpose=OFFERS, occurred_at=datetime(2024, 5, 1))
    assert state().ask_again_at == datetime(2025, 5, 1)


@pytest.mark.parametrize("purpose", [None, OFFERS])
@pytest.mark.parametrize("where", ["US-CA", "EU"])
def test_that_a_signal_is_sent_no_more_is_no_consent(tmp_path, where, purpose):
    land(
        tmp_path, ("opted_out", None, "2024-04-01"), ("opted_in", purpose, "2024-05-01"),
        where=where,
    )  # fmt: skip
    assert state().rule == consent.OBJECTED
    heard = [one for one in account(POLICY, "ann").heard if one.event.action == "opted_in"]
    assert {one.counts for one in heard} == {False}
    assert OFFERS in {one.purpose for one in heard}
    with pytest.raises(UsageError, match="no consent"):
        record(POLICY, "ann", "opted_in", purpose=OFFERS, notice_version=9, signal=" Gpc")


def test_a_word_that_landed_while_its_purpose_was_gone_counts_when_that_is_back(tmp_path):
    land(tmp_path)
    record(POLICY, "ann", "opted_out", purpose=OFFERS)
    others = {name: body for name, body in POLICY.purposes.items() if name != OFFERS}
    load_inbox(POLICY.model_copy(update={"purposes": others}), waiting := inbox.waiting(), now=NOW)
    inbox.drop(waiting)
    assert len(inbox.waiting().consent_events) == 0
    land(tmp_path)
    assert state().rule == consent.OBJECTED


def test_a_denial_is_taken_down_where_a_restore_was_stopped(home):
    (home.root / f"{RESTORING}1").mkdir()
    record(POLICY, "ann", "withdrawn")
    assert [word["action"] for word in inbox.waiting().consent_events] == ["withdrawn"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_purpose_that_is_gone_can_be_denied_and_not_agreed_to(tmp_path, waits):
    land(tmp_path)
    record(POLICY, "ann", "opted_in", purpose=OFFERS, notice_version=9)
    if not waits:
        land(tmp_path)
    others = {name: body for name, body in POLICY.purposes.items() if name != OFFERS}
    without = POLICY.model_copy(update={"purposes": others})
    for action, purpose in (("opted_in", OFFERS), ("withdrawn", f"{OFFERS}_")):
        with pytest.raises(UsageError, match="no such purpose"):
            record(without, "ann", action, purpose=purpose, notice_version=9)
    record(without, "ann", "withdrawn", purpose=OFFERS)
    assert state().rule == consent.WITHDRAWN
