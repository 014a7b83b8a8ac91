"""Who was erased and has returned: no older state brings back what was erased, nor lets them in."""

from datetime import UTC, date, datetime

import pytest

from governance import backup, identity, vault_bound
from governance.clocks import Clocks, last_instant
from governance.rights import custody, expiry, kept, kept_before
from governance.rights.erasure import erase
from governance.rights.readmission import readmit
from governance.rights.replay import replay
from governance.rights.requests import Request
from tests.support.feeds import UTC_POLICY as POLICY
from tests.support.feeds import (
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    sale,
    sources_in,
    vault,
)
from warehouse import connect
from warehouse.clock import utc_naive
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")
OLD, NEW = "2024-05-01 10:00:00", "2024-06-20 10:00:00"


@pytest.fixture(autouse=True)
def somewhere(monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")


def land(folder, *moments, anew=0):
    """Land a sale and a grant of Ann's at some moments, and one of each of Zoe's."""
    of = [("zoe", OLD), *(("ann", moment) for moment in moments)]
    fill(
        folder,
        transactions=[sale(customer_id=w, basket_id=f"{w} {m}", occurred_at=m) for w, m in of],
        consent_events=[event(customer_id=w, occurred_at=m) for w, m in of],
    )
    tolerance = {"future_tolerance_minutes": 60 + anew}  # another: all is read from the beginning
    load(sources_in(folder, **{
        name: declared(name, **tolerance) for name in ("transactions", "consent_events")
    }), POLICY)  # fmt: skip


def on(monkeypatch, day):
    monkeypatch.setenv("ASSENT_NOW", f"{day}T12:00:00Z")


def erased(number):
    ((key,),) = vault("select subject_key from vault.subjects where customer_id = 'ann'")
    verified = ({"step": "verified"},)
    at = datetime(2024, 6, 1)
    erase([Request(number, number, "erasure", at, "open", "ann", key, steps=verified)])


def baskets():
    """Return whose rows landing holds, by what they are called."""
    return {basket for (basket,) in ask("select basket_id from landing.transactions")}


def known():
    return {name for (name,) in vault("select customer_id from vault.subjects")}


def restore(folder, separate=None):
    return backup.restore(POLICY, folder, separate, migrate=lambda: None)


def put_back(home, saved):
    """Put files of two backups back by hand."""
    for path in (home.warehouse, home.vault, home.salts):
        folder = saved.with_name(f"{saved.name} {path == home.salts}")
        path.write_bytes((folder / path.name).read_bytes())


@pytest.fixture
def gone(tmp_path, monkeypatch):
    """Back up, erase Ann, and back up."""
    on(monkeypatch, "2024-06-10")
    land(tmp_path, OLD)
    for name in ("before", "between"):
        for separate in (False, True):
            backup.back_up(tmp_path / f"{name} {separate}", separate=separate)
        if name == "before":
            on(monkeypatch, "2024-06-11")
            erased("E-1")
    return tmp_path


@pytest.fixture
def returned(gone, monkeypatch):
    """And admit her again."""
    on(monkeypatch, "2024-06-12")
    readmit("ann", evidence="contract 2")
    return gone


@pytest.mark.parametrize(
    ("name", "separate", "again"),
    [("before", True, 1), ("before", False, 1), ("between", False, 0)],
)
def test_a_state_from_before_the_return_has_nothing_of_them(
    returned, monkeypatch, name, separate, again
):
    on(monkeypatch, "2024-06-13")
    apart = returned / f"{name} True" if separate else None
    assert restore(returned / f"{name} False", apart).erased_again == again
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})
    land(returned, OLD, NEW, anew=1)  # nor lets them in: it doesn't know that they have returned
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})
    readmit("ann", evidence="contract 2")
    land(returned, OLD, NEW, anew=2)
    assert baskets() == {f"zoe {OLD}", f"ann {NEW}"}
    must_reconcile()


def test_who_returned_may_be_admitted_first_where_all_is_begun_anew(returned, home):
    """Such as where vault and salts are lost for good, without a backup."""
    with identity.opened() as connection:
        readmissions = vault_bound.come(connection)
    readmit_again(returned, home)
    with identity.opened() as connection:
        assert vault_bound.come(connection) > readmissions
    readmit_again(returned, home)  # once more: what was counted goes on
    load(sources_in(returned), POLICY)
    assert "ann" in known()


