"""State that is lost, or put back from an older copy, is missed before a landing builds on it."""

import shutil
from datetime import timedelta

import pytest

from governance import identity, inbox, marks
from governance.rights import kept, kept_lost, purge
from governance.rights.leaving import ERASURE, leave
from ingest.load import load_feeds
from tests.support.feeds import NOW, UTC_POLICY, ask, event, fill, load, sources_in, vault
from warehouse.clock import utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

LAND = ("run", "--select", "group:landing")


def missing(home, rule="vault.missing"):
    """Return what a landing says is missing, holding that it wrote nothing."""
    before = {path: path.read_bytes() for path in home.root.iterdir() if path.is_file()}
    with pytest.raises(UsageError) as raised:
        load_feeds(sources_in(home.root.parent), UTC_POLICY, now=NOW)
    assert raised.value.rule == rule
    assert {path: path.read_bytes() for path in home.root.iterdir() if path.is_file()} == before
    return raised.value.what


def test_nothing_lands_beside_a_vault_that_is_older_and_no_salt_goes(home, tmp_path):
    fill(tmp_path, consent_events=[event()])
    load(sources_in(tmp_path))
    for path in (home.vault, home.salts):
        shutil.copy(path, tmp_path / path.name)
    fill(tmp_path, consent_events=[event(customer_id=name) for name in ("ann", "bob", "cyd")])
    load(sources_in(tmp_path))
    right = {path: path.read_bytes() for path in (home.vault, home.salts)}
    known = vault("select * from vault.subjects order by all")

    fill(tmp_path, consent_events=[event(customer_id=name) for name in ("ann", "dan")])
    shutil.copy(tmp_path / home.vault.name, home.vault)
    assert "nothing of 2 customers" in missing(home)
    shutil.copy(tmp_path / home.salts.name, home.salts)
    assert "nothing of 2 customers" in missing(home)
    home.vault.unlink()
    assert "nothing of 3 customers" in missing(home)
    assert not home.vault.exists()

    for path, content in right.items():
        path.write_bytes(content)
    fill(tmp_path, consent_events=[event(customer_id=name) for name in ("ann", "bob", "cyd",
                                                                        "dan")])  # fmt: skip
    load(sources_in(tmp_path))
    assert set(known) < set(vault("select * from vault.subjects"))
    assert ask("select count(distinct subject_key) from landing.purpose_keys") == [(4,)]


def test_a_salt_that_goes_is_missed_by_a_process_that_has_seen_them_all(home, tmp_path):
    fill(tmp_path, consent_events=[event(customer_id=name) for name in ("ann", "bob")])
    load(sources_in(tmp_path))
    for _ in range(2):
        with identity.opened() as connection:
            connection.execute("select 1")
    with connected(*identity.stores()) as connection:
        connection.execute("delete from salts.salts where subject_key in"
                           " (select subject_key from vault.subjects limit 1)")  # fmt: skip
    missed = "salts of 1 customers are missing"
    with pytest.raises(UsageError, match=missed) as raised, identity.opened():
        pass
    assert "if the vault is an older copy, put back the newest vault" in raised.value.mend


@pytest.mark.parametrize("writes", ["landing", "purge"])
def test_salts_of_the_erased_dont_stay_with_an_older_copy_of_the_file(home, tmp_path, writes):
    """By them, old pseudonyms could be told to be theirs."""
    fill(tmp_path, consent_events=[event(customer_id=name) for name in ("ann", "bob")])
    load(sources_in(tmp_path))
    older = home.salts.read_bytes()
    ((ann,),) = vault("select subject_key::varchar from vault.subjects where customer_id = 'ann'")
    leave([ann], utc_naive(NOW), ERASURE)
    purge.write_anew()
    home.salts.write_bytes(older)
    lying = f"select count(*) from landing.loads where source = '{ERASURE}'"
    before = ask(lying)
    if writes == "landing":
        load(sources_in(tmp_path), now=NOW + timedelta(hours=1))
        assert ask(lying) == [(before[0][0] + 1,)]  # so that they are purged
    else:
        purge.write_anew()
    subjects = "select subject_key from vault.subjects order by all"
    assert vault("select subject_key from salts.salts order by all") == vault(subjects)


def test_nothing_lands_without_the_newest_list_of_who_was_erased(home, tmp_path):
    fill(tmp_path, consent_events=[event()])
    load(sources_in(tmp_path))
    older = home.kept.read_bytes()
    with kept.opened() as connection:
        kept.add_step(connection, "ann", ("A-1", "erasure"), "fulfilled", at=NOW, actor="a test")
    with connected(*identity.stores()) as connection:
        kept.bind(connection)

    fill(tmp_path, consent_events=[event(customer_id="bob")])
    home.kept.rename(newest := tmp_path / "newest")
    assert "kept is missing, or isn't the newest" in missing(home, "kept.missing")
    assert not home.kept.exists()
    home.kept.write_bytes(older)
    missing(home, "kept.missing")
    with pytest.raises(UsageError, match="isn't the newest"), kept.opened():
        pass
    home.kept.unlink()
    noted = home.kept_mark.rename(tmp_path / "noted")  # by which all of these are told already
    with pytest.raises(UsageError, match="kept is missing"), kept.opened():
        pass
    with kept.opened(first=True):
        pass  # another, with a secret of its own, as an earlier version would have made it
    missing(home, "kept.missing")

    shutil.copy(newest, home.kept)
    shutil.copy(noted, home.kept_mark)
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(marks, "note", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), kept.opened() as connection:
            kept.add_step(connection, "ann", ("A-2", "access"), "verified", at=NOW, actor="a test")
    assert kept.mark().steps == marks.noted(home.kept_mark).steps  # further than its note was
    load(sources_in(tmp_path))
    home.kept.unlink()
    kept_lost.begin_anew()
    load(sources_in(tmp_path))


