"""Whether a model was fitted on who is erased: the receipt says so, by what the fit has left."""

import pytest

from governance import identity
from governance.rights import kept
from tests.integration.test_governance_rights_erasure import erased, opened
from warehouse.connect import warehouse_store

HOW = "--method", "by letter"
LAND = ("run", "--select", "key:landing/clocks")


def test_it_tells_whom_the_model_knows_whatever_has_landed_since(small, tmp_path):
    """As does the request itself, before anybody has verified who asks; or a withdrawal."""
    one = small.copy(tmp_path / "home")
    asks, withdraws, *_ = sorted(one.members())
    number = opened(one, asks)
    for arguments in (
        ("consent", "record", withdraws, "withdrawn"), LAND, ("rights", "verify", number, *HOW)
    ):  # fmt: skip
        done = one.assent(*arguments)
        assert done.status == 0, done.said
    done = one.assent("rights", "fulfil", number, "--json")
    for receipt in (done.json[0], erased(one, withdraws)):
        assert [model["fitted_on_subject"] for model in receipt["models"]] == ["yes"]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("delete from segmentation.fitted_on where segmentation_key = '{key}'", "no"),
        ("update segmentation.fitted_on set model = 'another'", "not known"),
        ("drop table segmentation.fitted_on", "not known"),
    ],
)
def test_it_tells_by_the_fit_whatever_the_marts_hold_by_then(small, tmp_path, since, said):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    with one.entered(), identity.opened(warehouse_store()) as connection:
        keys = identity.purpose_keys(
            ["segmentation"], f"(select * from vault.subjects where customer_id = '{who}')"
        )
        ((key,),) = connection.execute(f"select purpose_key from ({keys})").fetchall()
        connection.execute("use warehouse")
        connection.execute(since.format(key=key))
    (model,) = erased(one, who)["models"]
    assert model["fitted_on_subject"] == said


@pytest.mark.parametrize(("lost", "said"), [(False, "yes"), (True, "not known")])
def test_who_returned_and_leaves_again_is_told_the_same_of_the_same_model(
    small, tmp_path, lost, said
):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    (first,) = erased(one, who)["models"]
    assert one.assent("rights", "readmit", who, "--evidence", "x").status == 0
    if lost:  # with `kept`
        with one.entered(), kept.opened() as connection:
            connection.execute("delete from kept.receipts")
    (second,) = erased(one, who)["models"]
    assert first["model"] == second["model"]
    assert (first["fitted_on_subject"], second["fitted_on_subject"]) == ("yes", said)
