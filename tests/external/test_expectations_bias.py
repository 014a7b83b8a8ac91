"""Measures of bias against published cases."""

import pytest

from expectations.bias import predictability, risk_ratio


def test_koopman_1984() -> None:
    """Koopman's own example: 36 of 40 against 16 of 80; 95 % interval 2.94 to 7.15."""
    found = risk_ratio(36, 40, 16, 80, confidence=0.95)
    assert found.value == pytest.approx(4.5)
    assert (found.low, found.high) == (
        pytest.approx(2.94, abs=0.005),
        pytest.approx(7.15, abs=0.005),
    )


def test_hanley_mcneil_1982() -> None:
    """Their table of 109 images by rating: area 0.893 with a standard error of 0.032."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    members = list(zip(abnormal, normal, strict=True))
    found = predictability(members, confidence=0.6826894921, leave_pair_out=False)
    assert found.value == pytest.approx(0.893, abs=0.0005)
    assert found.high - found.value == pytest.approx(0.032, abs=0.001)
