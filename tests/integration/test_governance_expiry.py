"""Expiry: what is kept of requests, exports and the erased goes when it is too old, no day before.

Mary is erased on 1 July; of what is kept of her 20 days are allowed, and 30 of the entry that
stops her.
"""

from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest

from governance import identity, inbox
from governance.clocks import Clocks, last_instant
from governance.policy.words import HELD
from governance.rights import expiry, kept, kept_before, purge, receipt
from governance.rights.erasure import erase
from governance.rights.recipients import HandedOver, remember
from governance.rights.requests import Request
from ingest.load import load_feeds
from tests.support.feeds import (
    COLUMNS,
    UTC_POLICY,
    declared,
    event,
    fill,
    load,
    sale,
    sources_in,
    vault,
)
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

POLICY = UTC_POLICY.model_copy(update={"evidence": UTC_POLICY.evidence.model_copy(
    update={"retention_days": 20, "suppression_days": 30})})  # fmt: skip
ERASED = date(2024, 7, 1)
MARY = tuple("mary" if name == "customer_id" else None for name in COLUMNS["customers"])
OF_REQUESTS = {"steps": 1, "proofs": 1, "receipts": 1, "handed_over": 1}


@pytest.fixture(autouse=True)
def erased(home, tmp_path, monkeypatch):
    """Erase Mary, who was in an export on that day, too."""
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    land(tmp_path, ERASED - timedelta(days=1), "mary", "zoe")
    before = {path: path.read_bytes() for path in (home.warehouse, home.vault, home.salts)}
    moment = datetime(2024, 7, 1, 23, 59)
    monkeypatch.setenv("ASSENT_NOW", f"{moment}Z")
    subjects = pa.table({"customer_id": ["mary"]})
    remember(subjects, HandedOver("r", "planning", "segmentation", moment, ("customer_id",)))
    ((key,),) = vault("select subject_key from vault.subjects where customer_id = 'mary'")
    verified = ({"step": "verified"},)
    erase([Request("A-1", "A-1", "erasure", moment, "open", "mary", key, steps=verified)])
    return before


def land(folder, day, *who, consents=None, **feeds):
    """Land a day of some customers at noon; each file is another than the one before."""
    at = f"{day} 10:00:00"
    rows = {"transactions": [sale(customer_id=w, basket_id=f"{w} {day}", occurred_at=at)
                             for w in who]}  # fmt: skip
    fill(folder, **rows, **feeds, consent_events=[
        event(customer_id=w, occurred_at=at) for w in who
    ] if consents is None else consents)  # fmt: skip
    more = {name: declared(name) for name in feeds}
    load(sources_in(folder, **more), POLICY, now=datetime.fromisoformat(f"{day} 12:00:00+00:00"),
         recorded=inbox.waiting())  # fmt: skip


def expire(day):
    at = last_instant(day, "UTC")
    return expiry.let_expire(POLICY, Clocks(day, at, at, day))


def after(days):
    return ERASED + timedelta(days=days)


def rows(table="suppressed"):
    with kept.opened() as connection:
        return connection.execute(f"select count(*) from kept.{table}").fetchall()[0][0]


def test_what_is_kept_goes_when_it_is_too_old_and_then_from_the_disk(home, monkeypatch):
    assert expire(after(19)) == {}
    assert {table: rows(table) for table in OF_REQUESTS} == OF_REQUESTS
    monkeypatch.setenv("ASSENT_NOW", f"{after(20)}T12:00Z")
    assert expire(after(20)) == OF_REQUESTS
    assert {rows(table) for table in OF_REQUESTS} == {0}
    assert expire(after(20)) == {}  # done again, there is nothing to do
    assert {"table": "proofs", "day": f"{after(20)}"} in expiry.removals()

    canary = b"Canary Clerk"
    assert canary in home.kept.read_bytes()  # deleted, and still in the file
    monkeypatch.setenv("ASSENT_NOW", f"{after(35)}T12:00Z")
    assert purge.due(POLICY)
    purge.purge(POLICY)
    assert canary not in home.kept.read_bytes()
    assert not purge.due(POLICY)
    monkeypatch.setenv("ASSENT_NOW", f"{after(36)}T12:00Z")
    assert expire(after(30)) == {"suppressed": 1}
    monkeypatch.setenv("ASSENT_NOW", f"{after(60)}T12:00Z")
    assert purge.due(POLICY)  # though nothing has left the warehouse since


