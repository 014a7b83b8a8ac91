"""`kept` must be the newest before anybody is erased; whoever it names is in no export."""

import shutil
from datetime import datetime

import pytest

from governance import identity
from governance.policy.words import PERMISSION
from tests.support.installation import add_consent_events, damage, own_feeds
from tests.support.whereabouts import held, keys_of
from warehouse.connect import connected

EXPORT = ("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
          "--unencrypted", "--json", "--to")  # fmt: skip


def asked(one, who, kind="erasure"):
    number = one.assent("rights", "open", who, kind, "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    return number


def test_nobody_is_erased_without_the_newest(small, tmp_path):
    """Their entry would lie in another file, and the next feed would bring them back."""
    one = small.copy(tmp_path / "home")
    who, other = sorted(one.members())[:2]
    assert one.assent("rights", "fulfil", asked(one, other)).status == 0
    before = shutil.copy(one.home.kept, tmp_path / "before")
    number = asked(one, who)
    one.run("--select", "group:landing")  # notes how far it has come
    newest = one.home.kept.rename(tmp_path / "newest")
    for older in (False, True):
        if older:
            shutil.copy(before, one.home.kept)
        done = one.assent("rights", "fulfil", number)
        assert done.status == 2
        assert "kept is missing, or isn't the newest" in done.err
        assert held(one, who)
        assert not list(one.home.journal.iterdir())
        if not older:  # nor is another made by those who only write into it
            for command in (("verify", number, "--method", "by letter"), ("list",), ("notices",)):
                assert one.assent("rights", *command).status == 2
            assert one.assent(*EXPORT, str(tmp_path / "out.csv")).status == 2
            assert not one.home.kept.exists()
            assert not (tmp_path / "out.csv").exists()
    shutil.copy(newest, one.home.kept)
    assert one.assent("rights", "fulfil", number).status == 0
    assert not held(one, who)


@pytest.mark.parametrize("with_mark", [False, True])
def test_an_older_one_never_catches_up_with_what_the_vault_knows(small, tmp_path, with_mark):
    """Though its mark is as old, or lost: each row that is written to it would count."""
    one = small.copy(tmp_path / "home")
    number = asked(one, min(one.members()))
    older, mark = (p.read_bytes() for p in (one.home.kept, one.home.kept_mark))
    assert one.assent("rights", "fulfil", number).status == 0
    one.home.kept.write_bytes(older)
    one.home.kept_mark.write_bytes(mark)
    if not with_mark:
        one.home.kept_mark.unlink()
    for command in (
        (*EXPORT, str(tmp_path / "out.csv")), ("rights", "list"), ("rights", "purge"),
        ("rights", "verify", number, "--method", "by letter"), ("rights", "notices"),
        ("rights", "hold", max(one.members()), "--reason", "claim", "--until", "2030-01-01"),
        ("keys", "rotate", "kept"), ("backup", "--separate", "--to", str(tmp_path / "b")),
        ("run", "--select", "group:landing"),
    ):  # fmt: skip
        done = one.assent(*command)
        assert (done.status, "isn't the newest" in done.err) == (2, True), (command, done.said)
        assert not (tmp_path / "out.csv").exists()
    assert one.home.kept.read_bytes() == older


def test_nor_is_an_older_one_taken_together_with_a_vault_that_is_as_old(small, tmp_path):
    """The vault knows no better then, but what is published does."""
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    who, other = sorted(one.members())[:2]
    number = asked(one, other)
    paths = (one.home.vault, one.home.kept, one.home.kept_mark, one.home.salts)
    older = {path: path.read_bytes() for path in paths}
    assert one.assent("rights", "fulfil", asked(one, who)).status == 0
    newest = {path: path.read_bytes() for path in paths}
    moment = datetime(2024, 6, 1)
    word = {"event_id": "again", "customer_id": who, "action": "granted", "occurred_at": moment,
            "recorded_at": moment, "notice_version": 2}  # fmt: skip
    add_consent_events(tmp_path / "feeds", "again", [word])
    for files in (older, newest):
        for path, content in files.items():
            path.write_bytes(content)
        refused = files is older
        for command in (
            ("run", "--select", "group:landing"), (*EXPORT, str(tmp_path / "out.csv")),
            ("rights", "list"), ("backup", "--to", str(tmp_path / "b")), ("rights", "purge"),
            ("backup", "--separate", "--to", str(tmp_path / "c")), ("rights", "fulfil", number),
        ):  # fmt: skip
            done = one.assent(*command)
            if refused:
                said = (done.status, "kept is missing, or isn't the newest" in done.err)
                assert said == (2, True), (command, done.said)
                assert {path: path.read_bytes() for path in paths} == older, command
                assert not [p for p in tmp_path.iterdir() if p.name in ("out.csv", "b", "c")]
            else:  # nothing stands in the way of the newest
                assert done.status == 0, (command, done.said)
            assert not keys_of(one, who)


@pytest.mark.parametrize("published", [True, False])
def test_one_that_is_begun_anew_is_no_older_one(small, tmp_path, published):
    """Of which what is published knew better; nor is it, once that is lost."""
    one = small.copy(tmp_path / "home")
    older = {p: p.read_bytes() for p in (one.home.kept, one.home.kept_mark)}
    assert one.assent("rights", "fulfil", asked(one, min(one.members()))).status == 0
    for path, content in older.items():
        path.write_bytes(content)
    if not published:
        damage(one.home.published_file(PERMISSION))
    assert one.assent("rights", "new-kept").status == 0
    one.run("--select", "group:landing")
    assert one.assent("rights", "list").status == 0


@pytest.mark.parametrize("had_returned", [False, True])
def test_the_erased_are_in_no_export_though_older_files_were_put_back(
    small, tmp_path, had_returned
):
    one = small.copy(tmp_path / "home")
    who = min(w for w, segment in one.members().items() if segment == 1)
    if had_returned:  # from an erasure before that, as those files know
        with one.entered(), connected(*identity.stores()) as connection:
            connection.execute(
                "insert into vault.readmitted select subject_key, timestamp '2024-06-01',"
                " timestamp '2024-06-01' from vault.subjects where customer_id = ?", [who],
            )  # fmt: skip
    for path in (one.home.vault, one.home.salts, one.home.published):
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / path.name)
    assert one.assent("rights", "fulfil", asked(one, who)).status == 0
    for path in (one.home.vault, one.home.salts):
        shutil.copy(tmp_path / path.name, path)
    shutil.copytree(tmp_path / one.home.published.name, one.home.published, dirs_exist_ok=True)
    done = one.assent(*EXPORT, str(tmp_path / "out.csv"))
    assert done.status == 0, done.said
    assert done.json["held_back"] == {"erased": 1}
    assert who not in (tmp_path / "out.csv").read_text()


