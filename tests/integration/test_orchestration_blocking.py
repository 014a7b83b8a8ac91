"""What stops publishing, stops it: an unread consent event, a stale feed, too small a segment."""

import pytest

from governance import identity, status
from tests.support.installation import policy_with
from tests.support.story import MUCH_LATER, NOTE
from warehouse.connect import connected, warehouse_store

SEGMENTS = "key:segmentation/assignments+"


def purposes(seen):
    return {name: value for name, value in seen.published.items() if name != "permission.duckdb"}


def test_an_unread_consent_event_blocks_everything(story):
    before, seen = story.steps["recorded"], story.steps["unread event"]
    assert seen.done.status == 1
    assert "readable.consent_events" in seen.done.err
    assert ": `assent quarantine list`" in seen.done.err
    assert "Traceback" not in seen.done.said
    # Nothing new is published; who has withdrawn doesn't stay published because of that.
    assert [n for n, c in purposes(seen).items() if c != purposes(before)[n]] == [
        "segmentation.duckdb"
    ]
    assert before.in_mart - seen.in_mart == {story.who}
    assert seen.members == {w: s for w, s in before.members.items() if w != story.who}
    # The file that exports consult follows at once, and it is what stops them.
    assert seen.published["permission.duckdb"] != before.published["permission.duckdb"]
    assert seen.exports[0].status == 1
    assert "nothing leaves" in seen.exports[0].err
    assert seen.exported == set()
    assert seen.more["query"].status == 0  # what was published may still be read


@pytest.mark.parametrize("step", ["unread event", "resolved, stale"])
def test_a_run_that_failed_says_what_failed_and_nothing_else(story, step):
    done = story.steps[step].done
    assert done.out == ""
    assert "Next" not in done.said


def test_it_is_listed_by_reason_and_place_without_a_value(story):
    (row,) = story.steps["unread event"].more["quarantine"]
    assert (row["feed"], row["reason"]) == ("consent_events", "missing_customer_id")
    assert row["source"] == "consent_events-unread.parquet"
    assert row["position"] == 1
    assert row["resolved_at"] is None


def test_a_stale_feed_blocks_once_the_event_is_resolved(story):
    before, seen = story.steps["unread event"], story.steps["resolved, stale"]
    assert seen.more["resolve"].status == 0, seen.more["resolve"].said
    assert seen.done.status == 1
    assert "freshness.transactions" in seen.done.err
    assert "readable.consent_events" not in seen.done.err
    assert purposes(seen)["segmentation.duckdb"] == purposes(before)["segmentation.duckdb"]
    assert seen.exports[0].status == 0, seen.exports[0].said  # the events are read again
    (rule,) = [r for r in seen.status["rules"] if r["rule"] == "freshness.transactions"]
    assert (rule["status"], rule["overridden_by"]) == ("broken", None)


def test_an_override_on_record_lets_it_pass_and_is_shown(story):
    before, seen = story.steps["resolved, stale"], story.steps["run"]
    assert seen.done.status == 0, seen.done.said
    assert purposes(seen).keys() == purposes(before).keys()
    assert all(seen.published[name] != before.published[name] for name in purposes(seen))
    (rule,) = [r for r in seen.status["rules"] if r["rule"] == "freshness.transactions"]
    assert rule["status"] == "broken"
    assert rule["overridden_by"] == "A. Officer: The till was out of order"
    assert "A. Officer" in seen.done.out
    done = story.installation.assent("status", "--json", ASSENT_NOW=MUCH_LATER)
    assert "A. Officer" in done.out
    # By then nobody has told the recipient of an export of who has withdrawn since.
    broken = {r["rule"] for r in done.json["rules"] if r["status"] == "broken"}
    assert (done.status, broken) == (1, {"rights.notices", "freshness.transactions"})


def test_resolving_is_an_act_on_record(story):
    (act,) = [a for a in story.installation.acts() if a["act"] == "quarantine.resolve"]
    assert act["resolution"] == "dismissed"
    assert act["keys"] == ["warehouse"]


def test_why_it_was_resolved_is_kept_where_it_is_encrypted(story):
    """People write names into a note."""
    one = story.installation
    rows = one.assent("quarantine", "list", "--all", "--json").json
    assert [row["note"] for row in rows if row["resolution"] == "dismissed"] == [NOTE]
    files = [path for path in one.root.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if NOTE.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("number", "note", "rule"),
    [("999999", "why", "quarantine.unknown"), ("1", " ", "note.blank"), ("1", "n" * 4001,
     "note.long")],
)  # fmt: skip
def test_what_cannot_be_resolved_is_refused(story, number, note, rule):
    one = story.installation
    done = one.assent("quarantine", "resolve", number, "--as", "dismissed", "--note", note)
    assert done.status == 2
    assert "Traceback" not in done.said
    act = one.acts()[-1]
    assert (act["act"], act["refused"]) == ("quarantine.resolve", rule)
    assert "note" not in act


