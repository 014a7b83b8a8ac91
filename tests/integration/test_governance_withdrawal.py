"""A withdrawal takes effect at once on exports and with the next run on everything else."""

import shutil

import dagster as dg
import pytest

from tests.support.story import look_back

NOON = "2024-12-30 12:00"  # later than any event of the feeds


def held_back(seen):
    return seen.exports[0].json["held_back"]


def test_before_anything_one_is_everywhere_and_the_other_nowhere(story):
    seen = story.steps["start"]
    assert story.who in seen.in_mart & set(seen.members) & seen.exported
    assert story.newcomer not in seen.in_mart | set(seen.members) | seen.exported
    assert held_back(seen) == {}


def test_a_withdrawal_holds_back_at_once(story):
    before, seen = story.steps["start"], story.steps["recorded"]
    assert seen.done.status == 0, seen.done.said
    assert seen.exports[0].status == 0, seen.exports[0].said
    assert before.exported - seen.exported == {story.who}
    assert held_back(seen) == {"segmentation: withdrawn": 1}
    assert seen.exports[0].json["exported"] == len(seen.exported)
    states = {s["purpose"]: s for s in seen.more["consent"]}
    assert not states["segmentation"]["permitted"]
    assert states["segmentation"]["rule"] == "withdrawn"
    assert states["bias_monitoring"]["permitted"]  # only what was withdrawn
    # What is published stays as it is until that has landed.
    assert seen.published == before.published


def test_a_grant_alone_gives_exports_nothing_that_isnt_published(story):
    before, seen = story.steps["start"], story.steps["recorded"]
    assert seen.more["returned"].status == 0, seen.more["returned"].said
    assert seen.exported <= before.exported


def test_a_withdrawal_that_has_landed_takes_out_though_nothing_new_is_published(story):
    before, seen = story.steps["start"], story.steps["resolved, stale"]
    assert seen.done.status == 1
    assert before.in_mart - seen.in_mart == {story.who}
    assert seen.members == {w: s for w, s in before.members.items() if w != story.who}
    assert seen.exported == story.steps["recorded"].exported
    assert held_back(seen) == {}  # no member any more


def test_the_next_run_removes_the_one_and_brings_the_other(story):
    before, seen = story.steps["start"], story.steps["run"]
    assert seen.done.status == 0, seen.done.said
    for ours, theirs in ((before.in_mart, seen.in_mart), (set(before.members), set(seen.members))):
        assert ours - theirs == {story.who}
        assert theirs - ours == {story.newcomer}
    assert seen.exports[0].status == 0, seen.exports[0].said
    assert story.who not in seen.exported
    assert held_back(seen) == {}  # no member any more


@pytest.fixture(scope="module")
def past(story, tmp_path_factory):
    return look_back(story, tmp_path_factory.mktemp("past"))


@pytest.mark.slow
def test_a_past_day_brings_nobody_back(story, past):
    assert past.done.status == 0, past.done.said
    assert past.more["past mart"]
    assert past.more["past mart"] <= story.steps["run"].in_mart - {story.newcomer}
    assert story.who not in past.more["past mart"]


@pytest.mark.slow
def test_the_summary_of_a_past_day_is_about_that_day(story, past):
    """And says that the model is of another; feeds and the policy are no day's."""
    said = past.done.out
    assert "A past day, 2024-11-30: nothing is published of it." in said
    assert "Permission (as of 2024-11-30" in said
    assert "Segments (as of 2024-11-30)" in said
    assert "Assigned by the model that was fitted as of 2024-12-30.\n" in said
    assert "explain" not in said  # how much of the spend of weeks after that day
    for heading in ("Feeds", "Minimisation", "\nNext: `make ui`"):
        assert heading not in said
        assert heading in story.steps["run"].done.out
    assert "segments explain" in story.steps["run"].done.out


@pytest.mark.slow
def test_a_past_day_replaces_nothing_of_the_current_state(story, past):
    before, seen = story.steps["run"], past
    same = {name for name in seen.published if name != "permission.duckdb"}  # that is of today
    assert {n: seen.published[n] for n in same} == {n: before.published[n] for n in same}
    # Feeds, too, are landed anew; what they say is the same.
    assert seen.current == before.current
    assert seen.status["as_of"] == "2024-12-30"
    assert seen.more["past status"]["as_of"] == "2024-11-30"
    assert (seen.in_mart, seen.members) == (before.in_mart, before.members)


