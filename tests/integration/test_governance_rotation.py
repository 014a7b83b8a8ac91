"""Changing keys: every file opens afterwards, however it ended; receipts and handles stay good."""

import json
import secrets

import duckdb
import pytest

from governance import identity, inbox, rotation
from governance.rights import kept, receipt
from orchestration.common import key_names
from tests.support.installation import IN_THE_FIRST_BLOCK
from warehouse import keys
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import UsageError
from warehouse.publish import published_purposes

FILES = ("warehouse", "vault", "salts", "inbox", "kept")


def opened(one):
    """Open every file of an installation and return what tells whether it is whole."""
    with one.entered():
        with identity.opened(warehouse_store()) as connection:
            found = connection.execute(
                "select (select count(*) from warehouse.landing.transactions),"
                " (select count(*) from vault.subjects), (select count(*) from salts.salts)"
            ).fetchall()
        found += [(kept.mark(), len(inbox.waiting().consent_events))]
        for purpose in published_purposes():
            with connected(published_store(purpose)) as connection:
                found += connection.execute(
                    "select count(*), sum(estimated_size) from duckdb_tables()"
                ).fetchall()
    return found


def fits(path, key):
    """Tell whether a file opens with a key, asked of DuckDB alone."""
    with duckdb.connect() as connection:
        try:
            connection.execute(f"attach '{path}' as f (encryption_key '{key}', read_only)")
        except duckdb.Error:
            return False
    return True


@pytest.fixture
def one(small, tmp_path):
    return small.copy(tmp_path / "home")


def test_a_file_that_there_never_was_is_not_missing(home):
    """Such as after a first run that was killed."""
    with connected(warehouse_store()):
        pass
    rotation.rotate(["kept"])
    with kept.opened():
        pass
    home.kept.unlink()
    with pytest.raises(UsageError, match="kept is missing"):
        rotation.rotate(["kept"])


def test_every_file_opens_with_a_new_key_alone(one, tmp_path):
    before = opened(one)
    with one.entered():
        names = key_names()
        old = {name: keys.get(name) for name in names}
        signed = receipt.signed({"request_id": "A-1"})
        with kept.opened() as connection:
            handle = kept.handle_of(connection, "ann")
    assert one.assent("consent", "record", "ann", "withdrawn").status == 0
    done = one.assent("keys", "rotate")
    assert done.status == 0, done.said
    assert not done.err
    with one.entered():
        new = {name: keys.get(name) for name in names}
        assert not [name for name in names if new[name] == old[name]]
        assert [keys.fitting(name) for name in names] == [[new[name]] for name in names]
        assert receipt.holds(signed)
        assert receipt.signed({"request_id": "A-1"})["public_key"] != signed["public_key"]
        assert not receipt.holds(signed | {"public_key": signed["signature"]})
        with kept.opened() as connection:
            assert kept.handle_of(connection, "ann") == handle
        assert len(inbox.waiting().consent_events) == 1
    place = {name: one.root / name for name in FILES} | {
        "warehouse": one.home.warehouse, "vault": one.home.vault,
        **{f"published_{path.stem}": path for path in one.home.published.glob("*.duckdb")},
    }  # fmt: skip
    assert len(place) > 7
    assert [name for name, path in place.items() if fits(path, old[name])] == []
    assert [name for name, path in place.items() if not fits(path, new[name])] == []
    after = opened(one)
    assert (after[0], after[2:]) == (before[0], before[2:])
    acts = [act for act in one.acts() if act["act"] == "keys.rotate"]
    assert [sorted(act["names"]) for act in acts] == [sorted(names)]
    said = done.said + json.dumps(one.acts()) + one.assent("keys", "list").said
    assert not [key for key in (*old.values(), *new.values()) if key in said]
    kept_aside = [p for p in one.keys.iterdir() if ".until-" in p.name]
    assert {p.read_text() for p in kept_aside} == set(old.values())