@pytest.mark.parametrize("before", ["vault", "warehouse"])
def test_a_kill_while_the_files_are_begun_anew_stops_nothing(returned, home, monkeypatch, before):
    lose_all(home)
    with monkeypatch.context() as killed:
        killed.setattr(connect, "_take_name", lambda aside, path, take=connect._take_name:
                       1 / 0 if path.stem == before else take(aside, path))  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            load(sources_in(returned), POLICY)
    assert home.salts.exists()
    readmit("ann", evidence="contract 2")
    load(sources_in(returned), POLICY)
    assert "ann" in known()


def test_a_kill_amid_a_readmission_lets_it_be_given_again(returned, home, monkeypatch):
    """They aren't in the vault then as if they had never been erased."""
    lose_all(home)
    with monkeypatch.context() as killed:
        killed.setattr(vault_bound, "decide", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            readmit("ann", evidence="contract 2")
    assert "ann" in known()
    replay(utc_naive(datetime.now(UTC)))  # as a landing does
    assert "ann" not in known()
    readmit_again(returned, home)
    load(sources_in(returned), POLICY)
    assert "ann" in known()


def readmit_again(folder, home):
    lose_all(home)
    readmit("ann", evidence="contract 2")


def lose_all(home):
    for path in (home.warehouse, home.vault, home.salts, home.published_file("permission")):
        path.unlink(missing_ok=True)


def test_who_has_returned_is_admitted_once_and_stays_away_when_leaving_again(returned, monkeypatch):
    land(returned, OLD, NEW, anew=1)
    assert baskets() == {f"zoe {OLD}", f"ann {NEW}"}
    with pytest.raises(UsageError, match="admitted already"):
        readmit("ann", evidence="contract 2")
    on(monkeypatch, "2024-06-25")
    erased("E-2")
    with kept.opened() as connection:
        entries = connection.execute("select request_id, since from kept.suppressed").fetchall()
    assert entries == [("E-2", datetime(2024, 6, 25, 12))]
    land(returned, OLD, NEW, anew=2)
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})


@pytest.fixture
def erased_again(returned, monkeypatch):
    """Back up once Ann's new rows have landed, then erase her again."""
    land(returned, OLD, NEW, anew=1)
    for separate in (False, True):
        backup.back_up(returned / f"after {separate}", separate=separate)
    on(monkeypatch, "2024-06-25")
    erased("E-2")
    return returned


@pytest.mark.parametrize("separate", [False, True])
def test_a_state_from_before_they_left_again_lets_them_in_no_more(erased_again, separate):
    """Though it knows that they had returned: from what they have left since."""
    apart = erased_again / "after True" if separate else None
    assert restore(erased_again / "after False", apart).erased_again == 1
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})
    land(erased_again, OLD, NEW, anew=2)
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})


def test_nor_does_such_a_state_that_was_put_back_by_hand(erased_again, home):
    put_back(home, erased_again / "after")
    assert known() == {"ann", "zoe"}
    assert replay(datetime(2024, 6, 26)) == 1  # as landing does first
    land(erased_again, OLD, NEW, anew=2)
    assert (known(), baskets()) == ({"zoe"}, {f"zoe {OLD}"})


def test_an_older_state_that_was_put_back_by_hand_isnt_who_returns(gone, home):
    """Whom it holds leaves first; the vault is that of before the erasure."""
    put_back(home, gone / "before")
    assert known() == {"ann", "zoe"}
    readmit("ann", evidence="contract 2")
    assert (known(), baskets()) == ({"ann", "zoe"}, {f"zoe {OLD}"})


@pytest.mark.parametrize("saved", ["before", "between"])
def test_one_from_before_the_return_is_refused(returned, home, saved):
    """Else they would be stopped at the door again, without a word."""
    put_back(home, returned / saved)
    for act in (lambda: land(returned, OLD, NEW, anew=1), lambda: readmit("ann", evidence="x")):
        with pytest.raises(UsageError) as raised:
            act()
        assert raised.value.rule == "vault.older"
    restore(returned / f"{saved} False")
    land(returned, OLD, NEW, anew=1)
    assert known() == {"zoe"}


