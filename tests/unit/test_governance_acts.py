"""The record of acts: its own fields are its own, and each line is whole."""

import os
import re
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from governance import acts, identity
from governance.rights.access_page import ACTS
from warehouse import keys
from warehouse.connect import connected, warehouse_store
from warehouse.errors import KeyMissingError, UsageError
from warehouse.home import PROJECT

pytestmark = pytest.mark.usefixtures("home")

NOW = "2024-12-31T05:00:00+00:00"


def act(name="query", **details):
    """Do nothing, on record; return the record."""
    with acts.acting(name, **details):
        pass
    return acts.recorded()[-1]


def test_an_act_has_its_own_moment_and_all_times_look_alike(monkeypatch):
    monkeypatch.setenv("ASSENT_NOW", NOW)
    east = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    day = datetime(2024, 1, 1)
    event = act("consent.show", as_of=day, known_at=east, until=day.replace(tzinfo=UTC))
    assert (event["at"], event["clock"]) == (NOW, "set")
    assert {event[name] for name in ("as_of", "known_at", "until")} == {"2024-01-01T00:00:00+00:00"}


def test_an_act_says_that_its_moment_is_the_host_s(monkeypatch):
    monkeypatch.delenv("ASSENT_NOW", raising=False)
    assert act()["clock"] == "host"


def test_what_came_to_nothing_says_which_rule_refused_and_no_more():
    told = UsageError("Anna is unknown", "ask Anna", rule="subject.unknown")
    for error in (told, UsageError("Anna"), KeyMissingError("Anna"), KeyboardInterrupt("Anna"),
                  ZeroDivisionError("Anna")):  # fmt: skip
        with pytest.raises(type(error)), acts.acting("query", purpose="offers"):
            raise error
    assert [event["refused"] for event in acts.recorded()] == [
        "subject.unknown", "usage", "key", "KeyboardInterrupt", "ZeroDivisionError",
    ]  # fmt: skip
    assert "Anna" not in str(acts.recorded())


def test_it_names_the_keys_that_files_were_opened_with():
    with acts.acting("export"), connected(*identity.stores(), warehouse_store()):
        pass
    with acts.acting("query") as details:
        details["rows"] = 3
    with connected(warehouse_store()):
        pass
    used, none = acts.recorded()
    assert used["keys"] == ["salts", "vault", "warehouse"]
    assert (none["keys"], none["rows"]) == ([], 3)
    assert "refused" not in used | none
    assert not [event for event in (used, none) if keys.get("vault") in str(event)]


@pytest.mark.parametrize("name", ["at", "clock", "actor"])
def test_no_detail_takes_the_place_of_a_field(name):
    with pytest.raises(ValueError, match=name):
        act(**{name: "another"})
    assert acts.recorded() == []


def test_the_actor_is_the_user_of_the_process_whatever_the_environment_says(monkeypatch):
    real = acts.actor()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody_else")
    assert act()["actor"] == real != "somebody_else"
    monkeypatch.setenv("ASSENT_ACTOR", "Zoë of the desk")
    assert act()["actor"] == "Zoë of the desk"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become a user whom nobody knows")
def test_a_user_without_a_name_is_its_number():
    code = "import os; from governance import acts; os.setuid(54321); print(acts.actor())"
    env = {k: v for k, v in os.environ.items() if k not in ("LOGNAME", "USER", "ASSENT_ACTOR")}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=PROJECT, text=True,
                          capture_output=True, check=True)  # fmt: skip
    assert done.stdout == "54321\n"


@pytest.mark.parametrize("name", ["Anna\nEve", "Anna\u2028Eve", "Anna\x1b[2J", "Anna\u202eEve"])
def test_an_actor_that_cannot_be_read_does_nothing(monkeypatch, name):
    monkeypatch.setenv("ASSENT_ACTOR", name)
    done = []
    with pytest.raises(UsageError, match="ASSENT_ACTOR"), acts.acting("query"):
        done.append("something")
    assert done == acts.recorded() == []


def test_what_cannot_be_put_on_record_is_not_done(home):
    (home.make().audit / acts.FILE).mkdir()
    done = []
    with pytest.raises(UsageError, match="can't be written") as refused, acts.acting("query"):
        done.append("something")
    assert refused.value.rule == "record"
    assert done == []


def test_a_detail_with_another_end_of_a_line_stays_one_record():
    assert act(segment="one\u2028two\x85three")["segment"] == "one\u2028two\x85three"


def test_a_line_that_has_no_room_is_not_begun(home):
    """As on a full disk, of which the system writes what still fits."""
    act()
    whole = (home.audit / acts.FILE).read_bytes()
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, hard))
    try:
        with pytest.raises(UsageError, match="no room") as refused, acts.acting("query"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.rule == "record"
    assert (home.audit / acts.FILE).read_bytes() == whole
    act()
    assert len(acts.recorded()) == 2


# Acts that name no subject: of files, of many, of those who are gone.
OF_NOBODY = {
    "backup", "consent.conflicts", "consent.new_inbox", "custody.evidence", "custody.leave",
    "export", "keys.rotate", "quarantine.list", "quarantine.resolve", "query", "restore",
    "rights.confirm", "rights.erase", "rights.new_kept", "rights.notify", "rights.purge",
}  # fmt: skip


def test_each_act_about_a_subject_is_told_to_it_in_words():
    begun = re.compile(r'\b(?:acting|handing_over)\(\s*"([a-z_.]+)"')
    named = {
        name
        for room in ("governance", "orchestration")
        for path in (PROJECT / room).rglob("*.py")
        for name in begun.findall(path.read_text(encoding="utf-8"))
    }
    assert set(ACTS) == named - OF_NOBODY