def test_the_key_of_an_older_inbox_stays(one):
    older = one.home.inbox.read_bytes()
    assert one.assent("consent", "record", "ann", "withdrawn").status == 0
    newest = one.home.inbox.read_bytes()
    before = {p: p.read_bytes() for p in one.keys.iterdir()}
    one.home.inbox.write_bytes(older)
    done = one.assent("keys", "rotate", "inbox")
    assert (done.status, "inbox isn't the newest" in done.err) == (2, True), done.said
    assert one.home.inbox.read_bytes() == older
    assert {p: p.read_bytes() for p in one.keys.iterdir()} == before
    one.home.inbox.write_bytes(newest)
    with one.entered():
        assert len(inbox.waiting().consent_events) == 1
    assert one.assent("keys", "rotate", "inbox").status == 0


def test_supplied_keys_are_changed_by_whoever_supplies_them(one):
    with one.entered():
        first = keys.get("inbox")
    second = secrets.token_hex(32)
    refused = one.assent("keys", "rotate", "inbox", "vault", ASSENT_KEY_INBOX=first)
    assert refused.status == 2
    assert "no new key for 'inbox' is supplied" in refused.err
    assert "set ASSENT_KEY_NEW_INBOX or ASSENT_KEY_NEW_INBOX_FILE" in refused.err
    same = one.assent("keys", "rotate", "inbox", ASSENT_KEY_INBOX=first, ASSENT_KEY_NEW_INBOX=first)
    assert "is the one that it has" in same.err
    assert fits(one.home.inbox, first)
    both = {"ASSENT_KEY_INBOX": first, "ASSENT_KEY_NEW_INBOX": second}
    assert one.assent("consent", "record", "ann", "withdrawn", **both).status == 0
    done = one.assent("keys", "rotate", "inbox", **both)
    assert done.status == 0, done.said
    assert "supply the new key in the old one's place: inbox" in done.err
    assert fits(one.home.inbox, second)
    assert one.assent("consent", "record", "bob", "withdrawn", **both).status == 0
    assert one.assent("consent", "record", "bob", "granted", "--notice-version", "1",
                      ASSENT_KEY_INBOX=second).status == 0  # fmt: skip
    wrong = one.assent("consent", "record", "bob", "withdrawn", ASSENT_KEY_INBOX=first)
    assert "the key 'inbox' doesn't fit the file inbox" in wrong.err
    assert first not in wrong.said
    listed = {k["name"]: k for k in one.assent("keys", "list", "--json", **both).json}
    assert listed["inbox"] == {
        "name": "inbox", "opens": "inbox", "place": "ASSENT_KEY_INBOX", "days": 0, "new": True,
    }  # fmt: skip
    assert listed["warehouse"]["place"] == str(one.keys / "warehouse")
    assert one.assent("keys", "rotate", "nobody").status == 2


def test_in_production_no_key_is_changed_for_one_that_no_run_takes(one, tmp_path):
    supplied = {f"ASSENT_KEY_{key.name.upper()}": key.read_text() for key in one.keys.iterdir()
                if "." not in key.name}  # fmt: skip
    content = one.home.inbox.read_bytes()
    for bad, said in (("x" * 17, "shorter than 32 characters: ASSENT_KEY_NEW_INBOX"),
                      (supplied["ASSENT_KEY_VAULT"], "the same key is in ")):  # fmt: skip
        real = {"ASSENT_PRODUCTION": "1", "ASSENT_SOURCES": str(tmp_path / "none.yaml")}
        done = one.assent("keys", "rotate", "inbox", **real, **supplied, ASSENT_KEY_NEW_INBOX=bad)
        assert (done.status, said in done.err) == (2, True), done.said
        assert bad not in done.said
    assert one.home.inbox.read_bytes() == content


