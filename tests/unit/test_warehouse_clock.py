"""The present moment: the host's, or the one that is set outside of production."""

from datetime import UTC, datetime

import pytest

from warehouse.clock import now
from warehouse.errors import UsageError

MOMENT = datetime(2024, 12, 31, 5, tzinfo=UTC)


@pytest.mark.parametrize("said", ["2024-12-31T05:00:00Z", "2024-12-31T05:00", "2024-12-31T06+01"])
def test_a_clock_can_be_set(home, monkeypatch, said):
    monkeypatch.setenv("ASSENT_NOW", said)
    assert now() == MOMENT


def test_what_is_no_moment_is_refused(home, monkeypatch):
    monkeypatch.setenv("ASSENT_NOW", "tomorrow")
    with pytest.raises(UsageError, match="not a point in time"):
        now()


def test_production_goes_by_the_host(home, monkeypatch):
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    assert now() > MOMENT
    monkeypatch.setenv("ASSENT_NOW", "2024-12-31T05:00:00Z")
    with pytest.raises(UsageError, match="production mode refuses"):
        now()
