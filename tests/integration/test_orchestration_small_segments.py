"""A segment that has become too small is described nowhere: few are persons."""

from datetime import timedelta

import pyarrow.parquet

from models.cards import NOT_DESCRIBED
from tests.support.installation import add_consent_events, own_feeds


def test_no_figure_of_a_segment_of_few_is_left_anywhere(small, tmp_path):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    members = one.members()
    number = min(set(members.values()), key=list(members.values()).count)
    leaving = sorted(c for c, segment in members.items() if segment == number)[1:]
    events = pyarrow.parquet.read_table(tmp_path / "feeds" / "consent_events.parquet")
    latest = max(events.column("recorded_at").to_pylist())
    add_consent_events(tmp_path / "feeds", "leaving", [
        {"customer_id": who, "action": "withdrawn", "occurred_at": latest - timedelta(hours=1),
         "recorded_at": latest} for who in leaving
    ])  # fmt: skip
    (cards,) = {path.parent for path in one.home.artefacts.rglob("segment_*.md")}
    described = {path.name: path.read_text() for path in cards.glob("segment_*.md")}
    assert all("effect" in text for text in described.values())  # positive control
    assert (cards / "profiles.svg").exists()
    with one.warehouse() as connection:  # as if nothing had been released yet
        connection.execute("delete from segmentation.aggregates")
        connection.execute("delete from segmentation.aggregate_members")
    done = one.assent("run")
    assert done.status == 1
    assert "size.segmentation" in done.err
    for name in described:
        assert NOT_DESCRIBED in (cards / name).read_text()
        assert "effect" not in (cards / name).read_text()
    assert not (cards / "profiles.svg").exists()
    shown = one.evidence("segments")["segments"]
    assert {segment["line"] for segment in shown} == {NOT_DESCRIBED}
    assert {segment["subjects"] for segment in shown} == {None}
    verdicts = {r["rule"]: r["status"] for r in one.assent("status", "--json").json["rules"]}
    assert verdicts["size.segmentation"] == "broken"
    assert verdicts["bias.segmentation.age_band"] == "not judged"
