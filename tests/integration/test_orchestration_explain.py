"""`assent explain`: why a subject is in its segment, for whom it is permitted, on record."""

import json
import shutil
from dataclasses import replace
from datetime import date

import pytest

from governance import clocks, identity
from governance.release import published_tables
from governance.subject_consent import permitted_key
from tests.support.installation import Installation
from warehouse.connect import connected, warehouse_store
from warehouse.publish import publish


def let_pass(where, text):
    """Judge nothing: what a test shows names nobody."""


PURPOSE = "segmentation"


@pytest.fixture(scope="module")
def one(small, tmp_path_factory) -> Installation:
    return small.copy(tmp_path_factory.mktemp("explain") / "home")


@pytest.fixture(scope="module")
def who(one) -> str:
    return min(one.members())


def published_row(one, who):
    """Return what is published of a subject: its key, its segment, its figures by name."""
    from orchestration.manifest import policy

    with one.entered():
        *_, key = permitted_key(policy(), who, PURPOSE)
    with one.published(PURPOSE) as connection:
        row = connection.execute(
            "select m.*, segment_id from mart_segmentation as m join assignments"
            " using (segmentation_key, as_of) where segmentation_key = ?",
            [key],
        ).df()
    return key, int(row.segment_id.iloc[0]), row.iloc[0].to_dict()


def test_it_says_which_segment_and_what_decided(one, who):
    _, segment, figures = published_row(one, who)
    acts = len(one.acts())
    done = one.assent("explain", who, "--json")
    assert done.status == 0, done.said
    found = done.json
    assert (found["permitted"], found["segment"]) == (True, segment)
    assert found["name"] != found["rather_than"]
    assert found["as_of"] == "2024-12-30"
    assert found["sentence"].startswith(f"In '{found['name']}' rather than in '")
    assert found["features"]
    with one.published(PURPOSE) as connection:
        for feature in found["features"]:
            assert feature["value"] == pytest.approx(float(figures[feature["feature"]]))
            (typical,) = connection.execute(
                f"select median({feature['feature']}::double) from mart_segmentation join"
                " assignments using (segmentation_key, as_of) where segment_id = ?",
                [segment],
            ).fetchone()
            assert feature["typical"] == pytest.approx(typical)
    assert sum(feature["share"] for feature in found["features"]) == pytest.approx(1)
    assert found["changes"] == []  # no figures of an earlier day are kept, and no earlier model
    (act,) = one.acts()[acts:]
    assert (act["act"], act["purpose"]) == ("segment.explain", PURPOSE)
    published = ["published_permission", "published_segmentation"]
    assert act["keys"] == ["inbox", *published, "salts", "vault"]
    assert who not in json.dumps(act)
    with one.entered(), identity.opened() as connection:
        assert act["subject_key"] == str(identity.subject_key_of(connection, who))


def test_it_says_so_in_plain_words(one, who):
    done = one.assent("explain", who)
    assert done.status == 0, done.said
    found = one.assent("explain", who, "--json").json
    assert found["sentence"] in done.out
    assert all(feature["label"] in done.out for feature in found["features"])
    assert who not in done.said


def test_a_model_of_an_earlier_version_is_read_itself(small, who, tmp_path):
    """It has left nothing apart that says what decides."""
    one = small.copy(tmp_path / "home")
    explained = one.assent("explain", who, "--json").json
    (deciding,) = one.home.artefacts.rglob("deciding.json.sealed")
    deciding.unlink()
    assert one.assent("explain", who, "--json").json == explained


