"""The record of acts: its own fields are its own."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from governance import acts

pytestmark = pytest.mark.usefixtures("home")

NOW = "2024-12-31T05:00:00+00:00"


def test_an_act_has_its_own_moment_and_all_times_look_alike(monkeypatch):
    monkeypatch.setenv("ASSENT_NOW", NOW)
    east = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    event = acts.record(
        "consent.show",
        as_of=datetime(2024, 1, 1),
        known_at=east,
        until=datetime(2024, 1, 1, tzinfo=UTC),
    )
    assert acts.recorded() == [event]
    assert event["at"] == NOW
    assert {event[name] for name in ("as_of", "known_at", "until")} == {"2024-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("name", ["at", "actor"])
def test_no_detail_takes_the_place_of_a_field(name):
    with pytest.raises(ValueError, match=name):
        acts.record("query", **{name: "another"})
    assert acts.recorded() == []
