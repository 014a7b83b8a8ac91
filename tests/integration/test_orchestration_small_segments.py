"""A segment that has become too small is described nowhere: few are persons."""

from models.cards import NOT_DESCRIBED

SMALLEST = (
    "select segmentation_key from segmentation.assignments where segment_id = (select segment_id"
    " from segmentation.assignments group by all order by count(*), segment_id limit 1)"
)


def test_no_figure_of_a_segment_of_few_is_left_anywhere(small, tmp_path):
    one = small.copy(tmp_path / "home")
    (cards,) = {path.parent for path in one.home.artefacts.rglob("segment_*.md")}
    described = {path.name: path.read_text() for path in cards.glob("segment_*.md")}
    assert all("effect" in text for text in described.values())  # positive control
    assert (cards / "profiles.svg").exists()
    with one.warehouse() as connection:
        connection.execute(  # all of them but one have left
            "delete from marts.mart_segmentation where segmentation_key in"
            f" ({SMALLEST} order by segmentation_key offset 1)"
        )
        # as if nothing had been released yet
        connection.execute("delete from segmentation.aggregates")
        connection.execute("delete from segmentation.aggregate_members")
    done = one.assent("run", "--select", "group:segmentation or group:release")
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
