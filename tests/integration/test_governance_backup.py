"""Backup, erase, restore: the erased stay gone, and nothing is read before a run has judged it."""

import json
import re
import shutil
import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from governance import inbox
from tests.support.installation import add_consent_events, damage, own_feeds
from tests.support.whereabouts import held, keys_of, rows_with
from warehouse.home import SEPARATE

LATER = "2025-03-01T00:00:00Z"


def erase(one, who):
    number = one.assent("rights", "open", who, "erasure", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.assent("rights", "fulfil", number)
    assert done.status == 0, done.said


def backed_up(one, folder, *options):
    done = one.assent("backup", "--to", str(folder), *options)
    assert done.status == 0, done.said
    return json.loads((folder / "manifest.json").read_bytes())


def restored(one, folder, *options):
    """Restore; the compiled project, which no backup has, is put back as a run would make it."""
    compiled, aside = one.home.dbt / "compiled", one.root.with_name("compiled")
    known = compiled.exists()
    if known:
        compiled.rename(aside)
    done = one.assent("restore", "--from", str(folder), *options)
    if known:
        compiled.parent.mkdir(exist_ok=True)
        aside.rename(compiled)
    return done


@pytest.fixture(scope="module")
def told(small, tmp_path_factory):
    """A state, its two backups, and somebody who was erased since."""
    folder = tmp_path_factory.mktemp("backup")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    who = min(one.members())
    keys = keys_of(one, who)
    assert len(rows_with(one, keys)) > 10  # positive control
    manifests = backed_up(one, folder / "state"), backed_up(one, folder / "apart", "--separate")
    erase(one, who)
    backed_up(one, folder / "newest", "--separate")
    return one, folder, who, keys, manifests


def copied(told, tmp_path):
    one, folder, who, keys, _ = told
    return one.copy(tmp_path / "home"), folder, who, keys


def test_a_backup_is_whole_and_has_neither_salts_nor_keys_nor_anybody(told):
    one, folder, who, keys, (state, apart) = told
    assert {"warehouse.duckdb", "vault.duckdb", "inbox", "schema_version"} <= set(state["files"])
    assert not {name for name in state["files"] if name.split(".")[0] in SEPARATE}
    assert set(apart["files"]) == {*SEPARATE, "kept.mark"}
    assert not [name for name in state["files"] if name.startswith(("published", "dbt", "."))]
    for name in ("state", "apart"):
        said = (folder / name / "manifest.json").read_text()
        assert who not in said
        assert not [key for key in keys if key in said]
        found = {path for path in (folder / name).rglob("*") if path.is_file()}
        secrets = [path.read_bytes() for path in one.keys.iterdir()]
        assert not [p for p in found if any(secret in p.read_bytes() for secret in secrets)]
    runs = next(folder.joinpath("state", "dagster").rglob("runs.db"))
    with sqlite3.connect(runs) as connection:
        assert connection.execute("select count(*) from runs").fetchall()[0][0] >= 2
    assert [act["kind"] for act in one.acts() if act["act"] == "backup"] == [
        "state", "separate", "separate",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_erased_stay_gone(told, tmp_path):
    """The list here is the newest: the old salts are given, and the vault is of before."""
    one, folder, who, keys = copied(told, tmp_path)
    others = len(one.members())
    done = restored(one, folder / "state", "--separate", str(folder / "apart"), "--json")
    assert done.status == 0, done.said
    assert done.json["erased_again"] == 1
    assert not held(one, who)
    assert rows_with(one, keys) == []
    # Nothing can be read or exported before the feeds have been read and everything judged.
    assert not list(one.home.published.iterdir())
    assert one.assent("status").status == 2
    asked = one.assent("query", "--purpose", "segmentation", "from segments")
    assert (asked.status, "run `assent run`" in asked.err) == (2, True)
    # The feeds still deliver them: read from the beginning, they are stopped at the door.
    text = one.sources.read_text()
    anew = one.sources.with_name("anew.yaml")
    anew.write_text(text.replace("time_zone: ", "future_tolerance_minutes: 61\n    time_zone: "))
    one = replace(one, sources=anew)
    one.run()
    feeds = {feed["feed"]: feed["suppressed"] for feed in one.evidence("feeds")["feeds"]}
    assert feeds["transactions"] > 0
    assert one.assent("status").status == 0
    assert not held(one, who)
    assert rows_with(one, keys) == []
    assert who not in one.members()
    assert abs(len(one.members()) - others) < 10
    acts = [act["act"] for act in one.acts()]
    assert acts.count("backup") == 3  # none of them is lost, though the backup knew fewer
    assert acts.count("restore") == 1
    assert not list(one.root.glob(".restoring*"))


def test_on_a_new_machine_the_newest_list_is_needed_and_is_enough(told, tmp_path):
    one, folder, who, keys = copied(told, tmp_path)
    shutil.rmtree(one.root)
    without = restored(one, folder / "state")
    assert without.status == 2
    assert "the newest `kept` is missing" in without.err
    older = tmp_path / "older"
    shutil.copytree(folder / "apart", older)
    left = one.home.make().journal / ".000001-0123abcd.json.0123abcd"
    left.touch()  # by a restore that was killed
    # The salts of the erased are gone from the newest: keys come from the crosswalk.
    done = restored(one, folder / "state", "--separate", str(folder / "newest"), "--json")
    assert not left.exists()
    assert done.status == 0, done.said
    assert done.json["erased_again"] == 1
    assert done.json["releases_unrecorded"]  # the record was in the lost warehouse
    assert rows_with(one, keys) == []
    assert [act["act"] for act in one.acts()].count("rights.erase") == 0  # the backup's own record
    assert one.acts()[-1]["act"] == "restore"
    again = restored(one, folder / "state", "--separate", str(older))  # what is here is newer
    assert again.status == 0, again.said
    assert not held(one, who)


@pytest.mark.slow
def test_words_that_wait_here_wait_on(told, tmp_path):
    one, folder, _, _ = copied(told, tmp_path)
    other = max(one.members())
    assert one.assent("consent", "record", other, "withdrawn").status == 0
    (tmp_path / "before").mkdir()
    shutil.copy(one.home.inbox, tmp_path / "before")
    for _ in range(2):
        assert restored(one, folder / "state").status == 0
        with one.entered():
            words = inbox.waiting().consent_events
        assert [word["customer_id"] for word in words] == [other]
    newest = one.home.inbox.read_bytes()
    for folder_of in (tmp_path / "before", folder / "state"):  # neither is put back by hand
        shutil.copy(folder_of / "inbox", one.home.inbox)
        shown = one.assent("consent", "show", other)
        assert (shown.status, "inbox isn't the newest" in shown.err) == (2, True), shown.said
    one.home.inbox.write_bytes(newest)
    one.run("--select", "group:landing")
    states = one.assent("consent", "show", other, "--json").json
    assert not [state for state in states if state["permitted"]]


def begun(one, who, kind, *steps):
    """Open a request here, and take steps on it; return its number."""
    number = one.assent("rights", "open", who, kind, "--json").json["request_id"]
    for step in steps:
        done = one.assent("rights", *step[:1], number, *step[1:])
        assert done.status == 0, done.said
    return number


@pytest.mark.slow
def test_what_was_begun_since_is_recalled(told, tmp_path):
    """No hold is lost, no correction undone in silence, though the backup is from before."""
    one, folder, *_ = copied(told, tmp_path)
    one = own_feeds(one, tmp_path / "feeds")
    land = ("--select", "group:landing")
    claimed, wronged, other = sorted(one.members())[:3]
    right, verified = tmp_path / "right.json", ("verify", "--method", "by letter")
    right.write_text('{"email": "canary@example.org"}')
    hold, later = (
        re.findall(r"A-[0-9a-f]{10}", one.assent(
            "rights", "hold", customer, "--reason", "claim", "--until", "2030-01-01"
        ).out)[0] for customer in (claimed, "brought-later")
    )  # fmt: skip
    wrong = begun(one, wronged, "rectification", verified, ("fulfil", "--changes", str(right)))
    lost = sorted([begun(one, other, "objection", ("acknowledge",)), begun(one, other, "limit")])
    begun(one, other, "access", ("refuse", "--ground", "x", "--complaint", "y"))
    one.run(*land)
    done = restored(one, folder / "state", "--json")
    assert done.status == 0, done.said
    assert done.json["holds_put_back"] == done.json["rectifications_reopened"] == 1
    assert done.json["requests_missing"] == lost
    one.run(*land)
    told_of = restored(one, folder / "state")
    assert "legal holds of since then, put back: 1" in told_of.out
    assert "undone and open again: 1" in told_of.err
    assert f"lost: {', '.join(lost)}" in told_of.err
    erasure, moment = begun(one, claimed, "erasure"), datetime(2024, 6, 1)
    event = {"event_id": "late", "customer_id": "brought-later", "action": "granted",
             "occurred_at": moment, "recorded_at": moment, "notice_version": 2}  # fmt: skip
    add_consent_events(tmp_path / "feeds", "late", [event])
    one.run(*land)
    listed = {r["request_id"]: r for r in one.assent("rights", "list", "--json").json}
    assert {hold, later, wrong, erasure} <= set(listed)
    assert not listed[wrong]["verified"]
    assert listed[hold]["answer_by"] is None
    assert one.assent("rights", "verify", erasure, "--method", "by letter").status == 0
    refused = one.assent("rights", "fulfil", erasure)
    assert (refused.status, "under a restriction or a legal hold" in refused.err) == (2, True)
    assert held(one, claimed)
    shown = one.assent("rights", "show", wrong, "--json").json
    assert [step["step"] for step in shown["steps"]] == [
        "verified", "fulfilled", "reopened", "reopened",
    ]  # fmt: skip
    assert (shown["status"], shown["receipt"]) == ("open", None)
    assert one.assent("rights", "fulfil", wrong, "--changes", str(right)).status == 2
    assert one.assent("rights", *verified[:1], wrong, *verified[1:]).status == 0
    assert one.assent("rights", "fulfil", wrong, "--changes", str(right)).status == 0
    assert one.assent("rights", "show", wrong, "--json").json["status"] == "fulfilled"


def test_what_is_damaged_too_old_or_no_backup_is_refused(told, tmp_path):
    one, folder, who, _ = copied(told, tmp_path)
    files = [p for p in one.root.iterdir() if p.is_file() and p.suffix != ".lock"]
    before = {p: p.read_bytes() for p in files}
    state, apart = tmp_path / "state", str(folder / "apart")
    shutil.copytree(folder / "state", state)
    with (state / "warehouse.duckdb").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff" * 16)
    said = {
        "isn't as it was written": restored(one, state, "--separate", apart),
        "is no backup of this kind": restored(one, folder / "apart"),
        "older than custody.salt_backup_days": one.assent(
            "restore", "--from", str(folder / "state"), "--separate", apart, ASSENT_NOW=LATER
        ),
        "doesn't belong under ASSENT_HOME": one.assent("backup", "--to", str(one.root / "b")),
        "exists already": one.assent("backup", "--to", str(state)),
    }
    (state / "warehouse.duckdb").unlink()
    said["lacks warehouse.duckdb"] = restored(one, state, "--separate", apart)
    for words, done in said.items():
        assert (done.status, words in done.err) == (2, True), (words, done.said)
        assert who not in done.said
    assert {p: p.read_bytes() for p in files} == before
    assert not list(one.root.glob(".restoring*"))


@pytest.mark.parametrize("lost", ["missing", "damaged"])
def test_where_the_salts_are_lost_a_separate_backup_is_asked_for(told, tmp_path, lost):
    one, folder, *_ = copied(told, tmp_path)
    if lost == "damaged":
        damage(one.home.salts)
    else:
        one.home.salts.unlink()
    before = {p: p.read_bytes() for p in one.root.iterdir() if p.is_file() and p.suffix != ".lock"}
    done = restored(one, folder / "state")
    assert done.status == 2
    assert f"the salts are {lost}" in done.err
    assert "(--separate)" in done.err
    assert {p: p.read_bytes() for p in before} == before
    assert one.home.salts.exists() == (lost == "damaged")
    done = restored(one, folder / "state", "--separate", str(folder / "newest"), "--json")
    assert (done.status, done.json["erased_again"]) == (0, 1), done.said


@pytest.mark.slow
def test_a_damaged_inbox_is_put_aside_and_hinders_no_restore(told, tmp_path):
    one, folder, who, _ = copied(told, tmp_path)
    assert one.assent("consent", "record", max(one.members()), "withdrawn").status == 0
    broken = damage(one.home.inbox)
    shutil.copytree(one.root, tmp_path / "again")
    shown = one.assent("consent", "show", who)
    assert (shown.status, "inbox is damaged" in shown.err) == (2, True), shown.said
    done = restored(one, folder / "state", "--json")
    assert done.status == 0, done.said
    assert list(done.json["put_aside"]) == ["inbox"]
    aside = Path(done.json["put_aside"]["inbox"])
    assert (aside.parent, aside.read_bytes()) == (one.home.damaged, broken)
    assert one.acts()[-1]["put_aside"] == ["inbox"]
    with one.entered():
        assert not inbox.waiting().by_feed
    shutil.copy(folder / "state" / "inbox", one.home.inbox)  # older than the lost one
    shown = one.assent("consent", "show", who)
    assert (shown.status, "inbox isn't the newest" in shown.err) == (2, True), shown.said

    shutil.rmtree(one.root)
    (tmp_path / "again").rename(one.root)
    damage(one.home.kept)  # too
    done = restored(one, folder / "state", "--separate", str(folder / "newest"))
    assert done.status == 0, done.said
    for name in ("inbox", "kept"):
        (place,) = one.home.damaged.glob(f"{name}-*")
        assert f"is put aside: {place}" in done.err
    assert "what waited in the damaged inbox has to be recorded again" in done.err


@pytest.mark.parametrize(
    "lost",
    ["damaged", *(pytest.param(lost, marks=pytest.mark.slow) for lost in ("older", "missing"))],
)
def test_a_lost_list_of_the_erased_is_replaced_by_the_separate_backup(told, tmp_path, lost):
    one, folder, who, _ = copied(told, tmp_path)
    there = lost != "missing"
    if lost == "damaged":
        broken = damage(one.home.kept)
        refused = restored(one, folder / "state")
        assert refused.status == 2
        assert f"{one.home.kept} is damaged" in refused.err
        assert "(--separate)" in refused.err
    elif lost == "older":
        broken = (folder / "apart" / "kept").read_bytes()
        one.home.kept.write_bytes(broken)
        refused = restored(one, folder / "state")
        assert (refused.status, "isn't the newest" in refused.err) == (2, True)
    else:
        one.home.kept.unlink()
    older = str(folder / "apart")
    before = {p: p.read_bytes() for p in one.root.iterdir() if p.is_file() and p.suffix != ".lock"}
    refused = restored(one, folder / "state", "--separate", older)
    assert (refused.status, "it doesn't name: 1;" in refused.err) == (2, True), refused.said
    assert "--newest-lost" in refused.err
    assert one.acts()[-1]["refused"] == "kept.older"
    assert {p: p.read_bytes() for p in before} == before
    assert one.home.kept.exists() == there
    shutil.copytree(one.root, tmp_path / "again")
    done = restored(
        one, folder / "state", "--separate", str(folder / "newest"), "--newest-lost", "--json"
    )
    assert (done.status, done.json["erased_again"], done.json["erased_unlisted"]) == (0, 1, 0)
    shutil.rmtree(one.root)
    (tmp_path / "again").rename(one.root)
    done = restored(one, folder / "state", "--separate", older, "--newest-lost", "--json")
    assert done.status == 0, done.said
    assert (done.json["erased_again"], done.json["erased_unlisted"]) == (0, 1)
    assert held(one, who)  # nobody knows by this list: that is what is said
    aside = done.json["put_aside"]
    assert list(aside) == ["kept"] * there
    if lost == "damaged":
        assert Path(aside["kept"]).read_bytes() == broken
    told_of = restored(one, folder / "state", "--separate", older)
    assert told_of.status == 0, told_of.said
    assert not there or Path(aside["kept"]).exists()
    assert "doesn't name" not in told_of.err  # the list that is here is whole by now


@pytest.mark.parametrize("options", [(), ("--separate",)])
def test_without_the_newest_list_of_the_erased_nothing_is_backed_up(told, tmp_path, options):
    """It would be taken for the newest, and what it lacks would come back with a restore."""
    one, folder, *_ = copied(told, tmp_path)
    one.home.kept.unlink()
    for older in (False, True):
        if older:
            shutil.copy(folder / "apart" / "kept", one.home.kept)
            # It is refused before anything is written in it: it never catches up.
            for asked in (("export", "1", "--purpose", "segmentation", "--recipient",
                           "store_planning", "--to", str(tmp_path / "out.csv"), "--unencrypted"),
                          ("rights", "open", "nobody", "access"), ("rights", "list"),
                          ("keys", "rotate", "kept")):  # fmt: skip
                refused = one.assent(*asked)
                assert (refused.status, "isn't the newest" in refused.err) == (2, True), asked
            assert not (tmp_path / "out.csv").exists()
        done = one.assent("backup", "--to", str(tmp_path / "of-less"), *options)
        assert (done.status, "kept is missing, or isn't the newest" in done.err) == (2, True), (
            done.said
        )
        assert one.home.kept.exists() == older
        assert not [path for path in tmp_path.iterdir() if "of-less" in path.name]


@pytest.mark.slow
def test_a_backup_of_salts_that_stays_too_long_breaks_a_rule(told, tmp_path):
    one, _, _, _ = copied(told, tmp_path)
    for note in one.home.releases.glob("backup-*.json"):  # of the others
        note.unlink()
    backed_up(one, tmp_path / "salts", "--separate")
    rule = "custody.salt_backups"

    def judged(**variables):
        rules = one.assent("status", "--json", **variables).json["rules"]
        return next(r["status"] for r in rules if r["rule"] == rule)

    one.run("--select", "group:landing")
    assert judged() == "holds"
    assert judged(ASSENT_NOW=LATER) == "broken"
    shutil.rmtree(tmp_path / "salts")
    one.run("--select", "group:landing")
    assert judged(ASSENT_NOW=LATER) == "holds"
