"""Consumers of marts, held to the recipients of the policy."""

from typing import Any

import pytest

from expectations.exposures import Exposure, exposures, faults_of
from tests.support.checked import policy


def manifest(*marts: str, **body: Any) -> dict[str, Any]:
    return {
        "exposures": {
            "exposure.assent.cards": {
                "name": "cards",
                "depends_on": {"nodes": [f"model.assent.{mart}" for mart in marts]},
                **body,
            }
        }
    }


def test_purposes_of_an_exposure() -> None:
    found = exposures(
        manifest("mart_segmentation_backtest", "mart_offers", "int_x",
                 config={"meta": {"recipient": "planning"}}),
        policy(),
    )  # fmt: skip
    assert list(found) == [Exposure("cards", "planning", frozenset({"segmentation", "offers"}))]
    assert list(exposures(manifest("int_x"), policy())) == []
    assert list(exposures({}, policy())) == []
    unnamed = list(exposures(manifest("mart_offers", meta={}), policy()))
    assert unnamed == [Exposure("cards", None, frozenset({"offers"}))]


@pytest.mark.parametrize(
    ("recipient", "purpose", "kinds"),
    [
        ("planning", "segmentation", []),
        ("controller", "segmentation", []),
        ("planning", "offers", ["violation"]),
        ("somebody", "offers", ["violation"]),
        (None, "offers", ["gap"]),
    ],
)
def test_faults(recipient: str | None, purpose: str, kinds: list[str]) -> None:
    found = list(faults_of(Exposure("cards", recipient, frozenset({purpose})), policy()))
    assert [fault.kind for fault in found] == kinds
    assert all("cards" in fault.what for fault in found)