def test_what_is_kept_of_a_request_doesnt_wait_for_one_of_another_type_under_its_number():
    with kept.opened() as connection:
        kept.add_step(connection, "mary", ("A-1", "access"), "fulfilled",
                      at=datetime(2024, 6, 5), actor="dpo")  # fmt: skip
        of = kept.handle_of(connection, "mary"), "A-1", "access"
        receipt.keep(connection, {of: {"type": "access"}})
    assert expire(after(0)) == {"steps": 1, "receipts": 1}
    with kept.opened() as connection:
        for table in ("steps", "receipts"):
            assert connection.execute(f"select type from kept.{table}").fetchall() == [("erasure",)]


def test_an_entry_lives_while_a_feed_delivers_its_subject(tmp_path):
    land(tmp_path, after(9), "mary", "zoe")
    land(tmp_path, after(29), "zoe")
    expire(after(38))
    assert rows() == 1
    assert vault("select customer_id from vault.subjects") == [("zoe",)]
    assert expire(after(39)) == {"suppressed": 1}
    land(tmp_path, after(40), "mary", "zoe")  # nobody stops her now: positive control
    assert len(vault("select * from vault.subjects")) == 2


def test_an_entry_lives_while_a_source_that_may_hold_its_subject_lies_there(tmp_path):
    """Read before the erasure and not since: read from the beginning, it would bring her back."""
    old = [event(customer_id=w, occurred_at=f"{ERASED - timedelta(days=1)} 10:00:00")
           for w in ("mary", "zoe")]  # fmt: skip
    land(tmp_path, after(40), "zoe", consents=old)
    expire(after(60))
    assert rows() == 1
    land(tmp_path, after(61), "zoe", consents=[*old, event(customer_id="zoe")])  # one was added
    expire(after(90))
    assert rows() == 1
    land(tmp_path, after(91), "zoe", consents=[event(customer_id="zoe", action="withdrawn")])
    assert expire(after(91)) == {"suppressed": 1}


def test_an_entry_lives_while_a_source_of_a_feed_may_come_back(tmp_path):
    """A feed that is no longer declared may be again, and be read from the beginning."""
    land(tmp_path, after(1), "zoe", customers=[MARY])
    land(tmp_path, after(29), "zoe")
    expire(after(40))
    assert rows() == 1


def test_a_hold_beats_it_to_its_last_day(home):
    with kept.opened() as connection:
        kept.add_step(connection, "mary", ("H-1", "restriction"), HELD, at=datetime(2024, 7, 1),
                      actor="a clerk", until=f"{after(100)}")  # fmt: skip
    assert expire(after(100)) == {}
    with connected(warehouse_store(read_only=True)) as connection:
        assert expiry.oldest(connection, after(100)) == {}
        assert expiry.oldest(connection, after(101))["steps"] == datetime(2024, 7, 1)
    assert expire(after(101)) == OF_REQUESTS | {"steps": 2, "suppressed": 1}


def test_a_lifted_hold_beats_nothing():
    with kept.opened() as connection:
        for step in (HELD, "lifted"):
            kept.add_step(connection, "mary", ("H-1", "restriction"), step, actor="a clerk",
                          at=datetime(2024, 7, 1), until=f"{after(100)}")  # fmt: skip
    assert expire(after(30))["steps"] == 3


def test_no_step_of_an_open_request_goes_and_of_an_ended_one_when_it_has(tmp_path):
    def zoes(status):
        return [("zoe", "R-9", "access", f"{ERASED} 10:00:00", status)]

    with kept.opened() as connection:
        kept.add_step(connection, "zoe", ("R-9", "access"), "acknowledged", at=datetime(2024, 7, 1),
                      actor="a clerk")  # fmt: skip
    land(tmp_path, after(2), "zoe", rights_requests=zoes("open"))
    assert expire(after(90)) == OF_REQUESTS | {"suppressed": 1}
    land(tmp_path, after(91), "zoe", rights_requests=zoes("fulfilled"))
    words = expiry.words_of("zoe")
    with kept.opened() as connection:  # as the subject reads it
        zoe = kept.handle_of(connection, "zoe")
        assert expiry.kept_until(connection, POLICY, zoe, words) == {"steps": after(111)}
        assert expiry.kept_until(connection, POLICY, zoe, ()) == {"steps": after(20)}
    assert expire(after(110)) == {}
    assert expire(after(111)) == {"steps": 1}


