"""Rows seen again, feeds read again: duplicates, corrections, conflicts, new declarations."""

from datetime import timedelta

import pytest

from ingest.landing import Fingerprint
from tests.support.feeds import (
    EVENTS,
    NOW,
    REQUESTS,
    SALES,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    reasons,
    sale,
    sources_in,
    totals,
    vault,
    write_csv,
)
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


KEYED = {"natural_key": ["customer_id", "basket_id", "product_id"]}


def test_the_latest_arrival_corrects(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(value="5")])
    sources = sources_in(tmp_path, transactions=declared("transactions", **KEYED))
    load(sources)
    assert totals("transactions") == (2, 2, 0, 0, 1)
    moved = sale(value="7", occurred_at="2024-06-01 10:00:00")
    write_csv(tmp_path / "transactions2.csv", SALES, [sale(), moved, moved])
    load(sources)
    assert ask("select value::varchar, event_day::varchar from landing.transactions") == [
        ("7.00", "2024-06-01")
    ]
    assert totals("transactions") == (5, 4, 0, 1, 3)
    days = (
        "select event_day::varchar from landing.changed_days where load_id ="
        " (select max(load_id) from landing.loads where rows_read > 0) order by 1"
    )
    assert ask(days) == [("2024-05-01",), ("2024-06-01",)]
    must_reconcile()


def test_an_old_state_delivered_with_the_present_one_changes_nothing(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(value="5")])
    sources = sources_in(tmp_path, transactions=declared("transactions", **KEYED))
    load(sources)
    write_csv(tmp_path / "transactions2.csv", SALES, [sale(), sale(value="5")])
    load(sources)
    assert totals("transactions") == (4, 2, 0, 2, 1)
    assert ask("select count(*) from landing.changed_days where load_id > 2") == [(0,)]


def test_a_refused_correction_is_quarantined(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(value="5"), sale()])
    refusing = declared("transactions", corrections="refuse", **KEYED)
    sources = sources_in(tmp_path, transactions=refusing)
    load(sources)
    write_csv(tmp_path / "transactions2.csv", SALES, [sale(value="6"), sale()])
    load(sources)
    assert [str(v) for (v,) in ask("select value from landing.transactions")] == ["9.99"]
    assert totals("transactions") == (5, 1, 2, 2, 0)
    assert reasons("transactions") == {"conflicting_row": [1, 2]}
    must_reconcile()


@pytest.mark.parametrize(
    ("corrections", "bought", "figures"),
    [("latest_arrival", "bob", (2, 2, 0, 0, 1)), ("refuse", "ann", (2, 1, 1, 0, 0))],
)
def test_a_line_that_comes_again_for_another_customer_is_not_the_same(
    tmp_path, corrections, bought, figures
):
    fill(tmp_path, transactions=[sale(), sale(customer_id="bob")])
    keyed = {"natural_key": ["basket_id", "product_id"], "corrections": corrections}
    load(sources_in(tmp_path, transactions=declared("transactions", **keyed)))
    assert totals("transactions") == figures
    (key,) = vault(f"select subject_key from vault.subjects where customer_id = '{bought}'")
    assert ask("select subject_key from landing.transactions") == [key]
    must_reconcile()


def test_requests_of_two_customers_under_one_number_are_two(tmp_path):
    asked = ("r1", "erasure", "2024-06-01 08:00:00")
    fill(tmp_path, rights_requests=[("ann", *asked, "open"), ("bob", *asked, "open")])
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    load(sources)
    write_csv(tmp_path / "rights_requests2.csv", REQUESTS, [("bob", *asked, "fulfilled")])
    load(sources)
    found = ask("select status, count(distinct subject_key) from landing.rights_requests group by 1"
                " order by 1")  # fmt: skip
    assert found == [("fulfilled", 1), ("open", 1)]
    must_reconcile()


@pytest.mark.parametrize("later", ["access", "objection"])
def test_a_request_of_another_type_takes_no_request_s_place(tmp_path, later):
    fill(tmp_path, rights_requests=[("ann", "r1", "erasure", "2024-06-01", "open")])
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    load(sources)
    write_csv(tmp_path / "rights_requests2.csv", REQUESTS,
              [("ann", "r1", later, "2024-06-02", "open")])  # fmt: skip
    load(sources)
    found = ask("select type, status from landing.rights_requests order by type")
    assert found == sorted([("erasure", "open"), (later, "open")])
    must_reconcile()