def let_go():
    """Let custody find nobody needed any more."""
    end = datetime(2030, 6, 30)
    opt_in = {n: p for n, p in POLICY.purposes.items() if n != "bias_monitoring"}
    policy = POLICY.model_copy(update={"purposes": opt_in})
    return custody.let_expire(policy, Clocks(date(2030, 6, 30), end, end, date(2030, 6, 30)))


def expire(day):
    """Let entries go that are 30 days old."""
    evidence = POLICY.evidence.model_copy(update={"suppression_days": 30})
    at = last_instant(day, "UTC")
    policy = POLICY.model_copy(update={"evidence": evidence})
    return expiry.let_expire(policy, Clocks(day, at, at, day)).get("suppressed", 0)


@pytest.mark.parametrize("noted", ["now", "by version 4"])
def test_no_state_from_before_the_return_is_taken_once_the_entry_has_gone(
    noted, tmp_path, monkeypatch
):
    """It knows of the erasure, and not of the return: it would take in what is from before."""
    on(monkeypatch, "2024-06-10")
    land(tmp_path, OLD)
    erased("E-1")
    land(tmp_path, anew=1)
    backup.back_up(tmp_path / "between", separate=False)
    readmit("ann", evidence="contract 2")
    if noted == "by version 4":
        with kept.opened() as connection:
            connection.execute("update kept.suppressed set come = 1")
        kept_before.to_5()
    land(tmp_path, NEW, anew=2)
    backup.back_up(tmp_path / "after", separate=False)
    assert expire(date(2024, 7, 20)) == 1
    with pytest.raises(UsageError) as raised:
        restore(tmp_path / "between")
    assert raised.value.rule == "kept.forgotten"
    restore(tmp_path / "after")
    land(tmp_path, OLD, NEW, anew=3)
    assert baskets() == {f"zoe {OLD}", f"ann {NEW}"}


def test_an_entry_lives_while_a_feed_delivers_what_is_from_before_the_return(tmp_path, monkeypatch):
    on(monkeypatch, "2024-06-10")
    land(tmp_path, OLD)
    erased("E-1")
    readmit("ann", evidence="contract 2")
    land(tmp_path, OLD, NEW, anew=1)  # on 1 July
    land(tmp_path, NEW, anew=2)
    assert expire(date(2024, 7, 30)) == 0
    assert expire(date(2024, 7, 31)) == 1


def test_an_older_kept_is_told_though_only_custody_has_written_since(tmp_path, monkeypatch, home):
    """It lacks the proofs of consent of who has left, and that they have."""
    on(monkeypatch, "2024-06-10")
    land(tmp_path, NEW)
    older = home.kept.read_bytes()
    on(monkeypatch, "2030-07-01")
    assert let_go()["subjects"] == 2
    home.kept.write_bytes(older)
    with pytest.raises(UsageError) as raised:
        land(tmp_path, NEW, anew=1)
    assert raised.value.rule == "kept.missing"


def test_who_left_by_custody_is_missed_by_no_restore(tmp_path, monkeypatch):
    """Their salt is gone, and nothing is to be done about that; and a new purchase lets them in."""
    on(monkeypatch, "2024-06-10")
    land(tmp_path, OLD)
    backup.back_up(tmp_path / "saved", separate=False)
    erased("E-1")
    readmit("ann", evidence="contract 2")
    land(tmp_path, NEW, anew=1)
    backup.back_up(tmp_path / "later", separate=False)
    on(monkeypatch, "2030-07-01")
    assert let_go()["subjects"] == 2
    assert known() == set()
    assert restore(tmp_path / "later").erased_again == 2
    assert known() == set()
    land(tmp_path, NEW, anew=2)
    assert known() == {"ann", "zoe"}
    with pytest.raises(UsageError) as raised:  # of before an erasure that is forgotten by now
        restore(tmp_path / "saved")
    assert raised.value.rule == "kept.forgotten"


def test_salts_that_are_older_than_the_backup_are_still_missed(tmp_path, monkeypatch):
    on(monkeypatch, "2024-06-10")
    land(tmp_path)
    backup.back_up(tmp_path / "older", separate=True)
    land(tmp_path, NEW, anew=1)
    backup.back_up(tmp_path / "saved", separate=False)
    with pytest.raises(UsageError) as raised:
        restore(tmp_path / "saved", tmp_path / "older")
    assert raised.value.rule == "salts.missing"
