"""The present moment: the host's, or the one that is set outside of production."""

from datetime import UTC, datetime, timedelta

import pytest

from warehouse.clock import days_ahead, now
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


@pytest.mark.parametrize(
    "said",
    ["9999-12-31T23:59:59", "3000-01-01T00:00:00Z", "1969-12-31T23:59", "0001-01-01T00:00+14:00"],
)
def test_a_moment_from_which_no_days_can_be_counted_is_refused(home, monkeypatch, said):
    monkeypatch.setenv("ASSENT_NOW", said)
    with pytest.raises(UsageError, match="before 1970 or after 2999"):
        now()


def test_a_clock_that_is_set_tells_by_how_many_days_it_is_ahead(home, monkeypatch):
    assert days_ahead("America/New_York") == 0
    monkeypatch.setenv("ASSENT_NOW", "2024-12-31T05:00:00Z")
    assert days_ahead("America/New_York") == 0
    later = datetime.now(UTC) + timedelta(days=40)
    monkeypatch.setenv("ASSENT_NOW", later.isoformat())
    assert days_ahead("America/New_York") in (39, 40, 41)  # an hour, where clocks change between


def test_production_goes_by_the_host(home, monkeypatch):
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    assert now() > MOMENT
    monkeypatch.setenv("ASSENT_NOW", "2024-12-31T05:00:00Z")
    with pytest.raises(UsageError, match="production mode refuses"):
        now()
