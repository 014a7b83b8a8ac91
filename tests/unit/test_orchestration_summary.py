"""The summary of a run: what it says beside the figures."""

import pytest

from orchestration.cli.summary import _permission

FIGURES = {
    "as_of": "2024-12-30",
    "known_at": "2024-12-31 05:00:00",
    "subjects": 503,
    "signals_overruled": 0,
    "opted_in_early": 2,
    "purposes": [{"purpose": "segmentation", "permitted": 460, "rows": 459}],
}


@pytest.mark.parametrize("alone", [0, 1, 1234])
def test_who_is_known_from_consent_events_only_is_spoken_of(capsys, alone):
    _permission(FIGURES | {"known_by_consent_only": alone})
    said = capsys.readouterr().out
    assert "segmentation           460       43" in said
    assert (f"Known from consent events only: {alone:,}. " in said) is bool(alone)
    assert ("neither customers nor transactions have" in said) is bool(alone)
