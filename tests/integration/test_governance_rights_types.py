"""Requests of several types under one number of one customer, as a feed may give it to them."""

import json
from datetime import datetime

import pytest

from governance import inbox
from governance.rights import kept
from orchestration.cli.rights import STEPS

NUMBER = "R-7"
TYPES = ("access", "rectification", "erasure")
TO_TELL = {"how": "-", "method": "-", "reason": "-", "ground": "-", "complaint": "-", "told": "-"}


def said(one, *arguments):
    done = one.assent("rights", *arguments)
    assert done.status == 0, done.said
    return done


def shown(one, kind):
    return said(one, "show", NUMBER, "--type", kind, "--json").json


@pytest.fixture(scope="module")
def asked(small, tmp_path_factory):
    """A member who was exported asks for three things under one number."""
    folder = tmp_path_factory.mktemp("types")
    one = small.copy(folder / "home")
    members = one.members()
    who = min(members)
    done = one.assent("export", str(members[who]), "--purpose", "segmentation", "--recipient",
                      "store_planning", "--to", str(folder / "a.csv"), "--unencrypted")  # fmt: skip
    assert done.status == 0, done.said
    with one.entered():
        for kind in TYPES:
            inbox.add("rights_requests", {
                "customer_id": who, "request_id": NUMBER, "type": kind, "status": "open",
                "received_at": datetime(2024, 12, 1),
            })  # fmt: skip
    return one, folder


@pytest.mark.parametrize(
    "act",
    [
        ("show",), ("fulfil",),
        *((s.command, *(f"--{name}={TO_TELL[name]}" for name in s.options)) for s in STEPS),
    ],
    ids=lambda act: act[0],
)  # fmt: skip
def test_no_act_takes_one_for_another(asked, act):
    one, _ = asked
    command, *options = act
    done = one.assent("rights", command, NUMBER, *options)
    assert done.status == 2
    assert "several types have that number: access, erasure, rectification" in done.err
    assert "--type" in done.err
    other = one.assent("rights", command, NUMBER, *options, "--type", "objection")
    assert (other.status, "there is no such request" in other.err) == (2, True)


@pytest.fixture(scope="module")
def answered(asked):
    """Each is handled by its type; what was said when it was fulfilled, by type."""
    one, folder = asked
    said(one, "verify", NUMBER, "--method", "ID card", "--type", "access")
    assert [bool(shown(one, kind)["steps"]) for kind in TYPES] == [True, False, False]
    for kind in TYPES[1:]:
        said(one, "verify", NUMBER, "--method", "ID card", "--type", kind)
    changes = folder / "changes.json"
    changes.write_text('{"age_years": 61}')
    (folder / "out").mkdir()
    refused = one.assent("rights", "fulfil", NUMBER, "--type", "erasure")
    assert "which asks for access, is open" in refused.err, refused.said
    told = {}
    for kind, *options in (
        ("access", "--to", str(folder / "out"), "--unencrypted"),
        ("rectification", "--changes", str(changes)),
    ):
        (told[kind],) = said(one, "fulfil", NUMBER, "--type", kind, *options, "--json").json
    # The one is meant that hasn't ended.
    (told["erasure"],) = said(one, "fulfil", NUMBER, "--json").json
    return one, folder, told


def test_each_has_a_receipt_that_is_genuine(answered):
    one, folder, told = answered
    assert {kind: receipt["type"] for kind, receipt in told.items()} == {k: k for k in TYPES}
    assert {kind: shown(one, kind)["receipt"] for kind in TYPES} == told
    with one.entered(), kept.opened() as connection:
        rows = connection.execute("select type from kept.receipts order by all").fetchall()
    assert rows == [(kind,) for kind in sorted(TYPES)]
    (folder / "receipts.json").write_text(json.dumps([*told.values()]))
    assert "as signed here: 3" in said(one, "check", str(folder / "receipts.json")).out


def test_of_who_is_erased_each_is_found_by_its_type(answered):
    one, _, told = answered
    done = one.assent("rights", "show", NUMBER)
    assert done.status == 2
    assert "have that number: access, erasure, rectification" in done.err
    for kind in TYPES:
        found = shown(one, kind)
        assert (found["type"], found["status"]) == (kind, "fulfilled")
        assert [step["step"] for step in found["steps"]] == ["verified", "fulfilled"]
        assert {notice["kind"] for notice in found["notices"]} == {"erasure"} & {kind}
    for options in ((), ("--type", "erasure")):  # given again
        assert said(one, "fulfil", NUMBER, *options, "--json").json == [told["erasure"]]
    assert one.assent("rights", "fulfil", NUMBER, "--type", "access").status == 2
    acts = {(act["act"], act["type"]) for act in one.acts() if act["act"] == "rights.step"
            and "refused" not in act}  # fmt: skip
    assert acts == {("rights.step", kind) for kind in TYPES}
