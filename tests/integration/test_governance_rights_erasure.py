"""Erasure: a subject leaves every file, is told so by a receipt, and stays away."""

import json
import subprocess
import sys

import pytest

from governance import identity
from governance.rights import kept, receipt
from governance.rights.discovery import holders
from governance.rights.proofs import proofs_of
from tests.support import pages
from tests.support.installation import own_feeds
from warehouse.connect import published_store, warehouse_store
from warehouse.home import PROJECT
from warehouse.publish import published_purposes

LATER = "2025-03-01T00:00:00Z"  # past custody.purge_within_days


def opened(one, who, kind="erasure"):
    """Open a request and land it; return its number."""
    done = one.assent("rights", "open", who, kind, "--json")
    assert done.status == 0, done.said
    return done.json["request_id"]


def erased(one, who):
    number = opened(one, who)
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.assent("rights", "fulfil", number, "--json")
    assert done.status == 0, done.said
    return done.json[0]


def rows_of(one, who):
    """Return the rows that hold a customer, by table of every file."""
    with one.entered():
        purposes = published_purposes()
        beside = [published_store(p, alias=f"p_{p}") for p in purposes]
        with identity.opened(warehouse_store(), *beside) as connection:
            keys = identity.purpose_keys(
                [p for p in purposes if p != "permission"],
                f"(select * from vault.subjects where customer_id = '{who}')",
            )
            connection.execute(f"create temp table leaving as {keys}")
            found = {
                table.name: connection.execute(
                    f"select count(*) from {table.name} where {table.of_leaving}"
                ).fetchall()[0][0]
                for database in ("warehouse", *(f"p_{p}" for p in purposes))
                for table in holders(connection, database)
            }
            held = connection.execute(
                "select count(*) from vault.subjects where customer_id = ?", [who]
            ).fetchall()[0][0]
    return {name: count for name, count in found.items() if count}, held


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    """A member who is erased, in an installation of its own; what was there before and after."""
    folder = tmp_path_factory.mktemp("erasure")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    who, other = sorted(one.members())[:2]
    before, _ = rows_of(one, who)
    others, _ = rows_of(one, other)
    told = erased(one, who)
    return one, who, other, before, others, told


def test_every_table_that_held_the_subject_is_named_and_holds_it_no_more(story):
    one, who, _, before, _, told = story
    assert len(before) > 10  # positive control: marts, assignments, landing, published files
    named = {
        f"{database}.{table}" for database, tables in told["rows_found"].items() for table in tables
    }
    plain = {name.replace('"', "").replace("p_", "published_", 1) for name in before}
    assert plain <= named
    assert told["rows_found"]["vault"] == {"main.identifiers": 1, "main.subjects": 1}
    assert told["rows_found"]["salts"] == {"main.salts": 1}
    after, held = rows_of(one, who)
    assert after == {}
    assert held == 0
    assert who not in one.members()
    assert who not in one.in_mart()


def test_what_is_done_already_is_said_to_be_done(story):
    """Such as after a kill, when the next command has finished the erasure."""
    one, who, _, _, _, told = story
    again = one.assent("rights", "fulfil", told["request_id"])
    assert again.status == 0, again.said
    assert f"{told['request_id']}: erased already, " in again.out
    assert who not in again.said
    for of in ((), ("--subject", who)):
        assert one.assent("rights", "fulfil", told["request_id"], *of, "--json").json == [told]
    other = one.assent("rights", "fulfil", told["request_id"], "A-0")
    assert (other.status, "there is no such request" in other.err) == (2, True)


def test_nobody_else_is_touched(story):
    one, _, other, _, others, _ = story
    assert rows_of(one, other)[0] == others


def test_the_receipt_is_signed_and_names_nobody(story):
    one, who, _, _, _, told = story
    assert who not in json.dumps(told)
    with one.entered():
        assert receipt.holds(told)
        assert not receipt.holds(told | {"seconds": 0.1234})


def checked_without_us(folder, receipts, key):
    """Check receipts as the page says that anybody can, in a process that knows nothing of ours."""
    (script,) = pages.fences((PROJECT / "docs" / "rights.md").read_text(encoding="utf-8"), "python")
    (folder / "check.py").write_text(script, encoding="utf-8")
    (folder / "receipt.json").write_text(json.dumps(receipts, indent=2), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "check.py", "receipt.json", key], cwd=folder, env={},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_anybody_can_check_a_receipt_as_the_page_says(story, tmp_path):
    one, *_, told = story
    published = one.home.receipts.read_text(encoding="ascii")
    done = checked_without_us(tmp_path, [told, told], published)
    assert done.returncode == 0, done.stderr
    said = {name: value for name, value in told.items() if name != "signature"}
    assert [json.loads(line) for line in done.stdout.splitlines()] == [said, said]
    with one.entered():
        forged = receipt.signed({**said, "rows_found": {"ä": 1}})
    assert checked_without_us(tmp_path, [forged], published).returncode == 0  # positive control
    for poison in (
        told | {"seconds": 0.1234},
        told | {"public_key": forged["signature"][:43] + "="},
        forged | {"rows_found": {"a": 1}},
        forged | {"signature": told["signature"]},
    ):
        done = checked_without_us(tmp_path, [poison], published)
        assert (done.returncode, "InvalidSignature" in done.stderr) == (1, True), done.stderr
    another = f"{'A' * 43}="
    assert checked_without_us(tmp_path, [told], another).returncode == 1


