"""When a word was said, where its time leaves that open: never so that it permits more."""

from datetime import datetime, timedelta

import pytest

from tests.support.feeds import (
    EVENTS,
    NOW,
    REQUESTS,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    reasons,
    sale,
    sources_in,
    write_csv,
)

pytestmark = pytest.mark.usefixtures("home")

WITHDRAWN = {"action": "withdrawn"}
LAST = timedelta(days=1) - timedelta(microseconds=1)


def words(tmp_path, rows, columns=EVENTS, mapped=None, **changes):
    """Load consent events."""
    fill(tmp_path)
    write_csv(tmp_path / "consent_events.csv", columns, rows)
    changes["columns"] = {name: name for name in columns} | (mapped or {})
    load(sources_in(tmp_path, consent_events=declared("consent_events", **changes)))


def said(column="occurred_at"):
    """Return when the landed denials were said, and the others."""
    rows = ask(f"select action = 'withdrawn', {column} from landing.consent_events order by all")
    return [at for denies, at in rows if denies], [at for denies, at in rows if not denies]


@pytest.mark.parametrize(
    ("day", "mapping", "zone", "ends"),
    [
        ("2024-05-03", "occurred_at", "UTC", "2024-05-03 23:59:59.999999"),
        ("2024-05-03", "occurred_at", "Europe/Berlin", "2024-05-03 21:59:59.999999"),
        ("2024/05/03", "occurred_at", "America/New_York", "2024-05-04 03:59:59.999999"),
        ("03.05.2024", {"column": "occurred_at", "format": "%d.%m.%Y"}, "UTC",
         "2024-05-03 23:59:59.999999"),
        ("2024-05-03", {"expression": "cast(occurred_at as date)"}, "Europe/Berlin",
         "2024-05-03 21:59:59.999999"),
        # The clocks are put back in that night, at its end.
        ("2023-11-04", "occurred_at", "America/Havana", "2023-11-05 03:59:59.999999"),
        # A time is a time.
        ("2024-05-03 00:00:00", "occurred_at", "UTC", "2024-05-03 00:00:00"),
        ("2024-05-03T00:00:00+02:00", "occurred_at", "UTC", "2024-05-02 22:00:00"),
        ("03.05.2024 07", {"column": "occurred_at", "format": "%d.%m.%Y %H"}, "UTC",
         "2024-05-03 07:00:00"),
    ],
)  # fmt: skip
def test_a_denial_of_a_day_counts_as_its_end(tmp_path, day, mapping, zone, ends):
    rows = [event(occurred_at=day), event(occurred_at=day, **WITHDRAWN)]
    words(tmp_path, rows, time_zone=zone, mapped={"occurred_at": mapping})
    (denied,), (granted,) = said()
    assert denied == datetime.fromisoformat(ends)
    whole = timedelta(0) if denied.microsecond == 0 else LAST
    assert granted == denied - whole  # the midnight before
    must_reconcile()


@pytest.mark.parametrize(
    ("day", "known", "occurred", "recorded"),
    [
        ("2024-05-03", "2024-05-03 09:00:00", "2024-05-03 09:00:00", "2024-05-03 09:00:00"),
        ("2024-05-03", "2024-05-09 09:00:00", "2024-05-03 23:59:59.999999", "2024-05-09 09:00:00"),
        ("2024-05-03", "2024-05-02 23:30:00", "2024-05-03 00:00:00", "2024-05-02 23:30:00"),
        # Both tell the day only: known at its end, at the latest.
        ("2024-05-03", "2024-05-03", "2024-05-03 23:59:59.999999", "2024-05-03 23:59:59.999999"),
        ("2024-05-03", None, "2024-05-03 23:59:59.999999", "2024-05-03 23:59:59.999999"),
    ],
)
def test_but_not_after_it_became_known(tmp_path, day, known, occurred, recorded):
    rows = [(*event(occurred_at=day, **WITHDRAWN), known)]
    words(tmp_path, rows, columns=(*EVENTS, "recorded_at"))
    assert said()[0] == [datetime.fromisoformat(occurred)]
    assert said("recorded_at")[0] == [datetime.fromisoformat(recorded)]


def test_nor_after_the_present_moment_and_delivered_again_it_is_settled(tmp_path):
    """Both words of it are one when the feed is read from the beginning: nothing is forgotten."""
    now = NOW + timedelta(hours=11)
    rows = [event(), event(occurred_at="2024-07-01", **WITHDRAWN)]
    fill(tmp_path, consent_events=rows)
    sources = sources_in(tmp_path)
    load(sources, now=now)
    present, end = datetime(2024, 7, 1, 11), datetime(2024, 7, 1) + LAST
    assert said()[0] == [present]
    fill(tmp_path, consent_events=rows[::-1])  # the whole file, written anew
    load(sources, now=now + timedelta(days=1))
    assert said()[0] == [present, end]
    changed = declared("consent_events", future_tolerance_minutes=61)
    load(sources_in(tmp_path, consent_events=changed), now=now + timedelta(days=2))
    assert said()[0] == [end]
    must_reconcile()


def test_a_day_that_is_none_or_still_to_come_is_a_fault_as_before(tmp_path):
    days = ["2024-02-30", "2024-07-03", "294247-01-10", "infinity"]
    words(tmp_path, [event(occurred_at=day, **WITHDRAWN) for day in days])
    assert reasons("consent_events") == {
        "unparseable_occurred_at": [1], "after_arrival": [2, 3, 4],
    }  # fmt: skip


def test_days_of_sales_and_requests_are_midnights(tmp_path):
    fill(tmp_path, transactions=[sale(occurred_at="2024-05-03")])
    write_csv(tmp_path / "rights_requests.csv", REQUESTS,
              [("ann", "r1", "erasure", "2024-05-03", "open")])  # fmt: skip
    load(sources_in(tmp_path, rights_requests=declared("rights_requests")))
    midnight = [(datetime(2024, 5, 3),)]
    assert ask("select occurred_at from landing.transactions") == midnight
    assert ask("select received_at from landing.rights_requests") == midnight


@pytest.mark.parametrize(
    ("known", "granted"),
    [("09:30", "09:30"), ("10:00", "10:00"), ("10:30", "10:00"), (None, "10:00")],
)
def test_a_grant_by_a_fast_clock_was_said_when_it_became_known(tmp_path, known, granted):
    """A denial of 09:45 would be undone by it otherwise."""
    known = known and f"2024-05-03 {known}:00"
    at = "2024-05-03 10:00:00"
    rows = [(*event(occurred_at=at), known), (*event(occurred_at=at, **WITHDRAWN), known)]
    words(tmp_path, rows, columns=(*EVENTS, "recorded_at"))
    assert reasons("consent_events") == {}
    assert said() == (
        [datetime.fromisoformat(at)], [datetime.fromisoformat(f"2024-05-03 {granted}")]
    )  # fmt: skip


def test_a_clock_that_is_too_fast_is_a_fault_as_before(tmp_path):
    rows = [(*event(occurred_at="2024-05-03 10:00:00"), "2024-05-03 08:59:59")]
    words(tmp_path, rows, columns=(*EVENTS, "recorded_at"))
    assert reasons("consent_events") == {"after_arrival": [1]}
