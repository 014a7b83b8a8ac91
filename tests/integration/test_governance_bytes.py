"""Gone means gone: after an erasure no byte of the subject is left in any file.

Every field of some subjects holds a pattern. The files are written in clear, without encryption and
compression, so that the patterns can be looked for in their bytes: each is found, the subjects are
erased, and none is found any more. The long version plants many subjects among more customers:
``ASSENT_PLANTED=50 .venv/bin/python -m pytest -n 0 tests/integration/test_governance_bytes.py``
"""

import os
from pathlib import Path

import pytest

from benchmarks.generate import Size
from governance import identity
from governance.policy.load import load_policy
from governance.rights import kept
from governance.rights.proofs import proofs_of
from tests.support.canaries import Search
from tests.support.in_clear import OVERRIDE, InClear
from tests.support.installation import Installation, policy_with
from tests.support.planted import EXPIRED, NEVER_STORED, Planted, plant
from tests.support.tables import contents as tables
from warehouse.connect import warehouse_store
from warehouse.home import PROJECT

COUNT = int(os.environ.get("ASSENT_PLANTED", "1"))
SIZE = Size(600, 12_000) if COUNT == 1 else Size(20_000, 1_000_000)
# The planted have values of their own in protected attributes, and buy alike: no measure of bias.
NOT_MEASURED = ("smallest_group: 30", "smallest_group: 60")
TO_MARTS = 'key:"landing/clocks" or group:staging or group:consented or group:marts'
# What erasure leaves, or what isn't of single subjects: accounts of the loads and of rows set
# aside (no keys, no values), which days changed, the clocks, and what a model was fitted on.
LISTED = ("landing.loads", "landing.quarantine", "landing.changed_days", "landing.clocks")


