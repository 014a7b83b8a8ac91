"""An older vault would undo what it alone holds: by hand, none is put back; by a restore it is."""

import shutil

import pytest

from governance import identity, vault_bound
from governance.rights import kept
from tests.support.feeds import fill, load, sources_in
from tests.support.installation import own_feeds
from warehouse.connect import connected
from warehouse.errors import UsageError

LAND = ("run", "--select", "key:landing/clocks")
OLDER = "vault.duckdb is an older copy"
EXPORT = ("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
          "--unencrypted", "--to")  # fmt: skip


def asked(one, who, kind):
    number = one.assent("rights", "open", who, kind, "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    return number


def correct(one, folder, number):
    (folder / "changes.json").write_text('{"email": "right@example.org"}')
    return one.assent("rights", "fulfil", number, "--changes", str(folder / "changes.json"))


def email(one, who):
    with one.entered(), identity.opened() as connection:
        query = "select email from vault.identifiers join vault.subjects using (subject_key)"
        return connection.execute(f"{query} where customer_id = ?", [who]).fetchall()[0][0]


def refused(one, *command):
    done = one.assent(*command)
    assert (done.status, OLDER in done.err) == (2, True), (command, done.said)


@pytest.mark.slow
def test_an_older_vault_that_would_undo_a_rectification_is_refused(small, tmp_path, monkeypatch):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    who = min(one.members())
    assert one.assent("backup", "--to", str(tmp_path / "backup")).status == 0
    number = asked(one, who, "rectification")
    assert one.assent(*LAND).status == 0  # the vault notes how far `kept` has come
    older = shutil.copy(one.home.vault, tmp_path / "older")
    done = correct(one, tmp_path, number)
    assert done.status == 0, done.said
    newest = shutil.copy(one.home.vault, tmp_path / "newest")

    shutil.copy(older, one.home.vault)
    for command in (
        LAND, ("rights", "list"), (*EXPORT, str(tmp_path / "out.csv")),
        ("backup", "--to", str(tmp_path / "b")),
        ("rights", "readmit", "nobody", "--evidence", "x"), ("keys", "rotate", "vault"),
    ):  # fmt: skip
        refused(one, *command)
    assert not [path for path in tmp_path.iterdir() if path.name in ("out.csv", "b")]

    shutil.copy(newest, one.home.vault)
    assert one.assent("keys", "rotate", "kept").status == 0
    assert one.assent("rights", "purge").status == 0
    assert one.assent(*LAND).status == 0
    assert email(one, who) == "right@example.org"

    # A restore brings one that is as old, and opens the request again.
    done = one.assent("restore", "--from", str(tmp_path / "backup"))
    assert done.status == 0, done.said
    restored = shutil.copy(one.home.vault, tmp_path / "restored")
    assert one.assent(*LAND).status == 0
    assert email(one, who) != "right@example.org"
    assert one.assent("rights", "show", number, "--json").json["status"] == "open"
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    with monkeypatch.context() as killed:  # before `kept` knows of it
        killed.setattr(kept, "require_newest", lambda: 1 / 0)
        assert correct(one, tmp_path, number).status == 2
    assert one.assent(*LAND).status == 0
    assert email(one, who) == "right@example.org"
    shutil.copy(restored, one.home.vault)
    refused(one, *LAND)


def test_one_that_is_begun_anew_is_no_older_one(home, tmp_path):
    """Nobody is in it of whom anything could be undone; from then on it is held to the same."""
    fill(tmp_path)
    load(sources_in(tmp_path))
    older = shutil.copy(home.vault, tmp_path / "older")
    with connected(identity.stores()[0]) as connection:
        vault_bound.decide(connection)
    load(sources_in(tmp_path))
    older_and_salts = (older, shutil.copy(home.salts, tmp_path / "salts"))
    for path in (home.warehouse, home.vault, home.salts):
        path.unlink()
    load(sources_in(tmp_path))
    for path, copy in zip((home.vault, home.salts), older_and_salts, strict=True):
        shutil.copy(copy, path)
    home.warehouse.unlink()
    with pytest.raises(UsageError) as raised:
        load(sources_in(tmp_path))
    assert raised.value.rule == "vault.older"


def test_a_reader_that_met_a_rectification_asks_once_more():
    """It reads the vault, then `kept`, which may know of what was decided in between."""
    rules = [vault_bound.OLDER]

    @vault_bound.again_if_older
    def ask():
        if rules:
            raise UsageError("older", "put back", rule=rules.pop(0))
        return "found"

    assert ask() == "found"
    rules = [vault_bound.OLDER] * 2
    with pytest.raises(UsageError, match="older"):
        ask()
