"""Which steps a request takes, open or granted, and a legal hold."""

import pytest

from governance.rights.answer import Meanings
from governance.rights.fulfil import fulfil
from governance.rights.opening import hold
from governance.rights.requests import find, listing
from governance.rights.steps import take_step
from tests.integration.test_governance_rights_numbers import (
    FIRST,
    POLICY,
    WORDS,
    land,
    permitted,
    since,
    somewhere,  # noqa: F401  # a fixture
    stands,
)
from tests.support.feeds import NOW
from warehouse.errors import UsageError

MEANINGS = Meanings({}, {}, {}, lambda *_: {})  # of no right that is answered here


@pytest.mark.parametrize(
    ("kind", "step", "held"),
    [
        ("objection", "fulfilled", True),
        ("objection", "refused", False),  # which direct marketing doesn't go by
        ("restriction", "fulfilled", True),
        ("limit", "fulfilled", False),  # of nothing but what is sensitive
        ("erasure", "partial", True),
    ],
)
def test_what_was_granted_and_stands_is_taken_back_by_its_subject(tmp_path, kind, step, held):
    opened = ("ann", "7", kind, FIRST, "open")
    land(tmp_path, opened)
    take_step(POLICY, "7", "verified", method="-")
    take_step(POLICY, "7", step, **WORDS)
    land(tmp_path, opened)
    assert find("7").stands
    assert permitted() == (["zoe"] if held else ["ann", "zoe"])
    # A granted restriction, too: its subject would be processed again without having been told.
    for other in ("verified", "acknowledged", "extended", "fulfilled", "partial", "refused"):
        with pytest.raises(UsageError, match="`assent rights withdraw 7` notes that") as refused:
            take_step(POLICY, "7", other, **WORDS)
        assert (
            "`assent rights lift 7 --told ...` ends it" in str(refused.value)
        ) == (kind == "restriction")  # fmt: skip
    land(tmp_path, opened)
    assert permitted() == (["zoe"] if held else ["ann", "zoe"])
    take_step(POLICY, "7", "withdrawn", how="by letter")
    land(tmp_path, opened)
    assert permitted() == ["ann", "zoe"]
    assert [status for _, status, *_ in stands()] == ["withdrawn"]
    for column in ("held_since", "limited_since", "marketing_objected_since"):
        assert since(column) == [None]
    assert not find("7").stands
    with pytest.raises(UsageError, match="open a new one"):
        take_step(POLICY, "7", "withdrawn", how="by letter")


def test_refusing_an_open_restriction_asks_how_its_subject_was_told_beforehand(tmp_path):
    asked = [("ann", "7", "restriction", FIRST, "open"), ("zoe", "8", "objection", FIRST, "open")]
    land(tmp_path, *asked)
    for number, told in (("7", {}), ("8", {"told": "by letter"})):
        with pytest.raises(UsageError, match="beforehand"):
            take_step(POLICY, number, "refused", **WORDS, **told)
        assert (find(number).status, find(number).steps) == ("open", ())
    land(tmp_path, *asked)
    assert permitted() == []
    take_step(POLICY, "7", "refused", **WORDS, told="by letter")
    assert find("7").steps[-1]["told"] == "by letter"
    land(tmp_path, *asked)
    assert permitted() == ["ann"]


def test_of_several_types_under_a_number_none_is_taken_back_for_another(tmp_path):
    land(tmp_path, ("ann", "7", "objection", FIRST, "open"))
    take_step(POLICY, "7", "fulfilled", how="-")
    land(tmp_path, *((("ann", "7", kind, FIRST, "open")) for kind in ("objection", "access")))
    with pytest.raises(UsageError, match="of several types"):
        take_step(POLICY, "7", "withdrawn", how="-")
    take_step(POLICY, "7", "acknowledged")
    take_step(POLICY, "7", "refused", **WORDS)
    take_step(POLICY, "7", "withdrawn", how="-")
    assert [(r.type, r.status) for r in listing()] == [
        ("access", "refused"), ("objection", "withdrawn"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "step",
    ["withdrawn", "acknowledged", "extended", "verified", "refused", "fulfilled", "partial"],
)
def test_of_a_legal_hold_nobody_takes_a_step_of_what_was_asked_for(tmp_path, step):
    land(tmp_path)
    number = hold("ann", reason="claim 7", until=NOW.date()).request_id
    with pytest.raises(UsageError, match=f"`assent rights lift {number}` ends it"):
        take_step(POLICY, number, step, how="-")
    assert [taken["step"] for taken in find(number).steps] == ["held"]


def test_what_takes_only_lifting_says_so_where_it_was_to_be_fulfilled(tmp_path):
    """Not `done`, which it would refuse as well."""
    land(tmp_path, ("ann", "7", "restriction", FIRST, "open"))
    with pytest.raises(UsageError, match=r"then `assent rights done 7 --how \.\.\.`"):
        fulfil(POLICY, [find("7")], [], MEANINGS)
    take_step(POLICY, "7", "fulfilled", how="-")
    held = hold("ann", reason="claim 7", until=NOW.date()).request_id
    for number, told in (("7", r" --told \.\.\."), (held, "")):
        with pytest.raises(UsageError, match=f"`assent rights lift {number}{told}` ends it"):
            fulfil(POLICY, [find(number)], [], MEANINGS)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("access", "fulfilled"),
        ("portability", "fulfilled"),
        ("explanation", "fulfilled"),
        ("rectification", "partial"),
        ("erasure", "partial"),
    ],
)
def test_nobody_is_answered_outside_of_assent_before_somebody_has_verified_who_asks(
    tmp_path, kind, step
):
    land(tmp_path, ("ann", "7", kind, FIRST, "open"))
    with pytest.raises(UsageError, match="nobody has verified"):
        take_step(POLICY, "7", step, how="by post")
    assert find("7").status == "open"
    take_step(POLICY, "7", "verified", method="-")
    take_step(POLICY, "7", step, how="by post")
    assert find("7").status == step