def test_keys_that_share_a_hash_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.landing.row_key", lambda key: "7::ubigint")
    monkeypatch.setattr("ingest.resolve.row_key", lambda key: "7::ubigint")
    rows = [sale(basket_id=f"b{i}") for i in range(5)]
    fill(tmp_path, transactions=[*rows, rows[0], sale(basket_id="b1", value="5")])
    load(sources_in(tmp_path, transactions=declared("transactions", **KEYED)))
    assert totals("transactions") == (7, 6, 0, 1, 1)
    must_reconcile()


def test_a_customer_is_one_row_and_the_vault_follows(tmp_path):
    first = ("ann", "Ann Lee", "old@x.org", "EU", "41")
    fill(tmp_path, customers=[first])
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    write_csv(tmp_path / "customers2.csv", ("customer_id", "full_name", "email", "jurisdiction",
                                            "age_years"),
              [("ann", "Ann Lee", "new@x.org", "EU", "41"), ("ann", "Ann Lee", "newest@x.org",
                                                             "US", "41")])  # fmt: skip
    load(sources, now=NOW + timedelta(days=9))
    assert ask("select jurisdiction, recorded_on::varchar from landing.customers") == [
        ("US", "2024-07-10")
    ]
    assert vault("select email from vault.identifiers") == [("newest@x.org",)]
    assert totals("customers") == (3, 3, 0, 0, 2)
    must_reconcile()


@pytest.mark.parametrize(
    ("then", "since"),
    [
        ({"email": "new@x.org"}, "2024-07-01"),
        ({"email": "new@x.org", "age_years": None}, "2024-07-01"),  # the child's age is kept
        ({"email": "new@x.org", "jurisdiction": "US"}, "2024-07-31"),
        ({"jurisdiction": None}, "2024-07-31"),
    ],
)
def test_no_attribute_grows_younger_with_a_new_address(tmp_path, then, since):
    first = {"customer_id": "ann", "full_name": "Ann Lee", "email": "old@x.org",
             "jurisdiction": "EU", "age_years": "14"}  # fmt: skip
    fill(tmp_path, customers=[tuple(first.values())])
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    write_csv(tmp_path / "customers2.csv", tuple(first), [tuple((first | then).values())])
    load(sources, now=NOW + timedelta(days=30))
    assert ask("select recorded_on::varchar from landing.customers") == [(since,)]
    assert vault("select email from vault.identifiers") == [((first | then)["email"],)]
    assert totals("customers") == (2, 2, 0, 0, 1)
    must_reconcile()


def test_a_refused_correction_leaves_the_vault_alone(tmp_path):
    fill(tmp_path, customers=[("ann", "Ann Lee", "old@x.org", "EU", "41")])
    sources = sources_in(tmp_path, customers=declared("customers", corrections="refuse"))
    load(sources)
    columns = ("customer_id", "full_name", "email", "jurisdiction", "age_years")
    write_csv(tmp_path / "customers2.csv", columns, [("ann", "Ann Lee", "new@x.org", "EU", "41")])
    load(sources)
    assert vault("select email from vault.identifiers") == [("old@x.org",)]
    assert reasons("customers") == {"conflicting_row": [1]}


def test_a_changed_declaration_is_read_from_the_beginning(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(basket_id="b2"), sale(value="x")])
    load(sources_in(tmp_path))
    abroad = sources_in(tmp_path, transactions=declared("transactions", time_zone="Asia/Tokyo"))
    report = load(abroad)
    assert report.afresh == ("transactions",)
    assert ask("select distinct occurred_at::varchar from landing.transactions") == [
        ("2024-05-01 01:00:00",)
    ]
    assert totals("transactions") == (3, 2, 1, 0, 0)
    assert ask("select resolution from landing.quarantine order by 1") == [("read_again",), (None,)]
    must_reconcile()
    assert load(abroad).landed == ()


def test_it_is_not_if_its_rows_are_gone(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(basket_id="b2")])
    load(sources_in(tmp_path))
    before = ask("from landing.transactions order by all")
    fill(tmp_path, transactions=[sale(basket_id="b3")])
    with pytest.raises(UsageError, match="of 2 rows that were landed its sources hold only 1"):
        load(sources_in(tmp_path, transactions=declared("transactions", time_zone="Asia/Tokyo")))
    assert ask("from landing.transactions order by all") == before


