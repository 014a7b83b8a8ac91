"""Whether a model was fitted on who is erased: the receipt says so, by what the fit has left."""

import pytest

from governance import identity
from tests.integration.test_governance_rights_erasure import erased
from warehouse.connect import warehouse_store


@pytest.mark.parametrize(
    ("since", "said"),
    [
        # As the landing of the request itself does, before anybody has verified who asks.
        ("delete from marts.mart_segmentation", "yes"),
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