def test_a_restore_says_that_the_key_is_to_be_that_of_the_backup(one, tmp_path):
    assert one.assent("backup", "--to", str(tmp_path / "state")).status == 0
    assert one.assent("keys", "rotate", "inbox").status == 0
    done = one.assent("restore", "--from", str(tmp_path / "state"))
    assert (done.status, "doesn't fit the file inbox of the backup" in done.err) == (2, True)
    assert "(ASSENT_KEY_INBOX), and the present one as ASSENT_KEY_NEW_INBOX" in done.err
    old = next(one.keys.glob("inbox.until-*")).read_text()
    both = {"ASSENT_KEY_INBOX": old, "ASSENT_KEY_NEW_INBOX": (one.keys / "inbox").read_text()}
    assert one.assent("restore", "--from", str(tmp_path / "state"), **both).status == 0


OLD = "segmentation.duckdb isn't the file that its key 'published_segmentation' has written"
ANEW = "`assent run` writes published files anew"
ASK = ("query", "--purpose", "segmentation", "from segments")


def erase_somebody(one):
    customer = min(one.everybody())
    opened = one.assent("rights", "open", customer, "erasure", "--json")
    number = opened.json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "card").status == 0
    return one.assent("rights", "fulfil", number)


ACTS = {
    "an erasure": erase_somebody,
    "a run": lambda one: one.assent("run", "--select", "group:landing"),
    "a rotation": lambda one: one.assent("keys", "rotate", "published_segmentation"),
}


@pytest.mark.slow
def test_a_published_file_of_before_is_as_good_as_damaged(one):
    path = one.home.published_file("segmentation")
    older = path.read_bytes()
    assert one.assent("keys", "rotate", "published_segmentation").status == 0
    for act in ACTS.values():
        path.write_bytes(older)
        read = one.assent(*ASK)
        assert (read.status, OLD in read.err, f"-> {ANEW}" in read.err) == (2, True, True), read.err
        assert path.exists()
        done = act(one)
        assert done.status == 0, done.said
        assert not path.exists()
        assert "nothing has been written yet" in one.assent(*ASK).err


@pytest.mark.parametrize(
    "act", ["an erasure", pytest.param("a run", marks=pytest.mark.slow), "a rotation"]
)
def test_a_wrong_key_lets_nothing_be_removed(one, act):
    """Supplied by mistake, such as the one that was changed: the file is the right one."""
    with one.entered():
        first = keys.get("published_segmentation")
    assert one.assent("keys", "rotate", "published_segmentation").status == 0
    path = one.home.published_file("segmentation")
    content = path.read_bytes()
    (one.keys / "published_segmentation").write_text(first)
    done = ACTS[act](one)
    assert done.status == 2, done.said
    assert "the key 'published_segmentation' doesn't fit the file segmentation.duckdb" in done.err
    assert f"if that is lost, remove {path}: {ANEW}" in done.err
    assert path.read_bytes() == content
    assert not list(one.keys.glob("*.new"))


def test_a_file_that_can_not_be_written_anew_keeps_its_key(one):
    content = one.home.warehouse.read_bytes()
    flipped = bytearray(content)
    flipped[IN_THE_FIRST_BLOCK] ^= 1
    one.home.warehouse.write_bytes(flipped)
    key = (one.keys / "warehouse").read_text()
    done = one.assent("keys", "rotate", "warehouse", "published_segmentation")
    assert (done.status, "warehouse.duckdb is damaged" in done.err) == (2, True), done.said
    assert (one.keys / "warehouse").read_text() == key
    one.home.warehouse.write_bytes(content)
    flipped = bytearray(one.home.published_file("segmentation").read_bytes())
    flipped[IN_THE_FIRST_BLOCK] ^= 1
    one.home.published_file("segmentation").write_bytes(flipped)
    done = one.assent("keys", "rotate", "warehouse", "published_segmentation")
    assert done.status == 0, done.said
    assert "changed: warehouse;" in done.out
    assert not one.home.published_file("segmentation").exists()
    assert opened(one)


@pytest.mark.slow
def test_what_is_published_while_both_keys_are_known_is_under_the_new_one(one):
    """Nothing turns back: what is written anew is written with the new key."""
    second = secrets.token_hex(32)
    named = {"ASSENT_KEY_NEW_PUBLISHED_PERMISSION": second}
    assert one.assent("run", "--select", "group:landing", **named).status == 0
    assert fits(one.home.published_file("permission"), second)
