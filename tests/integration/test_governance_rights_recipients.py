"""Who was in which export: remembered of each subject, found by who supplies the id, kept."""

import os

import pytest

from governance.rights import kept
from governance.rights.recipients import recipients_of


def found(one, who):
    with one.entered(), kept.opened() as connection:
        return recipients_of(connection, who)


def rows(one):
    with one.entered(), kept.opened() as connection:
        return connection.execute("select count(*) from kept.handed_over").fetchall()[0][0]


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    """An export that one member was held back from: who was in it, who not, what it said."""
    folder = tmp_path_factory.mktemp("recipients")
    one = small.copy(folder / "home")
    members = one.members()
    segment = str(members[min(members)])
    inside = sorted(who for who, number in members.items() if str(number) == segment)
    outside = next(who for who, number in members.items() if str(number) != segment)
    held_back = inside.pop()
    assert one.assent("consent", "record", held_back, "withdrawn").status == 0

    def export(name):
        return one.assent("export", segment, "--purpose", "segmentation", "--recipient",
                          "store_planning", "--to", str(folder / name), "--unencrypted",
                          "--json")  # fmt: skip

    done = export("audience.csv")
    assert done.status == 0, done.said
    return one, inside, [held_back, outside], done.json, export


def test_an_export_remembers_everybody_who_is_in_it_and_nobody_else(story):
    one, inside, others, manifest, _ = story
    assert rows(one) == manifest["exported"] == len(inside)
    for who in inside[:3]:
        (handed,) = found(one, who)
        assert handed.release_id == manifest["release_id"]
        assert (handed.recipient, handed.purpose) == ("store_planning", "segmentation")
        assert handed.at.isoformat() == manifest["at"].removesuffix("+00:00")
        assert handed.columns == ("customer_id",)
    assert not any(found(one, who) for who in others)


def test_an_export_that_came_to_nothing_is_forgotten(story, monkeypatch):
    one, inside, _, _, export = story

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    done = export("another.csv")
    assert done.status == 2
    assert "can't be written" in done.err
    assert rows(one) == len(inside)


def test_erasure_keeps_to_whom_a_subject_was_handed_over(story):
    one, inside, *_ = story
    number = one.assent("rights", "open", inside[0], "erasure", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.assent("rights", "fulfil", number)
    assert done.status == 0, done.said
    assert len(found(one, inside[0])) == 1