def keys_of(one: Installation, subject: Planted) -> dict[str, bytes]:
    """Return a subject's salt and its keys, in the bytes of their column."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        salt, key = connection.execute(
            "select salt, subject_key from vault.subjects join salts.salts using (subject_key)"
            " where customer_id = ?", [subject.customer_id],
        ).fetchone()  # fmt: skip
        keys = connection.execute(
            "select purpose, purpose_key from warehouse.landing.purpose_keys where subject_key = ?",
            [key],
        ).fetchall()
    found = {"salt": salt}
    for name, value in (("subject", key), *keys):
        found[f"{name} key"] = (value.int ^ (1 << 127)).to_bytes(16, "little")
        found[f"{name} key as text"] = str(value).encode()
    return found


def hits(one: Installation, patterns: dict[str, bytes]) -> dict[str, set[str]]:
    """Return the files in which each pattern is found, archives unpacked."""
    found: dict[str, set[str]] = {}
    for path, names in Search([], patterns).in_files(one.root).items():
        for name in names:
            found.setdefault(name, set()).add(str(Path(path).relative_to(one.root)))
    return found


@pytest.fixture(scope="module")
def searched(compiled, tmp_path_factory):
    """Run, record, export, erase and tell; return what was found before and after, and the rest."""
    folder = tmp_path_factory.mktemp("bytes")
    planted = plant(folder / "feeds", SIZE, COUNT)
    one = compiled.fresh(folder / "home", sources=folder / "feeds" / "sources.yaml",
                         policy=policy_with(folder, OVERRIDE, NOT_MEASURED))  # fmt: skip
    one = InClear(one.root, one.sources, one.policy)
    one.run()
    status = {r["rule"]: r for r in one.assent("status", "--json").json["rules"]}
    for subject in planted:
        said(one, "consent", "record", subject.customer_id, "granted", "--purpose",
             "churn_prevention", "--notice-version", "1", "--language", "en", "--channel",
             subject.text("inbox.channel"))  # fmt: skip
        said(one, "rights", "open", subject.customer_id, "rectification", "--channel",
             subject.text("inbox.request channel"))  # fmt: skip
    members = one.members()
    said(one, "export", str(members[planted[0].customer_id]), "--purpose", "segmentation",
         "--recipient", "store_planning", "--to", str(folder / "out.csv"),
         "--unencrypted")  # fmt: skip
    patterns = {
        f"{subject.number} {name}": pattern
        for subject in planted
        for name, pattern in (subject.patterns | keys_of(one, subject)).items()
    }
    before = hits(one, patterns)
    requests = [
        one.assent("rights", "open", subject.customer_id, "erasure", "--json").json["request_id"]
        for subject in planted
    ]
    for number in requests:
        said(one, "rights", "verify", number, "--method", "by letter")
    said(one, "rights", "fulfil", *requests)
    at_once = hits(one, patterns)
    # What the recipient has to be told waits until it has confirmed it (GDPR Art. 19).
    notice = one.assent("rights", "notify", "store_planning", "--to", str(folder / "notice.json"),
                        "--unencrypted", "--json").json["notice_ids"][0]  # fmt: skip
    said(one, "rights", "confirm", notice, "--how", "by mail")
    said(one, "rights", "purge")
    return one, planted, patterns, status, before, at_once, hits(one, patterns)


def said(one: Installation, *arguments: str) -> str:
    done = one.assent(*arguments)
    assert done.status == 0, done.said
    return done.out


def test_files_in_clear_break_a_rule(searched):
    _, _, _, status, *_ = searched
    assert status["encryption.files"]["status"] == "broken"
    assert status["encryption.files"]["overridden_by"] == "the tests: a test"


def test_every_pattern_is_found_before(searched):
    _, _, patterns, _, before, *_ = searched
    never, unseen = (
        {name for name in patterns if name.split(" ", 1)[1].startswith(starts)}
        for starts in (NEVER_STORED, EXPIRED)
    )
    unseen |= {name for name in patterns if name.endswith(" key as text")}  # told by no file
    assert patterns.keys() - before.keys() - unseen == never
    where = set().union(*before.values())
    assert {"warehouse.duckdb", "vault.duckdb", "salts", "inbox"} <= where
    assert any(name.startswith("published/") for name in where)


def test_what_is_too_old_leaves_as_it_lands(searched):
    one, planted, *_ = searched
    (left,) = [row for row in one.evidence("feeds")["removals"] if row["why"] == "retention"]
    few = len(planted) < load_policy(one.policy).thresholds.release_difference
    assert (left["feed"], left["rows"]) == ("transactions", None if few else len(planted))
    with one.warehouse() as connection:
        noted = "select rows_corrected from landing.loads where source = 'retention'"
        assert connection.execute(noted).fetchall() == [(len(planted),)]
    assert "retention" in one.assent("feeds").out


def test_none_is_found_after_erasure_and_purge(searched):
    _, _, _, _, _, at_once, after = searched
    assert at_once  # positive control: deleted rows lie in the blocks until these are purged
    # The record of acts is append-only: it names the subject by a key that nobody can make again.
    audit = {"audit/acts.jsonl"}
    named = {name: found for name, found in after.items()
             if not (name.endswith(" subject key as text") and found <= audit)}  # fmt: skip
    assert named == {}


def test_what_is_kept_is_found_by_who_has_the_id(searched):
    one, planted, *_ = searched
    with one.entered(), kept.opened() as connection:
        for subject in planted:
            ((_, events),) = proofs_of(connection, subject.customer_id)
            assert len(events) == 4  # the last of them waited in the inbox
            assert events[0]["evidence_ref"].encode() in subject.patterns.values()
            assert events[-1]["channel"].encode() in subject.patterns.values()


def test_the_state_is_one_in_which_the_subjects_never_were(searched, compiled, tmp_path):
    one, *_ = searched
    plant(tmp_path / "feeds", SIZE, 0)
    never = compiled.fresh(tmp_path / "home", sources=tmp_path / "feeds" / "sources.yaml",
                           policy=one.policy)  # fmt: skip
    never = InClear(never.root, never.sources, never.policy)
    assert never.assent("run", "--select", TO_MARTS).status == 0
    expected, found = tables(never), tables(one)
    compared = [
        name for name in expected
        if name.startswith(("landing.", "consented.", "marts.")) and name not in LISTED
    ]  # fmt: skip
    assert len(compared) > 12
    assert [name for name in compared if expected[name] != found[name]] == []
    for mart in (name for name in compared if name.startswith("marts.mart_")):
        purpose = mart.removeprefix("marts.mart_")
        published = f"published/{purpose}/mart_{purpose}"
        if published in found:
            assert len(found[published]) == len(expected[mart])


def test_the_search_is_documented():
    assert "ASSENT_PLANTED=" in (PROJECT / "docs" / "rights.md").read_text()