def test_what_a_lost_key_signed_stays_good(story, tmp_path):
    one, *_, told = story
    one = one.copy(tmp_path / "home")
    before = one.home.receipts.read_text(encoding="ascii")
    (one.keys / "receipts").unlink()
    one.home.receipts.unlink()  # as the page says
    with one.entered():
        new = receipt.signed({"request_id": "A-1"})
        assert new["public_key"] == one.home.receipts.read_text(encoding="ascii") != before
        assert receipt.holds(new)
        assert receipt.holds(told)


def other_end(told):
    """Return another last character of a signature that stands for the same bytes."""
    last = told["signature"][-3]
    return chr(ord(last) + 1)  # the first of sixteen: A, Q, g or w


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        (lambda told: told, 0, "as signed here: 1"),
        (lambda told: [told, told], 0, "as signed here: 2"),
        (lambda told: told | {"seconds": 0.1234}, 1, "1 of 1 aren't as they were signed"),
        (lambda told: [told, {**told, "public_key": []}], 1, "1 of 2 aren't as they were signed"),
        (
            lambda told: told | {"signature": f"{told['signature'][:-3]}{other_end(told)}=="},
            1,
            "1 of 1 aren't as they were signed",
        ),
        (
            lambda told: told | {"signature": f"{told['signature']}\n!"},
            1,
            "1 of 1 aren't as they were signed",
        ),
        # A reader that takes the first of two has another receipt before it.
        (
            lambda told: f'{{"seconds": 0.1234, {json.dumps(told)[1:]}',
            1,
            "a key stands in it twice",
        ),
        (
            lambda told: json.dumps([told, told]).replace(
                '"rows_found": {', '"rows_found": {"a": 1, "a": 2, '
            ),
            1,
            "a key stands in it twice",
        ),
        (lambda _: [], 2, "that is no receipt"),
        (lambda told: json.dumps(told)[:20], 2, "that is no receipt"),
    ],
)
def test_whoever_has_a_receipt_can_have_it_checked(story, tmp_path, changed, status, said):
    one, *_, told = story
    file = tmp_path / "receipt.json"
    content = changed(told)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    done = one.assent("rights", "check", str(file))
    assert (done.status, said in done.said) == (status, True), done.said


def test_the_receipt_says_which_models_learnt_from_the_subject_and_show_what_became_of_them(story):
    one, _, _, _, _, told = story
    pointer = one.home.artefacts / "segmentation" / "current.json"
    record = json.loads(pointer.read_text())
    (model,) = told["models"]
    assert model["fitted_on_subject"] == "yes"
    assert model["model"] == record["folder"]
    assert model["fitted_as_of"] < model["refit_by"]

    def shown():
        return one.assent("rights", "show", told["request_id"], "--json").json["models"][0]["now"]

    assert shown() == "in force: not fitted anew yet"
    pointer.write_text(json.dumps(record | {"folder": "another", "fitted_as_of": "2025-03-01"}))
    assert shown() == "replaced by the fit of 2025-03-01"
    pointer.write_text(json.dumps(record))


def test_the_rules_hold_after_it(story):
    one, *_ = story
    assert one.assent("status").status == 0


def purge(one):
    rules = one.assent("status", "--json", ASSENT_NOW=LATER).json["rules"]
    return next(r["status"] for r in rules if r["rule"] == "custody.purge")