def test_a_resolution_has_to_say_why(story):
    done = story.installation.assent("quarantine", "resolve", "1", "--as", "dismissed")
    assert done.status == 2
    assert "--note" in done.err


def shrunk(one, left):
    """Leave so many members in the smallest segment, by taking the others out of the mart.

    Always the same customers: of some others a protected group would by chance be too many.
    """
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        going = connection.execute(
            "select segmentation_key from warehouse.segmentation.assignments"
            f" join ({identity.purpose_keys(['segmentation'])}) on purpose_key = segmentation_key"
            " join vault.subjects using (subject_key) where segment_id = (select segment_id"
            " from warehouse.segmentation.segments order by subjects limit 1)"
            " order by customer_id offset ?",
            [left],
        ).fetchall()
    with one.warehouse() as connection:
        connection.execute(
            "delete from marts.mart_segmentation where list_contains(?, segmentation_key)",
            [[key for (key,) in going]],
        )


@pytest.mark.slow
@pytest.mark.parametrize(("left", "status"), [(49, 1), (50, 0)])
def test_a_segment_below_the_smallest_size_is_not_published(small, tmp_path, left, status):
    one = small.copy(tmp_path / "home")
    shrunk(one, left)
    before = (one.home.published / "segmentation.duckdb").read_bytes()
    done = one.assent("run", "--select", SEGMENTS)
    assert done.status == status, done.said
    after = (one.home.published / "segmentation.duckdb").read_bytes()
    assert (after == before) is bool(status)
    (rule,) = [r for r in one.evidence("status")["rules"] if r["rule"] == "size.segmentation"]
    assert rule["status"] == ("broken" if status else "holds")
    assert ("size.segmentation" in done.err) is bool(status)
    assert one.assent("status").status == status


@pytest.mark.slow
def test_verdicts_under_another_policy_count_for_nothing(small, tmp_path):
    """A rule may have been tightened: what held there was not judged here."""
    one = small.copy(tmp_path / "home", policy=policy_with(tmp_path, ("drift: 0.25", "drift: 0.2")))
    before = (one.home.published / "churn_prevention.duckdb").read_bytes()
    done = one.assent("run", "--select", "key:release/published_churn_prevention")
    assert done.status == 1
    assert "policy changed" in done.err
    assert (one.home.published / "churn_prevention.duckdb").read_bytes() == before


@pytest.mark.parametrize("now", [None, MUCH_LATER])
def test_feeds_that_another_landed_are_judged_though_that_was_killed(
    small, tmp_path, monkeypatch, now
):
    """Another run had landed between our two jobs, and came to no check."""
    one = small.copy(tmp_path / "home")
    with one.entered():
        from orchestration.jobs import newest_day
        from orchestration.manifest import policy
        from orchestration.runner import run_job

        with connected(warehouse_store()) as connection:
            status.forget_feeds(connection, policy())
        assert [r["rule"] for r in status.shown(policy())["rules"] if not r["checked"]]
        if now:  # the feeds have grown old: that is found, not passed over
            monkeypatch.setenv("ASSENT_NOW", now)
        done = run_job(
            "segment", partition=newest_day(), select="key:release/published_churn_prevention"
        )
        assert done.success is (now is None), done.errors
        assert ["freshness.transactions" in str(error) for error in done.errors] == [True] * bool(
            now
        )


BIASED = "overrides:" + "".join(
    f"\n  - {{rule: bias.segmentation.{column}, reason: No segments are even,"
    " approved_by: A. Officer, until: 2099-12-31}"
    for column in ("age_band", "income_group", "marital_status", "children")
)


@pytest.mark.slow
def test_an_override_lets_segments_be_published_though_none_keeps_the_limit(small, tmp_path):
    narrow = ("representation_ratio: [0.8, 1.25]", "representation_ratio: [1.0, 1.0]")
    unsure = ("confidence: 0.95", "confidence: 0.5")
    policy = policy_with(tmp_path, narrow, unsure, ("overrides: []", BIASED))
    one = small.copy(tmp_path / "home", policy=policy)
    before = (one.home.published / "segmentation.duckdb").read_bytes()
    one.run()
    assert (one.home.published / "segmentation.duckdb").read_bytes() != before
    found = [r for r in one.evidence("status")["rules"] if r["rule"].startswith("bias.")]
    broken = {r["rule"]: r["overridden_by"] for r in found if r["status"] == "broken"}
    assert set(broken.values()) == {"A. Officer: No segments are even"}
