"""What is shown of segments as groups stands from one release to the next, in every place."""

from datetime import timedelta

import pyarrow.parquet
import pytest

from tests.support.installation import add_consent_events, own_feeds


def shown(one):
    """Return everything that is shown of the segments as groups, by place."""
    (place,) = {path.parent for path in one.home.artefacts.rglob("segment_*.md")}
    with one.published("segmentation") as connection:
        published = connection.execute("from segments order by segment_id").fetchall()
    found = one.evidence("segments")
    names = ("segment_*.md", "sizes.svg", "profiles.svg", "typical.json", "model_card.md")
    return {
        "published": published,
        "artefacts": {path.name: path.read_bytes() for n in names for path in place.glob(n)},
        "evidence": (found["as_of"], found["segments"], found["model"]),
    }


@pytest.fixture(scope="module")
def left(small, tmp_path_factory):
    """Run once more after one member has withdrawn; return that, and what was before."""
    folder = tmp_path_factory.mktemp("left")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    before, members = shown(one), one.members()
    events = pyarrow.parquet.read_table(folder / "feeds" / "consent_events.parquet")
    latest = max(events.column("recorded_at").to_pylist())
    add_consent_events(folder / "feeds", "leaving", [
        {"customer_id": min(members), "action": "withdrawn", "occurred_at": latest,
         "recorded_at": latest + timedelta(minutes=1)}
    ])  # fmt: skip
    one.run()
    return one, before, members


def test_who_leaves_is_gone_and_no_aggregate_tells(left):
    one, before, members = left
    assert set(one.members()) == set(members) - {min(members)}
    assert len(before["artefacts"]) > 6
    assert shown(one) == before


def test_a_release_that_one_person_would_set_apart_is_postponed(left, tmp_path):
    _, before, _ = left
    one = left[0].copy(tmp_path / "home")
    with one.warehouse() as connection:  # as if the release were an old one
        connection.execute("update segmentation.aggregates set as_of = as_of - 28")
    done = one.assent("run", "--select", 'key:"segmentation/segments" or group:release')
    assert done.status == 0, done.said
    assert "Aggregates are due since" in done.out
    found = one.evidence("segments")
    assert found["as_of"] == "2024-12-02"
    assert found["segments"] == before["evidence"][1]
    assert shown(one)["artefacts"] == before["artefacts"]
    (rule,) = [r for r in one.evidence("status")["rules"] if r["rule"] == "release.aggregates"]
    assert rule["status"] == "holds"
    assert "and postponed: fewer than 5 subjects may set" in rule["why"]
    with one.published("segmentation") as connection:
        rows = connection.execute("select distinct as_of::varchar from segments").fetchall()
    assert rows == [("2024-12-02",)]


def test_aggregates_that_were_altered_are_not_published(left, tmp_path):
    one = left[0].copy(tmp_path / "home")
    with one.warehouse() as connection:  # an earlier release that one person sets apart
        connection.execute(
            "insert into segmentation.aggregate_members select 0, segment_id, segmentation_key"
            " from segmentation.aggregate_members where segmentation_key <>"
            " (select min(segmentation_key) from segmentation.aggregate_members);"
            " insert into segmentation.aggregates by name select 0 as release,"
            " date '2024-12-01' as as_of, 'earlier' as model, false as past,"
            " coalesce(segment_id, 0) as segment_id, count(*) as subjects"
            " from segmentation.aggregate_members where release = 0"
            " group by grouping sets ((segment_id), ())"
        )
    before = (one.home.published / "segmentation.duckdb").read_bytes()
    done = one.assent("run", "--select", 'key:"segmentation/segments" or group:release')
    assert done.status == 1, done.said
    assert "release.aggregates" in done.err
    assert (one.home.published / "segmentation.duckdb").read_bytes() == before
    (rule,) = [r for r in one.evidence("status")["rules"] if r["rule"] == "release.aggregates"]
    assert rule["status"] == "broken"