def test_every_act_is_recorded_once_and_without_the_subject(story):
    acts = story.installation.acts()
    exports = [seen.exports[0] for seen in story.steps.values()]
    exported = ["refused" not in act for act in acts if act["act"] == "export"]
    assert exported == [export.status == 0 for export in exports]
    recorded = [act["action"] for act in acts if act["act"] == "consent.record"]
    assert recorded == ["granted", "withdrawn"]
    assert [act["act"] for act in acts].count("consent.show") == 1
    assert all(act["at"] and act["actor"] for act in acts)
    text = (story.installation.home.audit / "acts.jsonl").read_text()
    assert story.who not in text
    assert story.newcomer not in text


@pytest.mark.parametrize(
    "at",
    [
        "unpublish.take_out",
        pytest.param("release.publish_permission", marks=pytest.mark.slow),
        pytest.param("permission_bound.note", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_an_event_stays_in_the_inbox_until_all_heeds_it(small, tmp_path, monkeypatch, at):
    """A run that dies between landing an event and heeding it must not lose the denial."""
    from governance import inbox

    one = small.copy(tmp_path / "home")
    who = min(one.members())
    assert one.assent("consent", "record", who, "withdrawn").status == 0

    def dies(*_):
        raise dg.Failure("the run dies", allow_retries=False)

    monkeypatch.setattr(f"governance.{at}", dies)
    assert one.assent("run").status != 0
    with one.entered():
        assert len(inbox.waiting().consent_events) == 1
    monkeypatch.undo()
    states = one.assent("consent", "show", who, "--json").json
    assert not any(state["permitted"] for state in states)
    # The next one lands it, once.
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert who not in one.in_mart()
    with one.entered():
        assert not inbox.waiting().by_feed
    with one.warehouse() as connection:
        landed = "select count(*) from landing.consent_events where recorded_at > ?"
        assert connection.execute(landed, [NOON]).fetchone() == (1,)


def test_an_inbox_that_is_lost_is_missed(small, tmp_path):
    """What waited in it might be a denial, so nothing is judged without it."""
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    assert one.home.inbox.exists()  # landing makes one, whether or not anything waits
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    kept = one.home.inbox.rename(tmp_path / "kept")
    to = tmp_path / "audience.csv"
    export = ("export", str(one.members()[who]), "--purpose", "segmentation", "--recipient",
              "store_planning", "--unencrypted", "--json", "--to", str(to))  # fmt: skip
    for command in (export, ("consent", "show", who), ("consent", "record", who, "withdrawn"),
                    ("explain", who), ("run", "--select", "key:landing/clocks")):  # fmt: skip
        done = one.assent(*command)
        assert done.status == 2, done.said
        assert "is missing" in done.err
        assert "assent consent new-inbox" in done.err
    assert not to.exists()
    assert not one.home.inbox.exists()
    assert one.acts()[-1]["refused"] == "inbox.missing"

    kept.rename(one.home.inbox)
    assert one.assent("consent", "new-inbox").status == 2  # it is there
    assert one.assent(*export).json["held_back"] == {"segmentation: withdrawn": 1}

    one.home.inbox.unlink()
    to.unlink()
    assert one.assent("consent", "new-inbox").status == 0
    assert (one.acts()[-1]["act"], one.acts()[-1]["keys"]) == ("consent.new_inbox", ["inbox"])
    assert one.assent(*export).json["held_back"] == {}


@pytest.mark.slow
def test_an_older_copy_of_what_is_published_brings_back_nobody_who_withdrew(small, tmp_path):
    """Once that has landed, it waits nowhere else; a run publishes it anew."""
    one = small.copy(tmp_path / "home")
    who, to = min(one.members()), tmp_path / "audience.csv"
    export = ("export", str(one.members()[who]), "--purpose", "segmentation", "--recipient",
              "store_planning", "--unencrypted", "--json", "--to", str(to))  # fmt: skip
    land = ("run", "--select", "key:landing/clocks")
    assert one.assent(*land).status == 0
    shutil.copytree(one.home.published, tmp_path / "older")
    assert one.assent("consent", "record", who, "withdrawn").status == 0
    number = one.assent("rights", "open", who, "access", "--json").json["request_id"]
    assert one.assent(*land).status == 0
    assert who not in one.in_mart()

    shutil.copytree(tmp_path / "older", one.home.published, dirs_exist_ok=True)
    assert who in one.in_mart()
    for command in (export, ("consent", "show", who), ("rights", "show", number)):
        done = one.assent(*command)
        assert (done.status, "permission.duckdb is an older copy" in done.err) == (2, True), command
    assert not to.exists()
    assert one.assent("consent", "record", max(one.members()), "withdrawn").status == 0
    done = one.assent(*land)
    assert done.status == 0, done.said
    assert who not in one.in_mart()
    assert one.assent("rights", "show", number).status == 0
    done = one.assent(*export)
    assert done.status == 0, done.said
    assert who not in to.read_text()
