"""What is synthetic is called so wherever it shows: the label of the feeds goes with the data."""

import json

import pytest
import yaml

PURPOSE = "segmentation"


@pytest.fixture(scope="module")
def label(small):
    found = yaml.safe_load(small.sources.read_text())["label"]
    assert "Synthetic" in found
    return found


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("label") / "home")


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("feeds",), ("query", "--purpose", PURPOSE, "from segments"),
     ("consent", "show", "WHO"), ("explain", "WHO"), ("quarantine", "list"),
     ("export", "1", "--purpose", PURPOSE, "--recipient", "store_planning", "--to", "FILE",
      "--unencrypted")],
)  # fmt: skip
def test_commands_say_it_and_leave_json_as_it_is(one, label, arguments, tmp_path):
    for json_too in (), ("--json",):
        given = {"WHO": min(one.members()), "FILE": str(tmp_path / f"{len(json_too)}.csv")}
        done = one.assent(*(given.get(word, word) for word in arguments), *json_too)
        assert done.status == 0, done.said
        assert label in done.said
        if json_too:
            assert done.json is not None


def test_files_of_facts_and_artefacts_say_it(one, label):
    for path in one.home.evidence.rglob("*.json"):
        assert json.loads(path.read_bytes())["label"] == label, path.name
    cards = sorted((one.home.artefacts / PURPOSE).rglob("*.md"))
    assert len(cards) > 2
    assert all(label in path.read_text() for path in cards)


def test_published_files_and_manifests_of_exports_say_it(one, label, tmp_path):
    for purpose in one.evidence("permission")["purposes"]:
        with one.published(purpose["purpose"]) as connection:
            assert connection.execute("select label from about").fetchone() == (label,)
    done = one.assent("export", "1", "--purpose", PURPOSE, "--recipient", "store_planning",
                      "--to", str(tmp_path / "a.csv"), "--unencrypted", "--json")  # fmt: skip
    assert done.json["label"] == label
    manifest = one.home.releases / f"{done.json['release_id']}.json"
    assert json.loads(manifest.read_bytes())["label"] == label


def test_feeds_without_a_label_have_none(one, tmp_path):
    other = one.copy(tmp_path / "home")
    shown = other.evidence("feeds")
    (other.home.evidence / "feeds.json").write_text(json.dumps(shown | {"label": None}))
    done = other.assent("query", "--purpose", PURPOSE, "select 1 as x")
    assert done.out.split() == ["x", "1"]
    assert done.err == ""