def test_a_request_that_waits_in_the_inbox_is_open():
    inbox.add("rights_requests", {
        "customer_id": "mary", "request_id": "A-2", "type": "access", "status": "open",
        "received_at": datetime(2024, 7, 1),
    })  # fmt: skip
    assert expire(after(90)) == {}


def test_what_an_ended_request_held_goes_in_the_run_that_lands_its_end(small, tmp_path):
    """Else the check that nothing is too old would break, until the run after it."""
    one = small.copy(tmp_path / "small")
    with one.entered():
        who, old = min(one.everybody()), datetime(2001, 1, 1)
        received = HandedOver("r", "planning", "segmentation", old, ("customer_id",))
        remember(pa.table({"customer_id": [who]}), received)
        for status in ("open", "fulfilled"):
            inbox.add("rights_requests", {
                "customer_id": who, "request_id": "A-9", "type": "access", "status": status,
                "received_at": old,
            })  # fmt: skip
    done = one.assent("run", "--select", "key:landing/clocks")
    assert done.status == 0, done.said
    (said,) = [r for r in one.evidence("status")["rules"] if r["rule"] == "custody.evidence"]
    assert (said["status"], said["observed"]) == ("holds", None), said
    assert "handed_over" in {left["table"] for left in one.evidence("feeds")["left_kept"]}


def test_notices_go_once_they_were_handed_over_and_others_wait():
    with kept.opened() as connection:
        handle = kept.handle_of(connection, "mary")
        for kind, handed_at in (("erasure", None), ("objection", datetime(2024, 7, 2))):
            connection.execute(
                "insert into kept.notices (handle, recipient, kind, since, handed_at)"
                " values (?, 'planning', ?, '2024-07-01', ?)", [handle, kind, handed_at],
            )  # fmt: skip
    assert "notices" not in expire(after(20))
    assert expire(after(21)) == {"notices": 1}
    assert rows("notices") == 2  # that one, and what the erasure owes itself


def test_an_older_copy_of_the_file_is_told_though_rows_have_left_it(home, tmp_path):
    older = home.kept.read_bytes()
    expire(after(20))
    home.kept.write_bytes(older)
    with pytest.raises(UsageError) as raised:
        load_feeds(sources_in(tmp_path), POLICY, now=datetime.fromisoformat("2024-08-01T00:00Z"))
    assert raised.value.rule == "kept.missing"


def test_a_state_from_before_a_forgotten_erasure_is_refused(erased, home, tmp_path):
    land(tmp_path, after(2), "zoe")
    now = datetime.fromisoformat("2024-08-09T00:00Z")
    newest = {path: path.read_bytes() for path in erased}
    assert expire(after(33))["suppressed"] == 1
    for path, content in erased.items():
        path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        load_feeds(sources_in(tmp_path), POLICY, now=now)
    assert raised.value.rule == "kept.forgotten"
    for path, content in newest.items():  # from after it: it holds nobody who was erased
        path.write_bytes(content)
    load_feeds(sources_in(tmp_path), POLICY, now=now)


def test_what_an_earlier_version_kept_gets_ages(monkeypatch):
    with connected(kept.store()) as connection:
        connection.execute("alter table kept.proofs drop column left_at")
        for added in ("delivered_at", "stopped_at", "come"):
            connection.execute(f"alter table kept.suppressed drop column {added}")
        connection.execute("drop table kept.removals")
        connection.execute("insert into kept.proofs select handle, 'custody', events"
                           " from kept.proofs")  # fmt: skip
    monkeypatch.setenv("ASSENT_NOW", f"{after(10)}T12:00Z")
    kept_before.to_3()
    kept_before.to_3()  # as after a kill
    assert expire(after(20)) == OF_REQUESTS
    assert expire(after(30)) == {"proofs": 1, "suppressed": 1}
    with connected(*identity.stores()) as connection:
        kept.bind(connection)


def test_until_when_it_is_kept_is_the_day_on_which_it_goes():
    with kept.opened() as connection:
        until = expiry.kept_until(connection, POLICY, kept.handle_of(connection, "mary"), ())
        nobody = expiry.kept_until(connection, POLICY, kept.handle_of(connection, "zoe"), ())
    assert until.pop("suppressed") == after(30)
    assert until.pop("notices", None) is None  # it waits
    assert until == dict.fromkeys(OF_REQUESTS, after(20))
    assert nobody == {}