def test_an_answer_to_access_is_not_given_without_the_segment(small, who, tmp_path):
    """Nor is its subject told of a file of ours that can't be read: who runs the command is."""
    one = small.copy(tmp_path / "home")
    (deciding,) = one.home.artefacts.rglob("deciding.json.sealed")
    deciding.write_bytes(b"")
    number = one.assent("rights", "open", who, "access", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    (answers := tmp_path / "answers").mkdir()
    done = one.assent("rights", "fulfil", number, "--to", str(answers), "--unencrypted")
    assert (done.status, "isn't whole" in done.err) == (2, True), done.said
    assert list(answers.iterdir()) == []
    assert one.assent("rights", "show", number, "--json").json["status"] == "open"


def test_who_is_not_permitted_is_told_so_without_a_value(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    assert one.assent("consent", "record", who, "withdrawn", "--purpose", PURPOSE).status == 0
    done = one.assent("explain", who)
    assert done.status == 0, done.said
    assert done.out.endswith("\nNot processed for segmentation: withdrawn.\n")
    assert one.assent("explain", who, "--json").json == {
        "purpose": PURPOSE, "permitted": False, "rule": "withdrawn", "segment": None,
        "sentence": "Not processed for segmentation: withdrawn.",
    }  # fmt: skip


def test_who_is_in_no_published_segment_is_told_so(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    key, *_ = published_row(one, who)
    republished(one, f"delete from segmentation.assignments where segmentation_key = '{key}'")
    done = one.assent("explain", who)
    assert done.status == 0, done.said
    assert "In no published segment" in done.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("Anna Example",), 2, "no subject has that customer id"),
        (("Anna Example", "--purpose", "churn_prevention"), 2, "has no segments"),
        (("Anna Example", "--purpose", "resale"), 2, "no such purpose"),
    ],
)
def test_what_cannot_be_explained_is_refused(one, arguments, status, said):
    acts = len(one.acts())
    done = one.assent("explain", *arguments)
    assert done.status == status
    assert said in done.err
    assert "Anna" not in done.said
    assert "Traceback" not in done.said
    (act,) = one.acts()[acts:]
    assert act["act"] == "segment.explain"
    assert act["refused"] in ("subject.unknown", "usage", "purpose.unknown")
    assert "Anna" not in str(act)


def republished(one, *statements):
    """Change the warehouse, and publish what has come of it."""
    with one.entered():
        from orchestration import model_store

        with connected(warehouse_store()) as connection:
            for statement in statements:
                connection.execute(statement)
            tables = published_tables(connection, PURPOSE, {"as_of": "2024-12-30"})
        publish({PURPOSE: tables})
        model_store.publish()


def test_a_change_since_an_earlier_day_is_explained(small, who, tmp_path):
    """Where the policy keeps more than one snapshot of the mart."""
    one = small.copy(tmp_path / "home")
    key, segment, _ = published_row(one, who)
    republished(
        one,
        "insert into marts.mart_segmentation by name"
        f" select * replace ('2024-11-30'::date as as_of, '{key}'::uuid as segmentation_key)"
        " from marts.mart_segmentation where segmentation_key = (select min(segmentation_key)"
        f" from segmentation.assignments where segment_id <> {segment})",
    )
    found = one.assent("explain", who, "--json").json
    assert found["segment"] == segment
    (change,) = found["changes"]
    assert change.startswith("Since 2024-11-30: Moved from '")
    assert f"to '{found['name']}': " in change
    assert " went from " in change
    assert change in one.assent("explain", who).out