def test_who_opens_a_request_of_an_erased_customer_is_told(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    assert one.assent("rights", "fulfil", asked(one, who)).status == 0
    assert (
        "was erased: answer it before the next run"
        in one.assent("rights", "open", who, "access").out
    )
    hold = ("rights", "hold", "nobody", "--reason", "claim", "--until", "2030-01-01")
    assert "no such customer yet" in one.assent(*hold).out
    with one.entered():
        assert identity.look_up(who)[0] is False


@pytest.mark.parametrize("said", ["", " \t"])
def test_what_the_law_asks_for_is_not_left_empty(small, tmp_path, said):
    one = small.copy(tmp_path / "home")
    number = one.assent("rights", "open", min(one.members()), "access", "--json").json["request_id"]
    for command in (
        ("refuse", number, "--ground", said, "--complaint", "the authority"),
        ("refuse", number, "--ground", "none", "--complaint", said),
        ("verify", number, "--method", said),
        ("hold", min(one.members()), "--reason", said, "--until", "2030-01-01"),
    ):
        done = one.assent("rights", *command)
        assert (done.status, "a text is empty" in done.err) == (2, True), done.said
    assert one.assent("rights", "show", number, "--json").json["status"] == "open"


def test_a_hold_ends_when_its_last_day_has_ended_everywhere(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    hold = ("rights", "hold", who, "--reason", "claim", "--until")
    day, evening, over = "2026-06-03", "2026-06-04T00:30:00Z", "2026-06-04T12:00:00Z"
    assert one.assent(*hold, day, ASSENT_NOW=evening).status == 0
    assert one.assent(*hold, day, ASSENT_NOW=over).status == 2
    endless = one.assent(*hold, "9999-12-31")
    assert (endless.status, "--until is after 2999" in endless.err) == (2, True)
    number = asked(one, who)
    done = one.assent("rights", "fulfil", number, ASSENT_NOW=evening)
    assert (done.status, "legal hold" in done.err) == (2, True), done.said
    assert one.assent("rights", "fulfil", number, ASSENT_NOW=over).status == 0
