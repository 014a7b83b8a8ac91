"""When files are written anew by themselves, and that waiting words outlive it."""

from datetime import UTC, datetime, timedelta

import pytest

from governance import inbox, release
from governance.rights import purge
from governance.rights.leaving import note_removal
from governance.rotation import rotate
from tests.support.feeds import NOW, POLICY, ask, fill, load, sources_in
from warehouse import keys
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

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


@pytest.mark.parametrize("lost", ["warehouse.duckdb", "vault.duckdb", "salts"])
def test_nothing_is_written_anew_nor_a_key_changed_where_a_file_is_lost(
    tmp_path, home, lost, monkeypatch
):
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())
    fill(tmp_path)
    load(sources_in(tmp_path))
    release.publish_permission(POLICY)
    (home.root / lost).unlink()
    before = {path: path.read_bytes() for path in home.root.iterdir() if path.is_file()}
    keys_before = {path: path.read_bytes() for path in keys.folder().iterdir()}
    for act in (lambda: purge.purge(POLICY), lambda: rotate([lost.removesuffix(".duckdb")])):
        with pytest.raises(UsageError, match=f"{lost}.*is missing|the vault knows nothing of 1"):
            act()
    assert {path: path.read_bytes() for path in home.root.iterdir() if path.is_file()} == before
    assert {path: path.read_bytes() for path in keys.folder().iterdir()} == keys_before


def test_where_nothing_has_landed_nothing_is_made(home):
    with pytest.raises(UsageError, match="nothing has landed yet"):
        purge.purge(POLICY)
    assert not home.warehouse.exists()
    assert {name: done.had_file for name, done in rotate(["warehouse", "inbox"]).items()} == {
        "warehouse": False, "inbox": False,
    }  # fmt: skip


def test_no_inbox_is_begun_where_one_is_lost(tmp_path, home):
    fill(tmp_path)
    load(sources_in(tmp_path))
    assert not home.inbox.exists()
    purge.purge(POLICY)
    assert not home.inbox.exists()