def test_a_change_of_the_model_is_told_from_one_of_the_subject(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    with one.entered():
        from orchestration import model_store

        record = model_store.record()
        model = model_store.loaded()
        earlier = replace(model, ids=(*model.ids[1:], model.ids[0]))
        model_store.keep(earlier.with_facts(fitted_as_of="2024-11-01"), "earlier")
        model_store.point_to(record | {"folder": "earlier"}, let_pass)
        model_store.publish()
        model_store.point_to(record, let_pass)
        model_store.publish()
        model_store.point_to(record, let_pass)  # fitted once more, with the same result
    found = one.assent("explain", who, "--json").json
    (change,) = found["changes"]
    assert "fitted anew as of 2024-12-30" in change
    assert "by the model before (as of 2024-11-01) the same figures lead to '" in change
    assert found["name"] not in change


def test_files_of_another_model_are_not_read_in_its_place(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    with one.entered():
        from orchestration import model_store

        record = model_store.record()
        model_store.keep(replace(model_store.loaded(), names={}), "earlier")
        model_store.point_to(record | {"folder": "earlier"}, let_pass)
        model_store.publish()
        model_store.point_to(record, let_pass)
        model_store.publish()
    folder = one.home.artefacts / "segmentation"
    for name in (model_store.DECIDING, model_store.MODEL_FILE):
        ours, theirs = folder / record["folder"] / name, folder / "earlier" / name
        content = ours.read_bytes()
        ours.write_bytes(theirs.read_bytes())
        done = one.assent("explain", who)
        assert (done.status, "isn't whole" in done.err) == (2, True), done.said
        ours.write_bytes(content)
        assert one.assent("explain", who).status == 0
        theirs.write_bytes(content)  # the one before is lost alone: its folder is named
        if name == model_store.DECIDING:
            ours.unlink(), theirs.unlink()  # then the model itself is read
    done = one.assent("explain", who)
    assert (done.status, f"remove {theirs.parent}:" in done.err) == (2, True), done.said
    shutil.rmtree(theirs.parent)
    assert one.assent("explain", who, "--json").json["changes"] == []


def test_segments_of_another_model_are_not_explained_by_this_one(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    key, segment, _ = published_row(one, who)
    republished(
        one,
        f"update segmentation.assignments set segment_id = {segment + 1}"
        f" where segmentation_key = '{key}'",
    )
    done = one.assent("explain", who)
    assert done.status == 2
    assert "another model" in done.err


def test_published_segments_are_explained_by_their_own_model(small, who, tmp_path):
    """One that was fitted since, and stopped by a check, has segments that nobody has seen."""
    one = small.copy(tmp_path / "home")
    before = one.assent("explain", who, "--json").json
    with one.entered():
        from orchestration import model_store

        record, model = model_store.record(), model_store.loaded()
        for name in ("stopped", "stopped too"):
            model_store.keep(replace(model, ids=(*model.ids[1:], model.ids[0])), name)
            model_store.point_to(record | {"folder": name}, let_pass)
            model_store.show({model_store.TYPICAL: "{}"}, None, let_pass)
    assert one.assent("explain", who, "--json").json == before


def test_a_share_of_the_mix_is_a_figure_like_any_other(small, who, tmp_path):
    one = small.copy(tmp_path / "home")
    with one.entered():
        from models.model import fit_model
        from models.recipe import Recipe
        from orchestration import model_store
        from orchestration.door import Door

        with connected(warehouse_store()) as connection:
            (category,) = connection.execute(
                "select mode(c) from (select unnest(map_keys(category_mix)) as c"
                " from marts.mart_segmentation)"
            ).fetchone()
            share = f"mix:{category}"
            frame = Door(connection, "segmentation", clocks.read(connection)).frame(
                "mart_segmentation", date(2024, 12, 30), shares=[share]
            )
            model = fit_model(frame, Recipe("kmeans", ("visits", share), 3))
            assigned = model.assign(frame).reset_index()
            connection.register("assigned", assigned)
            connection.execute(
                "create or replace table segmentation.assignments as select '2024-12-30'::date as"
                " as_of, segmentation_key::uuid as segmentation_key, segment as segment_id"
                " from assigned"
            )
        model_store.keep(model, "mixed")
        model_store.point_to(model_store.record() | {"folder": "mixed"}, let_pass)
        unreleased = "isn't released at present"
        typical = frame[["visits", share]].groupby(model.assign(frame)).median().to_dict("index")
    republished(one)
    found = one.assent("explain", who, "--json").json
    assert (found["rather_than"], found["features"]) == (None, [])
    assert unreleased in found["sentence"]
    assert unreleased in one.assent("explain", who).out
    with one.entered():
        model_store.show({model_store.TYPICAL: json.dumps(typical)}, None, let_pass)
    found = one.assent("explain", who, "--json")
    assert found.status == 0, found.said
    features = {feature["feature"]: feature for feature in found.json["features"]}
    assert set(features) == {"visits", share}
    assert 0 <= features[share]["value"] <= 1
    assert 0 < features[share]["typical"] < 1


def test_what_is_typical_is_what_was_released(small, who, tmp_path):
    """Of one member it would be that member's; and anew each day it would tell who left."""
    one = small.copy(tmp_path / "home")
    before = one.assent("explain", who, "--json").json
    others = f"from segmentation.assignments where segment_id <> {one.members()[who]}"
    republished(one, f"delete {others} and segmentation_key not in"
                     f" (select min(segmentation_key) {others} group by segment_id)")  # fmt: skip
    assert len(one.members()) < len(small.members())
    assert one.assent("explain", who, "--json").json == before


def test_where_the_model_has_to_be_read_a_customer_is_told_all_the_same(small, who, tmp_path):
    """As the program does it, which leaves out what most commands on rights do without."""
    from orchestration import model_store

    one = small.copy(tmp_path / "home")
    for file in one.home.artefacts.glob(f"segmentation/*/{model_store.DECIDING}*"):
        file.unlink()
    number = one.assent("rights", "open", who, "explanation", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.process("rights", "fulfil", number, "--unencrypted", "--to", str(tmp_path))
    assert done.status == 0, done.said
    assert (tmp_path / "explanation.html").exists()
