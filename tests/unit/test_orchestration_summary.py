"""What a run says on the terminal: beside the figures, and of a check that stopped it."""

import dagster as dg
import pytest

from models.markdown import escaped
from orchestration.cli.summary import _permission
from orchestration.runner import _broken

FIGURES = {
    "as_of": "2024-12-30",
    "known_at": "2024-12-31 05:00:00",
    "subjects": 503,
    "signals_overruled": 0,
    "opted_in_early": 2,
    "purposes": [{"purpose": "segmentation", "permitted": 460, "rows": 459}],
}


@pytest.mark.parametrize(
    ("alone", "told"), [(0, "0"), ("fewer than 30", "fewer than 30"), (1230, "1,230")]
)
def test_who_is_known_from_their_words_only_is_spoken_of(capsys, alone, told):
    _permission(FIGURES | {"known_by_consent_only": alone})
    said = capsys.readouterr().out
    assert "segmentation           460       43" in said
    assert (f"Known from consent events or rights requests only: {told}. " in said) is bool(alone)
    assert "`assent consent conflicts`" in said
    assert ("neither customers nor transactions have" in said) is bool(alone)


def test_a_check_that_stopped_it_is_told_without_the_signs_that_markdown_needs():
    why = r"readable: 1 names none: `assent quarantine list` | <b> [x](y) *z* \ # ~"
    check = dg.AssetCheckEvaluation(
        dg.AssetKey("x"), "readable", passed=False, metadata={}, description=escaped(why)
    )
    assert check.description != why
    assert why in str(_broken(check))
