"""Where keys come from, and what is said when one is missing or wrong."""

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from governance import identity
from governance.rights import kept, receipt
from governance.rotation import rotate
from orchestration.migrations import MIGRATIONS
from warehouse import keys
from warehouse.connect import Store, connected, warehouse_store
from warehouse.errors import KeyMissingError
from warehouse.home import PROJECT


def test_a_first_local_run_makes_a_key_beside_the_home(home):
    key = keys.get("warehouse")
    path = home.root.with_name("state.keys") / "warehouse"
    assert path.read_text() == key
    assert len(key) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.is_relative_to(home.root)


def test_the_same_key_is_found_again(home):
    assert keys.get("vault") == keys.get("vault")
    assert keys.get("vault") != keys.get("salts")


def test_production_makes_no_key(home, monkeypatch):
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    with pytest.raises(KeyMissingError, match="no key for 'warehouse'"):
        keys.get("warehouse")
    assert not keys.folder().exists()


def test_production_takes_supplied_keys(home, monkeypatch, tmp_path):
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "from-the-environment")
    (tmp_path / "vault-key").write_text("from-a-file-that-is-named\n")
    monkeypatch.setenv("ASSENT_KEY_VAULT_FILE", str(tmp_path / "vault-key"))
    assert keys.get("warehouse") == "from-the-environment"
    assert keys.get("vault") == "from-a-file-that-is-named"


def test_a_named_key_file_that_is_missing_is_never_made(home, monkeypatch, tmp_path):
    monkeypatch.setenv("ASSENT_KEY_VAULT_FILE", str(tmp_path / "gone"))
    with pytest.raises(
        KeyMissingError, match=r"(?s)no key for 'vault'.*none is made where ASSENT_KEY_VAULT_FILE"
    ):
        keys.get("vault")
    assert not (tmp_path / "gone").exists()


def test_a_lost_key_is_not_replaced_by_a_new_one(home):
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.t as select 1 as x")
    (keys.folder() / "warehouse").unlink()
    with pytest.raises(KeyMissingError, match="the key of 'warehouse' is gone"):
        keys.get("warehouse")


@pytest.mark.parametrize("left", [{"receipts", "warehouse"}, set()])
def test_where_a_key_is_lost_none_is_changed_and_none_made(home, left):
    for store in (warehouse_store(), *identity.stores()):
        with connected(store):
            pass
    keys.get("receipts")
    for path in keys.folder().iterdir():
        if path.name not in left:
            path.unlink()
    with pytest.raises(KeyMissingError) as raised:
        rotate(["receipts", "warehouse", "vault", "salts"])
    said = raised.value.what
    gone = {"warehouse", "vault", "salts"} - left
    assert {name for name in ("warehouse", "vault", "salts") if f"'{name}' is gone" in said} == gone
    assert {path.name for path in keys.folder().iterdir()} == left


def test_a_lost_key_of_receipts_is_missed_once_one_was_signed(home):
    keys.get("receipts")
    (keys.folder() / "receipts").unlink()
    receipt.require_key()  # nothing was signed with it
    told = receipt.signed({"request_id": "A-1"})
    (keys.folder() / "receipts").unlink()
    for act in (receipt.require_key, lambda: receipt.signed({}), lambda: receipt.holds(told),
                lambda: rotate(["receipts"])):  # fmt: skip
        with pytest.raises(KeyMissingError, match="the key of 'receipts' is gone") as raised:
            act()
        assert str(home.receipts) in raised.value.what
    assert not list(keys.folder().glob("receipts*"))