def test_it_is_not_if_a_source_is_gone_however_many_rows_the_others_hold(tmp_path):
    """A withdrawal in an archived file would be forgotten; here bad rows outnumber it."""
    fill(tmp_path, consent_events=[event(), *[event(action="hm")] * 9])
    denials = tmp_path / "consent_events2.csv"
    write_csv(denials, EVENTS, [event(action="withdrawn", occurred_at="2024-06-02 08:00:00")])
    load(sources_in(tmp_path, consent_events=declared("consent_events", greatest_bad_share=1.0)))
    before = ask("from landing.consent_events order by all")
    denials.unlink()
    changed = declared("consent_events", greatest_bad_share=1.0, time_zone="Asia/Tokyo")
    with pytest.raises(UsageError, match="1 of the sources that it was landed from aren't there"):
        load(sources_in(tmp_path, consent_events=changed))
    assert ask("from landing.consent_events order by all") == before


def test_nor_if_a_word_is_not_met_again(tmp_path):
    """The same file, written over: its bad rows make up for the denial that has left it."""
    fill(tmp_path, consent_events=[event(), event(action="withdrawn")])
    load(sources_in(tmp_path, consent_events=declared("consent_events", greatest_bad_share=1.0)))
    before = ask("from landing.consent_events order by all")
    fill(tmp_path, consent_events=[event(), event()])
    changed = declared("consent_events", greatest_bad_share=1.0, time_zone="Asia/Tokyo")
    with pytest.raises(UsageError, match=r"words of 1 subject\(s\) that were landed or quar"):
        load(sources_in(tmp_path, consent_events=changed))
    assert ask("from landing.consent_events order by all") == before


def denied(*customers, **changes):
    return [event(customer_id=c, action="withdrawn", **changes) for c in customers]


@pytest.mark.parametrize(
    ("feed", "before", "after", "subjects"),
    [
        # Others' grants take the place of withdrawals, as many or more.
        ("consent_events", denied("ann", "bob"), [event(customer_id=c) for c in "cdef"], 2),
        # The subject's own grant takes it.
        ("consent_events", denied("ann"), [event(), event(occurred_at="2024-06-02 08:00:00")], 1),
        # What couldn't be read, and held its subject, is gone.
        ("consent_events", [event(action="hm")], [event(customer_id="bob")] * 2, 1),
        # So is what couldn't be read and may be anybody's.
        ("consent_events", [event(customer_id=None), event()], [event(), event()], 1),
        (
            "rights_requests",
            [("ann", "r1", "erasure", "2024-06-01", "open")],
            [("ann", "r1", "erasure", "2024-06-01", "refused")],
            1,
        ),
        (
            "rights_requests",
            [("ann", "r1", "objection", "2024-06-01", "fulfilled")],
            [("bob", "r1", "objection", "2024-06-01", "fulfilled")],
            1,
        ),
    ],
)
def test_nor_if_a_subject_has_fewer_words_or_denials(tmp_path, feed, before, after, subjects):
    """A file that was written over, with as many rows as before, and another declaration."""
    fill(tmp_path, **{feed: before})
    load(sources_in(tmp_path, **{feed: declared(feed)}))
    landed = ask(f"from landing.{feed} order by all")
    set_aside = ask("from landing.quarantine order by all")
    fill(tmp_path, **{feed: after})
    changed = declared(feed, future_tolerance_minutes=61)
    with pytest.raises(UsageError, match=rf"words of {subjects} subject\(s\)"):
        load(sources_in(tmp_path, **{feed: changed}))
    assert ask(f"from landing.{feed} order by all") == landed
    assert ask("from landing.quarantine order by all") == set_aside


LEFT = {"expression": "left(action, 5)"}
YES = {"expression": "case action when 'yes' then 'granted' else action end"}


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"time_zone": "Europe/Berlin"}, {"unknown_action": [3, 4]}),
        ({"future_tolerance_minutes": 0}, {"unknown_action": [3, 4]}),
        # Two copies of a row that couldn't be read come to be one word.
        ({"columns": {name: name for name in EVENTS} | {"action": YES}}, {}),
        # What was a denial can't be read now: it holds its subject all the same.
        (
            {"columns": {name: name for name in EVENTS} | {"action": LEFT}},
            {"unknown_action": [1, 2, 3, 4]},
        ),
        ({"natural_key": list(EVENTS)}, {"unknown_action": [3, 4]}),
    ],
)
def test_another_declaration_of_the_same_words_is_read(tmp_path, changes, left):
    rows = [event(), *denied("ann"), *[event(action="yes", occurred_at="2024-04-02 10:00:00")] * 2]
    fill(tmp_path, consent_events=rows)
    load(sources_in(tmp_path))
    report = load(sources_in(tmp_path, consent_events=declared("consent_events", **changes)))
    assert report.afresh == ("consent_events",)
    assert reasons("consent_events") == left
    must_reconcile()


