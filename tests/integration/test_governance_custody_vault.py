"""Custody in the vault: what a row of customers says of who it is about leaves with the row."""

from datetime import UTC, date, datetime, timedelta

import pytest

from governance import identity, spelling, vaulted
from governance.clocks import Clocks
from governance.rights import custody
from ingest.feeds import removals
from tests.integration.test_governance_custody import (
    AS_OF,
    BEYOND,
    DETAILS,
    EAST,
    OLDEST,
    PERSON,
    YOUNG,
    judged,
    landed,
    old,
)
from tests.support.feeds import (
    ask,
    declared,
    fill,
    load,
    must_reconcile,
    sources_in,
    vault,
    write_csv,
)
from warehouse.connect import connected, warehouse_store

pytestmark = pytest.mark.usefixtures("home")
KNOWN = PERSON[1:3]
NOBODY = (None, None)


def noon(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)


def grown_old(tmp_path, day=BEYOND, person=PERSON, **rows):
    """Land a customer, recorded on a day, who buys still."""
    sources = landed(tmp_path, now=noon(day), customers=[person], transactions=[old("then", day)],
                     **rows)  # fmt: skip
    fill(tmp_path, transactions=[old("young", AS_OF), YOUNG])
    load(sources, EAST)
    return sources


def deliver(tmp_path, sources, person, **options):
    """Deliver a further file of customers."""
    number = len(list(tmp_path.glob("customers*.csv")))
    write_csv(tmp_path / f"customers{number}.csv", [*DETAILS.values()], [person])
    load(sources, EAST, **options)


def expire(day=AS_OF):
    """Return how many rows of customers lost something."""
    end = noon(day).replace(hour=23, tzinfo=None)
    return custody.let_expire(EAST, Clocks(day, end, end, day)).get("emptied", 0)


def known():
    ((name, email),) = vault("select full_name, email from vault.identifiers")
    return name, email


def write_vault(*statements):
    with connected(*identity.stores()) as connection:
        for statement in statements:
            connection.execute(statement)


def write_landing(statement):
    with connected(warehouse_store()) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("day", [OLDEST, BEYOND])
def test_identifiers_leave_with_the_row_and_not_a_day_before(tmp_path, day):
    grown_old(tmp_path, day)
    assert judged() == ("broken" if day == BEYOND else "holds")
    assert expire() == (day == BEYOND)
    assert known() == (NOBODY if day == BEYOND else KNOWN)
    assert judged() == "holds"
    must_reconcile()
    assert expire() == 0


def test_those_of_a_restricted_subject_stay(tmp_path):
    restriction = ("ann", "r1", "restriction", f"{BEYOND} 10:00:00", "open")
    grown_old(tmp_path, rights_requests=[restriction])
    assert expire() == 0
    assert known() == KNOWN
    assert judged() == "holds"


def test_the_next_landing_finishes_what_a_killed_process_has_left(tmp_path, monkeypatch):
    grown_old(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(vaulted, "let_go", killed)
        with pytest.raises(KeyboardInterrupt):
            expire()
    assert ask("select marital_status from landing.customers") == [(None,)]
    assert known() == KNOWN
    assert judged() == "broken"
    assert expire() == 1
    assert known() == NOBODY
    must_reconcile()


@pytest.mark.parametrize("undated", [False, True])
def test_a_state_whose_row_was_emptied_by_an_earlier_version_heals(tmp_path, undated):
    """The rule says so until then, and by the day of landing's row where the vault knows none."""
    sources = grown_old(tmp_path)
    expire()
    assert judged() == "holds"
    write_vault("update vault.identifiers set email = 'ann@example.com'")
    if undated:
        write_vault("alter table vault.identifiers drop column recorded_on")
    assert judged() == "broken"
    load(sources, EAST)
    assert expire() == 1
    assert known() == NOBODY
    assert judged() == "holds"
    with connected(warehouse_store()) as connection:  # so that it is purged, too
        noted = removals(connection, 1)
    assert ("customers", "retention", 0, 2) in [
        (n["feed"], n["why"], n["rows"], n["emptied"]) for n in noted
    ]
    must_reconcile()


def test_what_a_killed_load_has_left_in_the_vault_alone_leaves_too(tmp_path):
    grown_old(tmp_path)
    write_landing("delete from landing.customers")
    assert expire() == 1
    assert known() == NOBODY


@pytest.mark.parametrize("marital", ["Married", None])
def test_what_the_feed_says_anew_fills_the_vault_again(tmp_path, marital):
    """Also where it says nothing else that custody lets go."""
    person = (*PERSON[:-1], marital)
    sources = grown_old(tmp_path, person=person)
    expire()
    deliver(tmp_path, sources, person)
    assert known() == KNOWN
    assert expire() == 0
    assert vault("select recorded_on from vault.identifiers") == [(AS_OF,)]


def test_an_identifier_that_changes_alone_counts_from_then(tmp_path):
    sources = grown_old(tmp_path)
    moved = ("ann", "Ann Li", *PERSON[2:])
    deliver(tmp_path, sources, moved, now=noon(OLDEST))
    assert expire() == 1
    assert ask("select marital_status from landing.customers") == [(None,)]
    assert known() == moved[1:3]
    assert expire(AS_OF + timedelta(days=1)) == 1
    assert known() == NOBODY


@pytest.mark.parametrize("undated", [False, True])
def test_a_feed_that_is_read_again_makes_nothing_younger(tmp_path, undated):
    grown_old(tmp_path)
    expire()
    if undated:
        write_vault("alter table vault.identifiers drop column recorded_on")
    again = declared("customers", columns=DETAILS, corrections="refuse")
    whole = declared("transactions", delivery="whole_days")
    report = load(sources_in(tmp_path, transactions=whole, customers=again), EAST)
    assert report.afresh == ("customers",)
    assert known() == KNOWN
    assert expire() == 1
    assert known() == NOBODY


def test_what_was_corrected_is_let_go_and_what_was_wrong_stays_out(tmp_path):
    """Of age and jurisdiction the right value stays: they decide permission."""
    sources = grown_old(tmp_path)
    said = {"email": "old@example.com", "marital_status": "Single", "age_years": "20"}
    right = {"email": KNOWN[1], "marital_status": "Married", "age_years": "40"}
    with connected(*identity.stores()) as connection:
        spelling.teach(connection)
        for name, wrong in said.items():
            connection.execute(
                "insert into vault.corrections select subject_key, 'r1', ?,"
                f" {identity.refused_sql(name, '?', 'salt')}, ? from salts.salts join"
                " vault.subjects using (subject_key) where customer_id = 'ann'",
                [name, wrong, right[name]],
            )
    held = "select column_name, value from vault.corrections order by column_name"
    assert vault(held) == sorted(right.items())
    expire()
    assert vault(held) == [("age_years", "40"), ("email", None), ("marital_status", None)]
    assert judged() == "holds"
    deliver(tmp_path, sources, ("ann", "Ann Lee", said["email"], "US", "20", "Single"))
    assert known() == ("Ann Lee", None)
    assert ask("select age_years, marital_status from landing.customers") == [(40, None)]


def test_a_correction_that_outlives_the_row_breaks_the_rule(tmp_path):
    grown_old(tmp_path)
    expire()
    write_vault("insert into vault.corrections select subject_key, 'r1', 'email', 'x', 'a@b.org'"
                " from vault.identifiers")  # fmt: skip
    assert judged() == "broken"
    assert expire() == 1
    assert judged() == "holds"
