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
    both = frozenset({"segmentation", "offers"})
    assert list(found) == [Exposure("cards", "planning", both, frozenset({"int_x"}))]
    assert list(exposures({}, policy())) == []
    unnamed = list(exposures(manifest("mart_offers", meta={}), policy()))
    assert unnamed == [Exposure("cards", None, frozenset({"offers"}))]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (["source.assent.landing.transactions"], "reads landing.transactions"),
        (["model.assent.mart_offers", "model.assent.int_x"], "reads int_x"),
        (["model.assent.mart_gifts"], "reads mart_gifts"),
        ([], "doesn't say which mart it reads"),
    ],
)
def test_what_is_no_mart_of_a_purpose_is_a_gap(nodes: list[str], said: str) -> None:
    cards = manifest(depends_on={"nodes": nodes}, meta={"recipient": "controller"})
    (found,) = exposures(cards, policy())
    (fault,) = faults_of(found, policy())
    assert fault.kind == "gap"
    assert said in fault.what


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