def test_nobody_grows_younger_by_being_read_again(tmp_path):
    old = ("ann", "Ann Lee", "old@x.org", "EU", "41")
    fill(tmp_path, customers=[old, ("ann", "Ann Lee", "a@x.org", "EU", "41")])
    load(sources_in(tmp_path, customers=declared("customers")))
    columns = {"customer_id": "customer_id", "jurisdiction": "jurisdiction"}
    fewer = declared("customers", columns=columns, identifiers=["customer_id"])
    load(sources_in(tmp_path, customers=fewer), now=NOW + timedelta(days=30))
    assert ask("select age_years, recorded_on::varchar from landing.customers") == [
        (None, "2024-07-01")
    ]
    assert vault("select full_name, email from vault.identifiers") == [(None, None)]


def test_events_of_a_purpose_that_the_policy_learns_are_read_again(tmp_path):
    fill(tmp_path, consent_events=[event(), event(purpose="recipes")])
    sources = sources_in(tmp_path)
    load(sources)
    assert reasons("consent_events") == {"unknown_purpose": [2]}
    purposes = {**UTC_POLICY.purposes, "recipes": UTC_POLICY.purposes["segmentation"]}
    wiser = UTC_POLICY.model_copy(update={"purposes": purposes})
    assert load(sources, wiser).afresh == ("consent_events",)
    assert reasons("consent_events") == {}
    assert ask("select count(*) from landing.consent_events") == [(2,)]


def test_unless_their_file_is_gone(tmp_path):
    fill(tmp_path, consent_events=[event(), event(purpose="recipes")])
    write_csv(tmp_path / "consent_events2.csv", EVENTS, [])
    sources = sources_in(tmp_path)
    load(sources)
    (tmp_path / "consent_events.csv").unlink()
    purposes = {**UTC_POLICY.purposes, "recipes": UTC_POLICY.purposes["segmentation"]}
    report = load(sources, UTC_POLICY.model_copy(update={"purposes": purposes}))
    assert (report.afresh, report.landed) == ((), ())
    assert reasons("consent_events") == {"unknown_purpose": [2]}


def test_row_keys_follow_a_duckdb_that_hashes_otherwise(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    load(sources)
    with connected(warehouse_store()) as connection:
        connection.execute("update landing.transactions set row_key = 1")
        for load_id, text in connection.execute(
            "select load_id, fingerprint from landing.loads"
        ).fetchall():
            stale = Fingerprint(**{**vars(Fingerprint.read(text)), "hashed": 1}).text()
            connection.execute(
                "update landing.loads set fingerprint = ? where load_id = ?", [stale, load_id]
            )
    write_csv(tmp_path / "transactions2.csv", SALES, [sale()])
    (landed,) = load(sources).landed
    assert (landed.accepted, landed.duplicates) == (0, 1)


def test_many_contested_keys_are_judged_in_slices(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.resolve.KEYS_AT_ONCE", 2)
    rows = [sale(basket_id=f"b{i}") for i in range(9)]
    fill(tmp_path, transactions=[*rows, *rows, *(sale(basket_id=f"b{i}", value="5") for i in "12")])
    load(sources_in(tmp_path, transactions=declared("transactions", **KEYED)))
    assert totals("transactions") == (20, 11, 0, 9, 2)
    assert ask("select sum(value)::varchar from landing.transactions") == [("79.93",)]
    must_reconcile()


def test_a_renamed_file_brings_nothing_back(tmp_path):
    """Its rows arrived when it was read first: what has corrected them since stays."""

    def asked(status):
        return [("ann", "r1", "erasure", "2024-06-01", status)]

    write_csv(tmp_path / "rights_requests1.csv", REQUESTS, asked("refused"))
    fill(tmp_path)
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    load(sources)
    write_csv(tmp_path / "rights_requests2.csv", REQUESTS, asked("open"))
    load(sources)
    assert ask("select status from landing.rights_requests") == [("open",)]
    (tmp_path / "rights_requests1.csv").rename(tmp_path / "rights_requests9.csv")
    assert "rights_requests" not in {one.feed for one in load(sources).landed}
    assert ask("select status from landing.rights_requests") == [("open",)]
    write_csv(tmp_path / "rights_requests8.csv", REQUESTS, asked("refused"))  # a new one arrives
    load(sources)
    assert ask("select status from landing.rights_requests") == [("refused",)]