def say(action="withdrawn"):
    word = {"customer_id": "ann", "action": action, "occurred_at": NOW, "recorded_at": NOW}
    return inbox.add("consent_events", word)


def test_an_older_inbox_is_refused_and_the_newest_never(home, tmp_path, monkeypatch):
    say("granted")
    older = home.inbox.read_bytes()
    say()
    newest = shutil.copy(home.inbox, tmp_path / "newest")
    home.inbox.write_bytes(older)
    for asked in (inbox.waiting, say, inbox.rewrite, lambda: inbox.forget(["ann"])):
        with pytest.raises(UsageError, match="inbox isn't the newest") as raised:
            asked()
        assert raised.value.rule == "inbox.missing"
        assert home.inbox.read_bytes() == older
    home.inbox.unlink()  # nothing is published yet, but something was said
    with pytest.raises(UsageError, match="inbox is missing"):
        inbox.waiting()

    shutil.copy(newest, home.inbox)
    with monkeypatch.context() as killed:
        killed.setattr(marks, "note", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            say()  # killed after the word was written, and before that was noted
    newest = home.inbox.read_bytes()
    assert len(inbox.waiting().consent_events) == 3
    assert home.inbox.read_bytes() == newest
    home.inbox.write_bytes(older)
    with pytest.raises(UsageError, match="inbox isn't the newest"):
        inbox.waiting()
    home.inbox.unlink()
    inbox.begin_anew()
    assert not inbox.waiting().by_feed
    home.inbox.write_bytes(newest)  # another by now
    with pytest.raises(UsageError, match="inbox isn't the newest"):
        inbox.waiting()


def test_what_has_left_the_inbox_does_not_come_back_with_an_older_one(home):
    say()
    older = home.inbox.read_bytes()
    for shrink in (lambda: inbox.drop(inbox.waiting()), inbox.rewrite):
        shrink()
        left = home.inbox.read_bytes()
        home.inbox.write_bytes(older)
        with pytest.raises(UsageError, match="inbox isn't the newest"):
            inbox.waiting()
        home.inbox.write_bytes(left)
        assert not inbox.waiting().by_feed


def test_an_inbox_of_an_earlier_version_is_taken_as_it_is(home):
    say()
    with inbox.opened() as connection:
        connection.execute("drop table inbox.come")
        connection.execute("alter table inbox.consent_events drop column given_by")
        connection.execute("checkpoint inbox")
        home.inbox_mark.unlink()
    assert len(inbox.waiting().consent_events) == 1
    assert marks.noted(home.inbox_mark)


@pytest.mark.parametrize(
    "said",
    ['{"of": "a", "steps": "abc"}', '{"of": "a"}', '{"of": "a", "steps": true}',
     '{"of": "a", "steps": -1}', '{"of": null, "steps": 1}', '{"steps": 1}', "[]"],
)  # fmt: skip
def test_a_damaged_note_of_the_inbox_is_refused_and_may_be_removed(home, said):
    say()
    home.inbox_mark.write_text(said)
    with pytest.raises(UsageError, match=r"inbox\.mark isn't whole") as raised:
        inbox.waiting()
    assert "remove this file" in str(raised.value)
    home.inbox_mark.unlink()
    assert len(inbox.waiting().consent_events) == 1


def test_nobody_is_exported_by_an_older_inbox(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(w for w, segment in one.members().items() if segment == 1)
    older = one.home.inbox.read_bytes()
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    newest = one.home.inbox.read_bytes()
    one.home.inbox.write_bytes(older)
    out = tmp_path / "out.csv"
    export = ("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
              "--unencrypted", "--json", "--to", str(out))  # fmt: skip
    for command in (export, LAND, ("consent", "show", who), ("rights", "list"),
                    ("backup", "--to", str(tmp_path / "backup"))):  # fmt: skip
        done = one.assent(*command)
        assert (done.status, "inbox isn't the newest" in done.err) == (2, True), done.said
    assert not out.exists()
    one.home.inbox.write_bytes(newest)
    assert one.assent(*export).json["held_back"] == {"segmentation: withdrawn": 1}


def test_a_word_waits_until_the_lost_vault_is_back(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    kept = one.home.vault.rename(tmp_path / "vault")
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    done = one.assent("run")
    assert done.status == 2, done.said
    assert "the vault knows nothing of" in done.err
    assert "recorded words" in done.err
    assert done.err.count("\n  -> ") == 1
    assert not one.home.vault.exists()
    with one.entered():
        assert len(inbox.waiting().consent_events) == 1
    kept.rename(one.home.vault)
    one.run(*LAND[1:])
    assert who not in one.in_mart()


@pytest.mark.slow
def test_recorded_words_are_missed_in_a_warehouse_that_is_lost_or_older(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    older = shutil.copy(one.home.warehouse, tmp_path / "older")
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    one.run(*LAND[1:])
    newest = one.home.warehouse.rename(tmp_path / "newest")
    files = {path: path.read_bytes() for path in one.home.published.iterdir()}
    for copy in (None, older):
        if copy:
            shutil.copy(copy, one.home.warehouse)
        for select in ("group:landing", "group:release"):
            done = one.assent("run", "--select", select)
            assert done.status, done.said
            assert {path: path.read_bytes() for path in one.home.published.iterdir()} == files
            if copy or select == "group:landing":
                assert f"{one.home.warehouse} is missing, or an older copy" in done.err
                assert one.home.warehouse.exists() == bool(copy)
    assert who not in one.in_mart()

    shutil.copy(newest, one.home.warehouse)
    one.run(*LAND[1:])  # as if nothing had been

    one.home.warehouse.unlink()
    for path in files:
        path.unlink()
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    one.run(*LAND[1:])
    with one.entered():
        assert not inbox.waiting().by_feed
    states = one.assent("consent", "show", who, "--json").json
    assert not [state for state in states if state["permitted"]]


def test_a_lost_warehouse_is_missed_before_the_erased_are_looked_for(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    vault = one.home.vault.read_bytes()
    number = one.assent("rights", "open", who, "erasure", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    assert one.assent("rights", "fulfil", number).status == 0
    one.home.vault.write_bytes(vault)  # which holds them again
    with one.entered():
        one.home.warehouse.unlink()
        with connected(warehouse_store()) as connection:  # as an earlier version's purge made it
            connection.execute("create schema governance")
    done = one.assent(*LAND)
    assert done.status == 2, done.said
    assert f"{one.home.warehouse} is missing, or an older copy" in done.err
    assert done.err.count("\n  -> ") == 1


def test_files_put_back_by_hand_bring_nobody_back_who_was_erased(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    before = {p: p.read_bytes() for p in (one.home.warehouse, one.home.vault, one.home.salts)}
    number = one.assent("rights", "open", who, "erasure", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    assert one.assent("rights", "fulfil", number).status == 0
    for path, content in before.items():
        path.write_bytes(content)
    assert who in one.everybody()  # positive control
    done = one.assent(*LAND)
    assert done.status == 0, done.said
    assert who not in one.everybody()
    assert who not in one.in_mart()


@pytest.mark.parametrize("name", ["salts", "vault.duckdb"])
def test_a_lost_file_is_said_to_be_missing_not_to_be_written_yet(small, tmp_path, name):
    one = small.copy(tmp_path / "home")
    who, number = min(one.members()), "A-0123456789"
    (one.root / name).unlink()
    export = ("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
              "--unencrypted", "--to", str(tmp_path / "out.csv"))  # fmt: skip
    commands = [
        ("consent", "show", who), export, ("rights", "list"), ("rights", "fulfil", number),
        ("backup", "--to", str(tmp_path / "backup")),
    ]  # fmt: skip
    if name != "salts":  # without it, nobody can tell who is a customer
        commands += [("rights", "open", who, "access"),
                     ("rights", "hold", who, "--reason", "x", "--until", "2030-01-01")]  # fmt: skip
    else:
        commands.append(LAND)
    for command in commands:
        done = one.assent(*command)
        assert (done.status, f"{one.root / name} is missing" in done.err) == (2, True), done.said
    with one.entered():
        assert not inbox.waiting().by_feed
        assert not (one.root / name).exists()


@pytest.mark.parametrize("options", [(), ("--separate",)])
def test_a_lost_warehouse_is_said_to_be_missing_by_a_backup(small, tmp_path, options):
    one = small.copy(tmp_path / "home")
    one.home.warehouse.unlink()
    done = one.assent("backup", "--to", str(tmp_path / "of-less"), *options)
    assert (done.status, f"{one.home.warehouse} is missing" in done.err) == (2, True), done.said
    assert "nothing has landed" not in done.err
    assert not one.home.warehouse.exists()
    assert not [path for path in tmp_path.iterdir() if "of-less" in path.name]


def test_a_list_that_is_lost_before_anything_has_landed_is_begun_anew(home):
    """Such as one that a legal hold began."""
    with kept.opened():
        pass
    home.kept.unlink()
    with pytest.raises(UsageError, match="rights new-kept"), kept.opened():
        pass
    kept_lost.begin_anew()
    with kept.opened() as connection:
        assert connection.execute("select count(*) from kept.suppressed").fetchall() == [(0,)]


def test_no_list_is_begun_anew_where_nothing_has_been_written(home):
    with pytest.raises(UsageError, match="nothing has been written yet"):
        kept_lost.begin_anew()
    assert not home.vault.exists()
