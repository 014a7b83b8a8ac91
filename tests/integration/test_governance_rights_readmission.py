"""Who was erased and has returned starts anew: only what is from after that lands."""

import os
from datetime import timedelta

import pytest

from governance import identity
from tests.support.installation import own_feeds
from warehouse.clock import now
from warehouse.connect import warehouse_store


def rows(one, who):
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        return {
            table: connection.execute(
                f"select count(*) from warehouse.landing.{table} join vault.subjects"
                " using (subject_key) where customer_id = ?",
                [who],
            ).fetchall()[0][0]
            for table in ("customers", "transactions", "consent_events", "rights_requests")
        }


def key_of(one, who):
    with one.entered(), identity.opened() as connection:
        return identity.subject_key_of(connection, who)


def waited_for(one):
    """Return of each row of customers that is, or was, waited for, how that ended."""
    listed = one.assent("quarantine", "list", "--all", "--json").json
    return [row["resolution"] for row in listed if row["reason"] == "none_since_return"]


def read_anew(one, tolerance):
    """Change how feeds are declared, so that all are read from the beginning."""
    lines = [
        line for line in one.sources.read_text().splitlines() if "future_tolerance" not in line
    ]
    said = f"future_tolerance_minutes: {tolerance}\n    time_zone: "
    one.sources.write_text("\n".join(lines).replace("time_zone: ", said))
    assert one.assent("run", "--select", "key:landing/clocks").status == 0


def erase(one, who, **variables):
    number = one.assent("rights", "open", who, "erasure", "--json", **variables).json["request_id"]
    for command in (("verify", number, "--method", "by letter"), ("fulfil", number)):
        done = one.assent("rights", *command, **variables)
        assert done.status == 0, done.said


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readmission")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    who = min(one.members())
    before, key = rows(one, who), key_of(one, who)
    assert one.assent("rights", "readmit", who, "--evidence", "x").status == 2  # wasn't erased
    erase(one, who)
    early = one.assent(
        "rights", "readmit", who, "--evidence", "x", "--since", "2001-01-01T00:00:00"
    )
    assert early.status == 2
    done = one.assent("rights", "readmit", who, "--evidence", "contract 2026-118")
    assert done.status == 0, done.said
    shown = one.assent("consent", "show", who)
    assert (shown.status, "nothing has landed of that subject yet" in shown.err) == (2, True)
    return one, folder / "feeds", who, before, key


@pytest.mark.slow
def test_a_feed_that_delivers_old_rows_again_brings_none_back(story):
    one, _, who, before, key = story
    assert min(before.values()) >= 0
    assert before["customers"] == 1
    assert before["transactions"] > 0  # positive control
    read_anew(one, 61)
    assert set(rows(one, who).values()) == {0}
    assert key_of(one, who) != key  # a new salt
    figures = {f["feed"]: f for f in one.evidence("feeds")["feeds"]}
    assert figures["transactions"]["suppressed"] == before["transactions"]
    assert figures["customers"]["suppressed"] == 1
    assert waited_for(one) == [None]
    shown = one.assent("quarantine", "list").out
    assert "none_since_return" in shown
    assert "assent rights readmit" in shown
    assert one.assent("status").status in (0, 1)
    feeds = {r["rule"]: r["status"] for r in one.evidence("status")["rules"]}
    assert feeds["reconciliation.transactions"] == "holds"
    assert feeds["reconciliation.customers"] == "holds"


@pytest.mark.slow
def test_who_is_erased_again_stays_away_though_the_clock_is_behind_the_return(small, tmp_path):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    with one.entered():
        behind = {"ASSENT_NOW": (now() - timedelta(hours=1)).isoformat()}
    erase(one, who)
    told = one.assent("rights", "readmit", who, "--evidence", "x", **behind).err
    assert "the clock is before the erasure" in told
    assert one.assent("rights", "readmit", who, "--evidence", "x").status == 0
    returned = {path: path.read_bytes() for path in (one.home.vault, one.home.salts)}
    erase(one, who, **behind)
    for path, content in returned.items():  # as a restore of a backup from then would
        path.write_bytes(content)
    assert who in one.everybody()  # positive control
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert who not in one.everybody()


@pytest.mark.slow
def test_what_is_from_after_that_lands(story):
    one, folder, who, before, _ = story
    assert one.assent("consent", "record", who, "granted", "--notice-version", "2").status == 0
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert rows(one, who)["consent_events"] == 1
    states = one.assent("consent", "show", who, "--json").json
    assert not any(state["permitted"] for state in states)  # until customers tells of them
    os.utime(folder / "customers.parquet")  # written since, though it says the same
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert rows(one, who)["customers"] == 1
    assert waited_for(one) == ["delivered"]
    read_anew(one, 62)
    assert rows(one, who) == {**dict.fromkeys(before, 0), "customers": 1, "consent_events": 1}
    shown = one.assent("consent", "show", who, "--json")
    assert shown.status == 0, shown.said
