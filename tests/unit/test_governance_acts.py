"""The record of acts: its own fields are its own."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from governance import acts, identity
from warehouse import keys
from warehouse.connect import connected, warehouse_store
from warehouse.errors import KeyMissingError, UsageError

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
    assert (event["at"], event["clock"]) == (NOW, "set")
    assert {event[name] for name in ("as_of", "known_at", "until")} == {"2024-01-01T00:00:00+00:00"}


def test_an_act_says_that_its_moment_is_the_host_s(monkeypatch):
    monkeypatch.delenv("ASSENT_NOW", raising=False)
    assert acts.record("query")["clock"] == "host"


def test_what_came_to_nothing_says_which_rule_refused_and_no_more():
    told = UsageError("Anna is unknown", "ask Anna", rule="subject.unknown")
    for error in (told, UsageError("Anna"), KeyMissingError("Anna"), KeyboardInterrupt("Anna"),
                  ZeroDivisionError("Anna")):  # fmt: skip
        with pytest.raises(type(error)), acts.acting("query", purpose="offers"):
            raise error
    assert [act["refused"] for act in acts.recorded()] == [
        "subject.unknown", "usage", "key", "KeyboardInterrupt", "ZeroDivisionError",
    ]  # fmt: skip
    assert "Anna" not in str(acts.recorded())


def test_it_names_the_keys_that_files_were_opened_with():
    with acts.acting("export"), connected(*identity.stores(), warehouse_store()):
        pass
    with acts.acting("query") as act:
        act["rows"] = 3
    with connected(warehouse_store()):
        pass
    used, none = acts.recorded()
    assert used["keys"] == ["salts", "vault", "warehouse"]
    assert (none["keys"], none["rows"]) == ([], 3)
    assert "refused" not in used | none
    assert not [act for act in (used, none) if keys.get("vault") in str(act)]


@pytest.mark.parametrize("name", ["at", "clock", "actor"])
def test_no_detail_takes_the_place_of_a_field(name):
    with pytest.raises(ValueError, match=name):
        acts.record("query", **{name: "another"})
    assert acts.recorded() == []
