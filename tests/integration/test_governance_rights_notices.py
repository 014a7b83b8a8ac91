"""Recipients are told what has become of data that they received, and nobody else is."""

import json
import os

import pytest

from governance.rights import kept


def told(one):
    with one.entered(), kept.opened() as connection:
        return connection.execute("select kind, told from kept.notices").fetchall()


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    """An export, after which its members withdraw in several ways; somebody else does, too."""
    folder = tmp_path_factory.mktemp("notices")
    one = small.copy(folder / "home")
    members = one.members()
    segment = str(members[min(members)])
    inside = sorted(who for who, number in members.items() if str(number) == segment)
    outside = next(who for who, number in members.items() if str(number) != segment)
    done = one.assent("export", segment, "--purpose", "segmentation", "--recipient",
                      "store_planning", "--to", str(folder / "a.csv"), "--unencrypted")  # fmt: skip
    assert done.status == 0, done.said
    erased, restricted, opted_out = inside[:3]
    for who in (erased, outside):
        number = one.assent("rights", "open", who, "erasure", "--json").json["request_id"]
        assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
        done = one.assent("rights", "fulfil", number, "--json")
        assert done.status == 0, done.said
        receipt = done.json[0]
        if who == erased:
            assert receipt["recipients"].keys() == {"store_planning"}
            shown = one.assent("rights", "show", number, "--subject", who, "--json")
        else:
            assert receipt["recipients"] == {}
    assert one.assent("rights", "open", restricted, "restriction").status == 0
    done = one.assent("consent", "record", opted_out, "opted_out", "--purpose", "segmentation")
    assert done.status == 0, done.said
    return one, folder, (erased, restricted, opted_out), outside, shown


def notify(one, folder, name):
    return one.assent("rights", "notify", "store_planning", "--to", str(folder / name),
                      "--unencrypted", "--json")  # fmt: skip


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_what_is_owed_is_listed_without_anybodys_number(story):
    one, _, people, _, _ = story
    listed = one.assent("rights", "notices", "--json")
    owed = [(n["kind"], n["recipient"], n["state"]) for n in listed.json]
    assert sorted(owed) == [(kind, "store_planning", "waiting")
                            for kind in ("erasure", "opt_out", "restriction")]  # fmt: skip
    assert not [who for who in people if who in listed.said]


def test_a_notice_that_cant_be_written_isnt_handed_over(story, monkeypatch):
    one, folder, *_ = story

    with monkeypatch.context() as broken:
        broken.setattr(os, "link", full)
        assert notify(one, folder, "none.json").status == 2
    states = {n["state"] for n in one.assent("rights", "notices", "--json").json}
    assert states == {"waiting"}
    no_key = one.assent("rights", "notify", "store_planning", "--to", str(folder / "n.json"))
    assert no_key.status == 2
    assert "no public key" in no_key.err


def test_a_recipient_is_told_by_what_it_received_and_confirms_it(story, monkeypatch):
    """Until then the file can be written again; after that nothing is left to tell."""
    one, folder, people, outside, shown = story
    first = notify(one, folder, "first.json")
    assert first.status == 0, first.said
    notice = json.loads((folder / "first.json").read_text())
    said = {change["kind"]: change["known_as"] for change in notice["changes"]}
    assert said == {kind: {"customer_id": who} for kind, who in
                    zip(("erasure", "restriction", "opt_out"), people, strict=True)}  # fmt: skip
    assert outside not in json.dumps(notice)
    with monkeypatch.context() as broken:
        broken.setattr(os, "link", full)
        assert notify(one, folder, "none.json").status == 2
    again = notify(one, folder, "again.json").json
    assert again["changes"] == 3
    (number,) = again["notice_ids"]
    assert [number] == first.json["notice_ids"]  # what was handed over stays so, by its number
    assert {change["notice_id"] for change in notice["changes"]} == {number}
    done = one.assent("rights", "confirm", number, "--how", "mail of 3 March")
    assert done.status == 0, done.said
    assert one.assent("rights", "confirm", number, "--how", "mail").status == 2
    assert {n["state"] for n in one.assent("rights", "notices", "--json").json} == {"confirmed"}
    assert {text for _, text in told(one)} == {None}
    assert "nothing to tell" in notify(one, folder, "more.json").err
    acts = [act for act in one.acts() if act["act"] in ("rights.notify", "rights.confirm")]
    assert {"rights.notify", "rights.confirm"} == {act["act"] for act in acts}
    assert not [who for who in people if who in json.dumps(acts)]
    assert [n["state"] for n in shown.json["notices"]] == ["waiting"]


def test_what_a_notice_told_leaves_in_time_though_nobody_confirms(story):
    one, *_ = story
    with one.entered(), kept.opened() as connection:
        connection.execute("update kept.notices set confirmed_at = null, told = 'canary'")
    before = one.home.kept.stat().st_ino
    for moment, left in (("2024-12-31", 3), ("2099-01-01", 0)):
        assert one.assent("rights", "purge", ASSENT_NOW=f"{moment}T00:00:00Z").status == 0
        assert len([1 for _, text in told(one) if text]) == left
    assert one.home.kept.stat().st_ino != before