def test_another_key_of_receipts_is_refused_unless_it_was_changed(home, monkeypatch):
    first = receipt.signed({"request_id": "A-1"})
    old = keys.get("receipts")
    monkeypatch.setenv("ASSENT_KEY_RECEIPTS", "n" * 32)
    for act in (receipt.require_key, lambda: receipt.signed({}), lambda: rotate(["receipts"])):
        with pytest.raises(KeyMissingError, match="isn't the one that receipts have been signed"):
            act()
    monkeypatch.setenv("ASSENT_KEY_RECEIPTS", old)
    monkeypatch.setenv("ASSENT_KEY_NEW_RECEIPTS", "n" * 32)
    rotate(["receipts"])
    monkeypatch.setenv("ASSENT_KEY_RECEIPTS", "n" * 32)
    monkeypatch.delenv("ASSENT_KEY_NEW_RECEIPTS")
    receipt.require_key()
    assert receipt.holds(first)


def test_what_a_key_signed_is_genuine_where_another_took_its_place_without_a_rotation(
    home, monkeypatch
):
    first = receipt.signed({"request_id": "A-1"})
    monkeypatch.setenv("ASSENT_KEY_NEW_RECEIPTS", "n" * 32)
    receipt.signed({"request_id": "A-2"})
    monkeypatch.delenv("ASSENT_KEY_NEW_RECEIPTS")
    monkeypatch.setenv("ASSENT_KEY_RECEIPTS", "n" * 32)
    receipt.require_key()
    assert receipt.holds(first)


def test_a_note_of_a_key_from_before_its_rotation_is_replaced(home, monkeypatch):
    """Such as from a backup: what is kept of the erased, which is newer, knows both."""
    first = receipt.signed({"request_id": "A-1"})
    noted = home.receipts.read_text()
    rotate(["receipts"])
    home.receipts.write_text(noted)
    rotate(["receipts"])
    home.receipts.write_text(noted)
    second = receipt.signed({"request_id": "A-2"})
    assert home.receipts.read_text() == second["public_key"] != noted
    assert receipt.holds(first)
    home.receipts.write_text(noted)
    monkeypatch.setenv("ASSENT_KEY_RECEIPTS", "n" * 32)  # one that has never signed
    with pytest.raises(KeyMissingError, match="isn't the one that receipts have been signed"):
        receipt.signed({})


def test_of_a_state_that_noted_no_key_the_newest_receipt_tells_it(home):
    older = receipt.signed({"erased_at": "2024-05-01T09:00:00"})
    rotate(["receipts"])
    newest = receipt.signed({"answered_at": "2024-07-01T09:00:00+00:00"})
    with kept.opened() as connection:
        for told in (newest, older, {"rows_found": {}}):  # the last one isn't signed yet
            connection.execute(
                "insert into kept.receipts values ('7', uuid(), 'erasure', ?)", [json.dumps(told)]
            )
    home.receipts.unlink()
    (keys.folder() / "receipts").unlink()
    MIGRATIONS[4]()
    assert home.receipts.read_text() == newest["public_key"] != older["public_key"]
    with pytest.raises(KeyMissingError, match="the key of 'receipts' is gone"):
        receipt.require_key()


def test_a_key_that_is_too_short_is_refused(home, monkeypatch):
    monkeypatch.setenv("ASSENT_KEY_INBOX", "short")
    with pytest.raises(KeyMissingError, match="shorter than 16"):
        keys.get("inbox")


@pytest.fixture
def supplied(home, monkeypatch, tmp_path):
    """Good keys in production mode: by variable, by a file that is named, and in a folder."""
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "w" * 32)
    (tmp_path / "vault-key").write_text("v" * 32)
    monkeypatch.setenv("ASSENT_KEY_VAULT_FILE", str(tmp_path / "vault-key"))
    (tmp_path / "salts").write_text("s" * 32)
    monkeypatch.setenv("ASSENT_KEYS", str(tmp_path))
    return ["warehouse", "vault", "salts"]


def refused(names):
    with pytest.raises(KeyMissingError) as raised:
        keys.require(names)
    return str(raised.value)


