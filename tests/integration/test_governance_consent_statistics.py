"""Consent statistics: months counted once, small cells never, over a warehouse with permission."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import duckdb
import pytest

from governance import consent_statistics, unrecorded
from governance.clocks import last_instant
from governance.consent_statistics import Count
from models import plots
from orchestration.consent_statistics import drawn
from tests.support import checked
from tests.support.checked import AS_OF, S

POLICY = checked.policy()
LEAST = POLICY.thresholds.bias.smallest_group


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    """Return the small warehouse; all is permitted from January on to who consented."""
    connection = checked.made()
    connection.execute(
        f"create table consented.int_consent_subjects as select {S} as subject_key,"
        " if(i < 40, 'ccpa', 'gdpr') as regime from people"
    )
    connection.execute(
        f"create table consented.int_consent_intervals as select {S} as subject_key, purpose,"
        " timestamp '2024-01-01' as valid_from, case when i % 10 = 6 then timestamp '2024-05-02'"
        " else timestamp '9999-12-31' end as valid_to"
        " from people, (values ('segmentation')) p(purpose) where i % 10 <> 7"
    )
    connection.execute(
        "update landing.consent_events set channel = case when row_key % 10 < 5 then 'web' when"
        " row_key % 10 = 5 then 'phone' else 'shop' end"
    )
    return connection


def stood(connection, as_of=AS_OF) -> list[Count]:
    clocks = replace(checked.clocks(as_of), newest_day=as_of, as_of_end=last_instant(as_of, "UTC"))
    return consent_statistics.stand(connection, POLICY, clocks)


def test_a_month_is_told_by_purpose_channel_and_regime(warehouse):
    found = {(c.month, c.word, c.by, c.value): c.subjects for c in stood(warehouse)
             if c.purpose == "no purpose named"}  # fmt: skip
    december = date(2023, 12, 1)  # midnight UTC is still the old year in New York
    # 108 of 120 consented; of those 60 on the web, 36 in the shop and 12 by telephone.
    assert {key[1:]: n for key, n in found.items() if key[0] == december} == {
        ("granted", "channel", "web"): 60,
        ("granted", "channel", "shop"): 36,
        ("granted", "channel", "phone"): 12,
        ("granted", "regime", "gdpr"): 72,
        ("granted", "regime", "ccpa"): 36,
    }
    # The 12 who withdrew are 4 of one regime and 8 of the other: neither is named.
    assert {key[1:]: n for key, n in found.items() if key[0] == date(2024, 5, 1)} == {
        ("denied", "channel", "shop"): 12,
        ("denied", "regime", None): 12,
    }


def test_a_grant_that_a_signal_is_said_to_have_given_is_no_word(warehouse):
    """It counts for nothing: nobody agreed by it. A denial by a signal is one."""
    warehouse.execute("update landing.consent_events set signal = 'GPC' where channel = 'web'"
                      " or action = 'withdrawn'")  # fmt: skip
    found = {(c.word, c.by, c.value): c.subjects for c in stood(warehouse)
             if c.purpose == "no purpose named"}  # fmt: skip
    assert {key: n for key, n in found.items() if key[1] == "channel"} == {
        ("granted", "channel", "shop"): 36, ("granted", "channel", "phone"): 12,
        ("denied", "channel", "shop"): 12,
    }  # fmt: skip


def test_who_has_a_basis_is_counted_in_whole_groups(warehouse):
    found = {(c.month, c.word, c.value): c.subjects for c in stood(warehouse)
             if c.purpose == "segmentation"}  # fmt: skip
    assert found[date(2024, 4, 1), "permitted", "gdpr"] == 70  # of 72
    assert found[date(2024, 5, 1), "permitted", "gdpr"] == 60  # of 64
    assert found[date(2024, 5, 1), "known", "gdpr"] == 80


def test_a_small_cell_never_appears(warehouse):
    warehouse.execute("update landing.consent_events set channel = 'canary' where row_key < 3")
    found = stood(warehouse)
    assert found
    assert all(count.subjects >= LEAST for count in found)
    assert "canary" not in str(found)


def test_a_month_is_counted_once_whatever_becomes_of_its_events(warehouse):
    before = stood(warehouse)
    warehouse.execute("delete from landing.consent_events where row_key % 3 = 0")
    assert stood(warehouse) == before
    assert stood(warehouse, AS_OF + timedelta(days=60))[: len(before)] != []
    kept = [c for c in stood(warehouse, AS_OF + timedelta(days=60)) if c.month <= before[-1].month]
    assert kept == before


def test_months_are_added_when_the_policy_lets_them(warehouse):
    stood(warehouse)
    counted = "select count(*) from governance.consent_months"
    (months,) = warehouse.execute(counted).fetchall()[0]
    wait = POLICY.segmentation.release_days
    late = datetime(2024, 7, 1, 12)
    warehouse.execute("update landing.consent_events set recorded_at = ? where row_key = 0", [late])
    stood(warehouse, AS_OF + timedelta(days=wait - 1))
    assert warehouse.execute(counted).fetchall() == [(months,)]
    stood(warehouse, AS_OF + timedelta(days=wait + 3))
    assert warehouse.execute(counted).fetchall() == [(months + 1,)]


def test_a_month_that_may_have_been_counted_before_a_restore_is_not_counted_again(warehouse):
    """Whoever was erased in between would be the difference, where the record of it was lost."""
    march = datetime(2024, 3, 20)
    unrecorded.note(warehouse, unrecorded.Unrecorded(march - timedelta(days=30), march))
    stood(warehouse)
    counted = warehouse.execute("select month from governance.consent_months order by all")
    assert [month for (month,) in counted.fetchall()] == [date(2024, n, 1) for n in (3, 4, 5, 6)]


def test_a_past_day_counts_nothing(warehouse):
    past = replace(checked.clocks(AS_OF - timedelta(days=1)), newest_day=AS_OF)
    assert consent_statistics.stand(warehouse, POLICY, past) == []


def test_the_plot_is_the_same_each_time_and_shows_what_is_there(warehouse):
    warehouse.execute("update landing.consent_events set channel = 'a $ b $' where channel = 'web'")
    facts = consent_statistics.as_facts(stood(warehouse))
    drawn = plots.svg(plots.consents(facts))
    assert drawn == plots.svg(plots.consents(facts[::-1]))
    assert drawn != plots.svg(plots.consents(facts[: len(facts) // 2]))
    assert plots.svg(plots.consents([])).startswith("<?xml")


def test_the_plot_is_drawn_when_what_it_shows_has_changed(warehouse, home):
    facts = consent_statistics.as_facts(stood(warehouse))
    svg = drawn(facts)
    path = home.evidence / "consent_statistics.svg"
    assert svg == path.read_text()
    written = path.stat().st_mtime_ns
    assert drawn(facts) == svg
    assert path.stat().st_mtime_ns == written
    fewer = drawn(facts[1:])
    assert fewer == path.read_text() != svg
    path.write_text(svg[:-9])  # cut short
    assert drawn(facts) == svg == path.read_text()
