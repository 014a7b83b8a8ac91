"""When files are written anew by themselves, and that waiting words outlive it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from governance import inbox, release
from governance.clocks import Clocks
from governance.removal import withdraw_removed
from governance.rights import expiry, kept, purge
from governance.rights.leaving import note_removal
from governance.rights.readmission import readmit
from governance.rotation import rotate
from ingest import superseded
from ingest.feeds import removals
from tests.support.feeds import (
    COLUMNS,
    NOW,
    POLICY,
    ask,
    declared,
    erase,
    fill,
    load,
    sale,
    sources_in,
    vault,
    write_csv,
)
from warehouse import journal, keys
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


@pytest.mark.parametrize("hours", [0, -30])
def test_what_goes_after_it_is_noted_after_it_whatever_the_clock_says(tmp_path, monkeypatch, hours):
    fill(tmp_path)
    load(sources_in(tmp_path))
    at(monkeypatch, 3)
    purge.purge(POLICY)
    moment = (REMOVED + timedelta(days=3, hours=hours)).replace(tzinfo=None)
    with connected(warehouse_store()) as connection:
        assert purge.first_removal(connection) is None
        superseded.note_lying(connection, moment)
        assert purge.first_removal(connection) is not None
    at(monkeypatch, 18)
    assert not purge.due(POLICY)
    at(monkeypatch, 19)
    assert purge.due(POLICY)


@pytest.mark.parametrize("hours", [0, -30])
def test_so_is_what_expires_of_what_is_kept(tmp_path, monkeypatch, hours):
    fill(tmp_path)
    load(sources_in(tmp_path))
    at(monkeypatch, 3)
    with kept.opened(first=True) as connection:
        kept.add_step(connection, "zoe", ("A-1", "access"), "fulfilled",
                      at=datetime(2001, 1, 1), actor="t")  # fmt: skip
    purge.purge(POLICY)
    assert lies_since() is None
    at(monkeypatch, 3, hours=hours)
    moment, day = datetime(2024, 7, 1), date(2024, 6, 30)
    assert expiry.let_expire(POLICY, Clocks(day, moment, moment, day)) == {"steps": 1}
    assert lies_since() is not None


def test_what_went_by_a_clock_that_was_ahead_is_due_at_once(tmp_path, monkeypatch):
    fill(tmp_path)
    load(sources_in(tmp_path))
    at(monkeypatch, 400)
    purge.purge(POLICY)
    at(monkeypatch, 0)
    assert not purge.due(POLICY)
    for _ in range(2):  # and once it is purged, it is so until more goes
        with connected(warehouse_store()) as connection:
            superseded.note_lying(connection, REMOVED.replace(tzinfo=None))
        assert purge.due(POLICY)
        purge.purge(POLICY)
        assert not purge.due(POLICY)


@pytest.mark.parametrize("who", ["set aside", pytest.param("returned", marks=pytest.mark.slow)])
def test_who_has_no_row_of_a_feed_leaves_the_disk_in_time(tmp_path, home, monkeypatch, who):
    """Such as a customer whose only row is in quarantine, or who has returned a moment ago."""
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    at(monkeypatch, -1)
    fill(tmp_path, transactions=[sale(), sale(customer_id="BAD-77351", occurred_at="no date")])
    load(sources := sources_in(tmp_path), recorded=inbox.waiting())
    release.publish_permission(POLICY)
    if who == "returned":
        erase("BAD-77351")
        readmit("BAD-77351", evidence="a letter")
    purge.purge(POLICY)
    assert lies_since() is None
    assert in_bytes(home, "BAD-77351") == {"vault.duckdb"}  # positive control
    at(monkeypatch, 0)
    erase("BAD-77351")
    assert lies_since() == REMOVED.replace(tzinfo=None)
    at(monkeypatch, 15)
    assert purge.due(POLICY)
    purge.purge(POLICY)
    assert in_bytes(home, "BAD-77351") == set()
    load(sources, now=REMOVED + timedelta(days=15))
    assert not purge.due(POLICY)


def test_words_that_wait_outlive_it(tmp_path, monkeypatch):
    fill(tmp_path)
    load(sources_in(tmp_path))
    word = {"customer_id": "ann", "action": "withdrawn", "occurred_at": datetime(2024, 7, 1),
            "recorded_at": datetime(2024, 7, 1)}  # fmt: skip
    inbox.add("consent_events", word | {"customer_id": "bob"})
    inbox.add("consent_events", word)
    inbox.forget(["bob"])
    before = inbox.waiting().consent_events
    purge.purge(POLICY)
    assert inbox.waiting().consent_events == before
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


OLD_GROUP, OLD_MAIL = "OLDGROUPVALUEXYZ123", "old-canary@x.org"
ANN = ("ann", "Ann", OLD_MAIL, "EU", "41")
MOVED = ("ann", "Ann", "new@x.org", "EU", "41")
KEYED = {"natural_key": ["customer_id", "basket_id", "product_id"]}


@pytest.fixture
def delivered(tmp_path, monkeypatch):
    """Return the sources of a line and a customer that were landed, in clear."""
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    fill(tmp_path, customers=[ANN])
    deliver(tmp_path, "transactions", (*sale(), OLD_GROUP), name="")
    load(sources := of(tmp_path))
    return sources


def of(folder, tolerance=5):
    columns = {name: name for name in (*COLUMNS["transactions"], "product_group")}
    more = {"future_tolerance_minutes": tolerance}
    return sources_in(
        folder, customers=declared("customers", **more),
        transactions=declared("transactions", columns=columns, **more, **KEYED),
    )  # fmt: skip


def deliver(folder, feed, *rows, name="2"):
    header = (*COLUMNS[feed], "product_group") if feed == "transactions" else COLUMNS[feed]
    write_csv(folder / f"{feed}{name}.csv", header, rows)


def lies_since():
    with connected(warehouse_store()) as connection:
        return purge.first_removal(connection)


def in_bytes(home, pattern):
    return {
        path.name for path in home.root.rglob("*")
        if path.is_file() and pattern.encode() in path.read_bytes()
    }  # fmt: skip


def test_what_feeds_correct_leaves_the_disk_in_time(tmp_path, home, delivered, monkeypatch):
    assert lies_since() is None
    deliver(tmp_path, "transactions", (*sale(), "NEW"))
    deliver(tmp_path, "customers", MOVED)
    load(delivered, now=REMOVED)
    assert in_bytes(home, OLD_GROUP) == {"warehouse.duckdb"}
    assert in_bytes(home, OLD_MAIL) == {"vault.duckdb"}
    at(monkeypatch, 14, hours=23)
    assert not purge.due(POLICY)
    at(monkeypatch, 15)
    assert purge.due(POLICY)
    # What comes again every day is due by the oldest, and not every day.
    deliver(tmp_path, "transactions", (*sale(value="1"), "NEW"), name="3")
    purge.purge(POLICY)
    load(delivered, now=REMOVED + timedelta(days=15, hours=1))
    assert in_bytes(home, OLD_GROUP) == in_bytes(home, OLD_MAIL) == set()
    assert not purge.due(POLICY)
    with connected(warehouse_store()) as connection:  # of whom, or how many, nobody is told
        assert removals(connection, 1) == []


@pytest.mark.parametrize(
    ("feed", "row"),
    [
        ("transactions", (*sale(), "NEW")),
        ("customers", MOVED),
        ("customers", ("ann", "Ann", OLD_MAIL, "US-CA", "41")),
    ],
)
@pytest.mark.parametrize("how", ["later", "changed", "afresh"])
def test_each_correction_counts_however_it_is_read(tmp_path, delivered, feed, row, how):
    """In a later file, in the same, or where a feed is read from the beginning."""
    deliver(tmp_path, feed, row, name="2" if how == "later" else "")
    load(of(tmp_path, 6) if how == "afresh" else delivered, now=REMOVED)
    assert lies_since() == REMOVED.replace(tzinfo=None)


@pytest.mark.parametrize("how", ["later", "changed", "afresh"])
def test_what_feeds_only_repeat_is_no_removal(tmp_path, delivered, how):
    name = "2" if how == "later" else ""
    deliver(tmp_path, "transactions", (*sale(), OLD_GROUP), (*sale(basket_id="b2"), "NEW"),
            name=name)  # fmt: skip
    deliver(tmp_path, "customers", ANN, ("bob", "Bob", "bob@x.org", "EU", "30"), name=name)
    load(of(tmp_path, 6) if how == "afresh" else delivered, now=REMOVED)
    assert ask("select count(*) from landing.transactions") == [(2,)]
    assert lies_since() is None


def test_what_a_killed_load_has_replaced_in_the_vault_counts(tmp_path, delivered, monkeypatch):
    deliver(tmp_path, "customers", MOVED)
    with monkeypatch.context() as killed:
        killed.setattr("ingest.load.returned.settle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(delivered, now=REMOVED)
    assert vault("select email from vault.identifiers") == [("new@x.org",)]
    assert journal.complete(superseded.STEPS) == [superseded.KIND]
    assert lies_since() == REMOVED.replace(tzinfo=None)
    load(delivered, now=REMOVED)
    assert not journal.waits()
    assert ask("select count(*) from landing.loads where source = 'correction'") == [(1,)]


def test_what_was_made_for_a_purpose_that_is_gone_counts(delivered, monkeypatch):
    assert withdraw_removed(POLICY) == []
    assert lies_since() is None
    at(monkeypatch, 0)
    left = {name: one for name, one in POLICY.purposes.items() if name != "churn_prevention"}
    without = POLICY.model_copy(update={"purposes": left})
    assert withdraw_removed(without) == ["churn_prevention"]
    assert lies_since() == REMOVED.replace(tzinfo=None)