def test_one_key_for_several_files_is_refused(supplied, monkeypatch, tmp_path):
    keys.require(supplied)
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "v" * 32)
    (tmp_path / "salts").write_text("v" * 32 + "\n")
    said = refused(supplied)
    assert (
        "the same key is in ASSENT_KEY_WAREHOUSE, ASSENT_KEY_VAULT_FILE, salts (of ASSENT_KEYS);"
    ) in said
    assert len(said.splitlines()) == 1
    assert "vvvv" not in said


def test_a_short_key_is_refused_where_all_are_required(supplied, monkeypatch):
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "w" * 31)
    said = refused(supplied)
    assert "shorter than 32 characters: ASSENT_KEY_WAREHOUSE; " in said
    assert len(said.splitlines()) == 1
    assert "wwww" not in said
    assert keys.get("warehouse") == "w" * 31  # what it was written with can still be read


def test_a_wrong_key_gives_one_clear_line_without_the_key(home, monkeypatch):
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.t as select 1 as x")
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "a-wrong-key-of-some-length")
    with pytest.raises(KeyMissingError) as raised, connected(warehouse_store()):
        pass
    assert raised.value.what == "the key 'warehouse' doesn't fit the file warehouse.duckdb"
    assert "a-wrong-key" not in str(raised.value)


def test_a_file_that_is_no_database_is_said_so(home):
    home.warehouse.write_bytes(b"not a database" * 1000)
    keys.folder().mkdir()
    (keys.folder() / "warehouse").write_text("0123456789abcdef0123")
    with (
        pytest.raises(Exception, match=r"warehouse\.duckdb") as raised,
        connected(Store("warehouse", home.warehouse, "warehouse")),
    ):
        pass
    assert "0123456789abcdef" not in str(raised.value)


def test_children_inherit_no_key_but_the_warehouse_s(home):
    environment = {
        "PATH": "/bin", "ASSENT_KEY_VAULT": "v", "ASSENT_KEY_SALTS_FILE": "s",
        "ASSENT_KEY_WAREHOUSE": "w", "ASSENT_HOME": "h",
    }  # fmt: skip
    assert keys.without_keys(environment) == {
        "PATH": "/bin", "ASSENT_KEY_WAREHOUSE": "w", "ASSENT_HOME": "h",
    }  # fmt: skip


def test_processes_that_make_a_key_at_once_agree(home):
    """Processes of their own: a pool of forked ones can hang at its end."""
    code = (
        "import hashlib; from warehouse import keys;"
        " print(hashlib.sha256(keys.get('published_offers').encode()).hexdigest())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE)
        for _ in range(8)
    ]
    told = {process.communicate(timeout=60)[0] for process in started}
    assert all(process.returncode == 0 for process in started)
    kept = (keys.folder() / "published_offers").read_bytes().strip()
    assert told == {f"{hashlib.sha256(kept).hexdigest()}\n".encode()}


def test_a_child_started_while_keys_are_withheld_was_never_given_them(home, monkeypatch):
    """Whatever it drops later, the operating system shows what it was started with."""
    given = {f"ASSENT_KEY_{name}": f"{name}-key-0123456789" for name in ("VAULT", "WAREHOUSE")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    def environment_of_a_child() -> bytes:
        ask = "import sys; print(flush=True); sys.stdin.read()"
        pipe = subprocess.PIPE
        with subprocess.Popen([sys.executable, "-c", ask], stdin=pipe, stdout=pipe) as process:
            process.stdout.readline()  # until the program runs the file is still empty
            return Path(f"/proc/{process.pid}/environ").read_bytes()

    if not Path("/proc/self/environ").exists():
        pytest.skip("only Linux shows the environment of a process as a file")
    with keys.withheld():
        found = environment_of_a_child()
    assert given["ASSENT_KEY_VAULT"].encode() not in found
    assert given["ASSENT_KEY_WAREHOUSE"].encode() in found
    assert given["ASSENT_KEY_VAULT"].encode() in environment_of_a_child()  # positive control
