"""When files are written anew by themselves, and that waiting words outlive it."""

from datetime import UTC, datetime, timedelta

import pytest

from governance import inbox
from governance.rights import purge
from governance.rights.leaving import note_removal
from tests.support.feeds import POLICY, ask, fill, load, sources_in
from warehouse.connect import connected, warehouse_store

pytestmark = pytest.mark.usefixtures("home")
REMOVED = datetime(2024, 7, 1, 12, tzinfo=UTC)


def at(monkeypatch, days, hours=0):
    moment = REMOVED + timedelta(days=days, hours=hours)
    monkeypatch.setenv("ASSENT_NOW", moment.isoformat())


def test_it_is_due_at_half_of_the_days_and_not_before(tmp_path, monkeypatch):
    assert POLICY.custody.purge_within_days == 30
    fill(tmp_path)
    load(sources_in(tmp_path))
    at(monkeypatch, 400)
    assert not purge.due(POLICY)  # nothing was removed
    with connected(warehouse_store()) as connection:
        note_removal(connection, "warehouse.landing.transactions", at=REMOVED.replace(tzinfo=None),
                     why="erasure")  # fmt: skip
    at(monkeypatch, 14, hours=23)
    assert not purge.due(POLICY)
    at(monkeypatch, 15)
    assert purge.due(POLICY)
    purge.purge(POLICY)
    assert not purge.due(POLICY)
    at(monkeypatch, 400)
    assert not purge.due(POLICY)
    assert ask("select count(*) from landing.transactions") == [(1,)]


def test_words_that_wait_outlive_it(tmp_path, monkeypatch):
    fill(tmp_path)
    load(sources_in(tmp_path))
    word = {"customer_id": "ann", "action": "withdrawn", "occurred_at": datetime(2024, 7, 1),
            "recorded_at": datetime(2024, 7, 1)}  # fmt: skip
    inbox.add("consent_events", word | {"customer_id": "bob"})
    inbox.add("consent_events", word)
    inbox.forget(["bob"])
    before = inbox.waiting().consent_events.to_pylist()
    purge.purge(POLICY)
    assert inbox.waiting().consent_events.to_pylist() == before
    assert inbox.add("consent_events", word) == 3


def test_no_inbox_is_begun_where_one_is_lost(tmp_path, home):
    fill(tmp_path)
    load(sources_in(tmp_path))
    assert not home.inbox.exists()
    purge.purge(POLICY)
    assert not home.inbox.exists()