@pytest.fixture(scope="module")
def again(story, tmp_path_factory):
    """Land once, land weeks later, then run and read the whole history again; return what is seen.

    Its tests are slow, as this runs the whole chain (46 s). Of the same, `make test` has
    ``test_governance_bytes`` (the disk), ``test_governance_rights_readmission`` (no feed brings
    back) and ``test_governance_restricted`` (what holds, and its end).

    A third member objects before the first landing, which is refused before the run.
    """
    one, who, other, *_ = story
    folder = tmp_path_factory.mktemp("objection")
    members = one.members()
    third = next(name for name in sorted(members) if name not in (who, other))
    seen = {"third": third}
    seen["feeds"] = [one.evidence("feeds")["feeds"]]

    seen["objection"] = number = opened(one, third, "objection")
    done = one.assent(
        "export", str(members[third]), "--purpose", "segmentation", "--recipient",
        "store_planning", "--to", str(folder / "audience.csv"), "--unencrypted", "--json",
    )  # fmt: skip
    assert done.status == 0, done.said
    seen["held_back"] = done.json["held_back"]
    seen["listed"] = one.assent("rights", "list", "--json")
    one.run("--select", "key:landing/clocks")
    seen["members"] = [set(one.members())]
    seen["purge"], seen["held"] = [purge(one)], [rows_of(one, other)[0]]
    files = one.home.warehouse, one.home.vault, one.home.salts, one.home.inbox
    inodes = {path: path.stat().st_ino for path in files}
    done = one.assent("run", "--select", "key:landing/clocks", ASSENT_NOW=LATER)
    assert "freshness" in done.err, done.said  # no feed has brought anything for so long
    seen["held"].append(rows_of(one, other)[0])
    seen["as it was"] = [path for path, inode in inodes.items() if path.stat().st_ino == inode]
    refusal = ("rights", "refuse", number, "--ground", "no ground given", "--complaint", "X")
    seen["refusals"] = [one.assent(*refusal) for _ in range(2)]

    text = one.sources.read_text()
    assert "future_tolerance_minutes" not in text
    one.sources.write_text(
        text.replace("time_zone: ", "future_tolerance_minutes: 61\n    time_zone: ")
    )
    one.run()
    seen["members"].append(set(one.members()))
    seen["purge"].append(purge(one))
    seen["feeds"].append(one.evidence("feeds")["feeds"])
    return seen


@pytest.mark.slow
def test_what_was_deleted_leaves_the_disk_by_itself(story, again):
    """Once it is past the policy's days, the rule breaks until a landing writes files anew."""
    one, *_ = story
    assert again["purge"] == ["broken", "holds"]
    assert again["as it was"] == []
    assert not [path for path in one.root.iterdir() if "rewritten" in path.name]
    assert again["held"][0] == again["held"][1]  # nobody else's rows go


@pytest.mark.slow
def test_no_feed_brings_the_subject_back(story, again):
    """The whole history is read again, with the rows of the erased in it."""
    one, who, *_ = story
    before, feeds = ({f["feed"]: f for f in found} for found in again["feeds"])
    assert rows_of(one, who) == ({}, 0)
    assert not [members for members in again["members"] if who in members]
    assert feeds["transactions"]["suppressed"] > 0
    assert feeds["transactions"]["read"] == before["transactions"]["read"]
    assert feeds["customers"]["suppressed"] == 1
    assert one.assent("status").status == 0
    with one.entered(), kept.opened() as connection:
        handle = kept.handle_of(connection, who)
        assert connection.execute(
            "select count(*) from kept.suppressed where handle = ?", [handle]
        ).fetchall() == [(1,)]
        ((_, proof),) = proofs_of(connection, who)
        assert proofs_of(connection, "somebody else") == []
    assert proof[0]["action"] == "granted"


@pytest.mark.slow
def test_a_request_holds_at_once_and_its_refusal_releases(story, again):
    one, *_ = story
    third, number = again["third"], again["objection"]
    assert sum(again["held_back"].values()) == 1
    assert number in again["listed"].out
    assert third not in again["listed"].said
    assert [third in members for members in again["members"]] == [False, True]
    refused, twice = again["refusals"]
    assert refused.status == 0, refused.said
    assert twice.status == 2
    steps = one.assent("rights", "show", number, "--json").json["steps"]
    assert [step["step"] for step in steps] == ["refused"]


@pytest.fixture(scope="module")
def refusing(small, tmp_path_factory):
    """One in which nobody is erased: each test asks for another member."""
    return small.copy(tmp_path_factory.mktemp("refusing") / "home")


def test_nothing_is_destroyed_for_who_isnt_verified(refusing):
    one, who = refusing, sorted(refusing.members())[0]
    number = opened(one, who)
    done = one.assent("rights", "fulfil", number)
    assert done.status == 2
    assert "nobody has verified yet" in done.err
    assert one.assent("consent", "show", who).status == 0


def test_nothing_is_destroyed_by_another_request(refusing):
    one, who = refusing, sorted(refusing.members())[1]
    number = opened(one, who, "limit")
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.assent("rights", "fulfil", number)
    assert done.status == 2
    assert "doesn't fulfil a request for limit" in done.err
    assert who in one.members()
    assert one.assent("rights", "done", number, "--how", "sent by post").status == 0
    assert "fulfilled" in one.assent("rights", "show", number).out


def test_nobody_is_erased_twice_and_nobody_unknown(refusing):
    one, who = refusing, sorted(refusing.members())[2]
    twice, unknown = [opened(one, who), opened(one, who)], opened(one, "nobody-we-know")
    for number in (*twice, unknown):
        assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    for numbers, said in ((twice, "of one customer"), ([unknown], "nothing is held")):
        done = one.assent("rights", "fulfil", *numbers)
        assert done.status == 2
        assert said in done.err
    assert who in one.members()
