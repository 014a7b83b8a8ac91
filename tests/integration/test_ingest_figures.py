"""The figures of the feeds, whether they add up, and how far they reach."""

from datetime import date, datetime

import pytest

from expectations.feeds import check_feeds
from governance.clocks import Clocks, last_instant
from governance.rights import custody, leaving
from governance.rights.leaving import note_removal
from ingest.feeds import feed_clocks, feed_figures, removals
from tests.support import checked
from tests.support.feeds import (
    COLUMNS,
    NOW,
    POLICY,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    load,
    sale,
    sources_in,
    unreconciled,
    vault,
    write_csv,
)
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")
ENOUGH = POLICY.thresholds.release_difference
FEW = ENOUGH - 1
AT = datetime(2024, 7, 2)


def sales_of(people, **changes):
    """Return a sale of each, in a basket of its own."""
    return [
        sale(customer_id=name, basket_id=f"b-{name}", **changes)
        for name in people
    ]  # fmt: skip


def people(number, first=0):
    return [f"c{i}" for i in range(first, first + number)]


def figures(feed="transactions"):
    with connected(warehouse_store()) as connection:
        return next(f for f in feed_figures(connection) if f.feed == feed)


def counted(feed="transactions"):
    found = figures(feed)
    return found.subjects, found.orders, found.value_total and str(found.value_total)


def erase(customer_id, why="erasure"):
    ((key,),) = vault(
        f"select subject_key::varchar from vault.subjects where customer_id = '{customer_id}'"
    )
    leaving.leave([key], AT, why)


def add(folder, sources, name, transactions):
    write_csv(folder / f"transactions-{name}.csv", COLUMNS["transactions"], transactions)
    load(sources)


def test_figures_and_clocks(tmp_path):
    fill(
        tmp_path,
        transactions=[
            *sales_of(people(FEW)),
            sale(),
            sale(product_id="p2", value="0.01"),
            sale(basket_id=None, occurred_at="2024-06-02 10:00:00"),
            sale(value="x"),
        ],
        consent_events=[event(customer_id=name) for name in people(ENOUGH)],
        rights_requests=[("ann", "r1", "access", "2024-06-03 08:00:00", "open")],
    )
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    load(sources)
    with connected(warehouse_store()) as connection:
        figures = {one.feed: one.summary() for one in feed_figures(connection)}
        assert feed_clocks(connection, sources, date.max, "UTC") == (
            datetime(2024, 6, 3, 8, 1), datetime(2024, 6, 1).date(),
        )  # fmt: skip
        whole = sources_in(tmp_path, transactions=declared("transactions", delivery="whole_days"))
        assert str(feed_clocks(connection, whole, date.max, "UTC")[1]) == "2024-06-02"
    assert figures["transactions"] == {
        "feed": "transactions", "read": 8, "accepted": 7, "quarantined": 1, "duplicates": 0,
        "corrected": 0, "suppressed": 0, "unresolved": 1,
        "reasons": {"unparseable_value": 1},
        "subjects": 5, "orders": 6, "value_total": "59.95",
        "first_day": "2024-05-01", "last_day": "2024-06-02",
    }  # fmt: skip
    words = figures["consent_events"]
    assert (words["subjects"], words["first_day"]) == (ENOUGH, "2024-04-01")
    assert not {"orders", "value_total"} & set(words)
    # Of one request's subject, all of this would be one person's.
    assert not {"subjects", "first_day", "last_day"} & set(figures["rights_requests"])


def test_days_are_those_of_the_policys_time_zone(tmp_path):
    """At 3 o'clock UTC it is still the day before in New York."""
    assert POLICY.time_zone == "America/New_York"
    early = [event(customer_id=c, occurred_at="2024-04-01 03:00:00") for c in people(ENOUGH)]
    sold = sales_of(people(ENOUGH), occurred_at="2024-05-01 03:00:00")
    fill(tmp_path, transactions=sold, consent_events=early)
    load(sources_in(tmp_path), POLICY)
    assert figures("consent_events").first_day == date(2024, 3, 31)
    assert figures().last_day == date(2024, 4, 30)


def shown():
    """Everything about the feeds that anyone may read: figures, what has left, the account."""
    with connected(warehouse_store()) as connection:
        found = [one.summary() for one in feed_figures(connection)]
        left = removals(connection, ENOUGH)
        checks = check_feeds(connection, UTC_POLICY, checked.clocks(), now=NOW)
    return found, left, [r for r in checks if r.rule.startswith("reconciliation.")]


def let_expire():
    day = date(2026, 6, 1)
    clocks = Clocks(day, last_instant(day, "UTC"), datetime(2026, 6, 1), day)
    assert custody.let_expire(UTC_POLICY, clocks)["transactions"] == 2


@pytest.mark.parametrize(
    ("leaves", "why"),
    [
        (lambda: erase("ann"), "erasure"),
        (lambda: erase("ann", "no_purpose"), "no_purpose"),
        (let_expire, "retention"),
    ],
)
def test_nobody_reads_from_two_days_what_one_who_left_had(tmp_path, leaves, why):
    """Ann alone is the first, and the newest; she has bought most, and in the most baskets."""
    fill(
        tmp_path,
        transactions=[
            *sales_of(people(9), occurred_at="2024-06-15 10:00:00"),
            sale(value="1000", occurred_at="2023-01-01 10:00:00"),
            sale(value="500", basket_id="b2", occurred_at="2023-02-02 10:00:00"),
        ],
        consent_events=[event(customer_id=name) for name in [*people(9), "ann"]],
    )
    load(sources_in(tmp_path))
    found, left, checks = shown()
    assert left == []
    leaves()
    assert ask("select count(*) from landing.transactions") == [(9,)]
    after, gone, checks_after = shown()
    assert (after, checks_after) == (found, checks)
    assert all((row["why"], row["rows"], row["emptied"]) == (why, None, None) for row in gone)
    assert "transactions" in {row["feed"] for row in gone}


def test_what_many_had_is_told_and_what_others_of_the_day_had_is_not(tmp_path):
    fill(tmp_path, transactions=[*sales_of(people(ENOUGH)), *sales_of(["ann"])])
    load(sources_in(tmp_path))
    with connected(warehouse_store()) as connection:
        for which in ("basket_id = 'b-ann'", "basket_id <> 'b-ann'"):
            note_removal(connection, f"(from warehouse.landing.transactions where {which})",
                         at=AT, why="retention")  # fmt: skip
        left = removals(connection, ENOUGH)
        connection.execute("update landing.loads set subjects = null where rows_read = 0")
        before_it_was_noted = removals(connection, ENOUGH)
    same = {"feed": "transactions", "why": "retention", "day": "2024-07-02"}
    few = same | {"rows": None, "emptied": None}
    assert left == [same | {"rows": ENOUGH, "emptied": 0}, few]
    assert before_it_was_noted == [few]


def test_a_load_counts_exactly_what_is_new(tmp_path):
    sources = sources_in(tmp_path)
    fill(tmp_path, transactions=[*sales_of(people(6)), sale(basket_id=None)])
    load(sources)
    assert counted() == (7, 7, "69.93")
    add(tmp_path, sources, "2", [
        *sales_of(people(4), product_id="p2", value="1.00"),  # of the same baskets
        *sales_of(people(2, first=6), value="0.50"),
        sale(basket_id=None, product_id="p2", value="2"),  # at the same moment
        sale(basket_id=None, occurred_at="2024-05-03 10:00:00", value="3"),
    ])  # fmt: skip
    assert counted() == (9, 10, "79.93")
    assert (figures().first_day, figures().last_day) == (date(2024, 5, 1), date(2024, 5, 3))
    load(sources)  # nothing is new
    assert counted() == (9, 10, "79.93")


def test_rows_of_a_few_are_counted_with_those_of_others(tmp_path):
    sources = sources_in(tmp_path)
    fill(tmp_path, transactions=sales_of(people(ENOUGH), value="1.00"))
    load(sources)
    before = (ENOUGH, ENOUGH, "5.00")
    assert counted() == before
    add(tmp_path, sources, "2", sales_of(["ann"], value="1000.00"))
    add(tmp_path, sources, "3", sales_of(["bob", *people(2)], product_id="p2", value="10.00"))
    assert figures().accepted == 9
    assert counted() == before
    add(tmp_path, sources, "4", sales_of(["cid"], value="100.00"))
    assert counted() == (8, 8, "1135.00")


def test_whoever_is_erased_meanwhile_is_never_counted(tmp_path):
    sources = sources_in(tmp_path)
    fill(tmp_path, transactions=sales_of(people(FEW), value="1.00"))
    load(sources)
    add(tmp_path, sources, "2", [])
    assert counted() == (None, None, None)
    erase("c0")
    add(tmp_path, sources, "3", sales_of(["ann"], value="10.00"))
    assert counted() == (None, None, None)
    add(tmp_path, sources, "4", sales_of(["bob"], value="10.00"))
    assert counted() == (ENOUGH, ENOUGH, "23.00")


def test_a_corrected_row_adds_its_value_and_nothing_else(tmp_path):
    latest = {"natural_key": ["customer_id", "basket_id"], "corrections": "latest_arrival"}
    sources = sources_in(tmp_path, transactions=declared("transactions", **latest))
    fill(tmp_path, transactions=sales_of(people(ENOUGH), value="1.00"))
    load(sources)
    add(tmp_path, sources, "2", sales_of(people(ENOUGH), value="2.00"))
    assert ask("select sum(value)::varchar from landing.transactions") == [("10.00",)]
    assert counted() == (ENOUGH, ENOUGH, "15.00")
    # Corrections of a few wait, and are corrected meanwhile.
    add(tmp_path, sources, "3", sales_of(["c0"], value="4.00"))
    add(tmp_path, sources, "4", sales_of(["c0", "c1"], value="8.00"))
    assert counted() == (ENOUGH, ENOUGH, "15.00")
    add(tmp_path, sources, "5", sales_of(["ann", "bob", "cid"], value="1.00"))
    assert counted() == (8, 8, "34.00")
    assert ask("from landing.corrected") == []


def test_whose_correction_waits_is_forgotten_when_erased(tmp_path):
    latest = {"natural_key": ["customer_id", "basket_id"], "corrections": "latest_arrival"}
    sources = sources_in(tmp_path, transactions=declared("transactions", **latest))
    fill(tmp_path, transactions=sales_of(people(ENOUGH)))
    load(sources)
    add(tmp_path, sources, "2", sales_of(["c0"], value="4.00"))
    assert ask("select count(*) from landing.corrected") == [(1,)]
    erase("c0")
    assert ask("from landing.corrected") == []


def test_a_feed_that_is_read_afresh_is_counted_afresh(tmp_path):
    sources = sources_in(tmp_path)
    fill(tmp_path, transactions=sales_of(people(ENOUGH), value="1.00"))
    load(sources)
    add(tmp_path, sources, "2", sales_of(people(ENOUGH), product_id="p2", value="1.00"))
    load(sources_in(tmp_path, transactions=declared("transactions", future_tolerance_minutes=61)))
    assert counted() == (ENOUGH, ENOUGH, "10.00")


def test_how_many_are_enough_is_the_policys_word(tmp_path):
    fill(tmp_path, transactions=sales_of(people(ENOUGH)))
    more = UTC_POLICY.thresholds.model_copy(update={"release_difference": ENOUGH + 1})
    load(sources_in(tmp_path), UTC_POLICY.model_copy(update={"thresholds": more}))
    assert counted() == (None, None, None)


def test_no_clock_without_transactions(tmp_path):
    fill(tmp_path, transactions=[])
    sources = sources_in(tmp_path)
    load(sources)
    with connected(warehouse_store()) as connection, pytest.raises(UsageError, match="no trans"):
        feed_clocks(connection, sources, date.max, "UTC")


@pytest.mark.parametrize(
    ("delivery", "today", "newest"),
    [
        ("whole_days", "2024-06-03", "2024-06-02"),
        ("whole_days", "2024-06-02", "2024-06-01"),  # whoever delivers it says so too early
        ("whole_days", "2024-06-01", "2024-05-31"),  # a time may be later than its arrival
        ("whole_days", "2023-06-02", "2024-06-02"),  # a clock that is wrong tells nothing
        ("continuous", "2024-06-03", "2024-06-01"),
        ("continuous", "2024-06-02", "2024-06-01"),
        ("continuous", "2024-06-01", "2024-05-31"),
    ],
)
def test_a_day_that_is_not_over_is_not_complete(tmp_path, delivery, today, newest):
    fill(tmp_path, transactions=[sale(), sale(occurred_at="2024-06-02 10:00:00")])
    sources = sources_in(tmp_path, transactions=declared("transactions", delivery=delivery))
    load(sources)
    with connected(warehouse_store()) as connection:
        _, found = feed_clocks(connection, sources, date.fromisoformat(today), "UTC")
    assert found == date.fromisoformat(newest)


def test_clocks_do_not_go_back_when_who_was_heard_last_leaves(tmp_path):
    last = {"customer_id": "bob", "occurred_at": "2024-06-05 10:00:00"}
    fill(
        tmp_path, transactions=[*sales_of(people(ENOUGH)), sale(), sale(**last)],
        consent_events=[event(), event(customer_id="bob", occurred_at="2024-06-06 09:13:11")],
    )  # fmt: skip
    sources = sources_in(tmp_path)
    load(sources)

    def clocks():
        with connected(warehouse_store()) as connection:
            return feed_clocks(connection, sources, date.max, "UTC")

    before = clocks()
    assert before == (datetime(2024, 6, 6, 9, 14), date(2024, 6, 4))
    erase("bob")
    assert clocks() == before
    add(tmp_path, sources, "2", [sale(basket_id="9", occurred_at="2024-06-04 10:00:00")])
    assert clocks() == before
    add(tmp_path, sources, "3", [sale(basket_id="9", occurred_at="2024-06-07 10:00:00")])
    assert clocks() == (datetime(2024, 6, 7, 10, 1), date(2024, 6, 6))


def test_what_has_left_was_not_corrected(tmp_path):
    latest = {"natural_key": ["customer_id", "basket_id"], "corrections": "latest_arrival"}
    sources = sources_in(tmp_path, transactions=declared("transactions", **latest))
    fill(tmp_path, transactions=[sale(), sale(basket_id="b2"), sale(basket_id="b2", value="5")])
    load(sources)
    with connected(warehouse_store()) as connection:
        at, landed = datetime(2024, 7, 2), "warehouse.landing.transactions"
        note_removal(connection, landed, at=at, why="erasure")
        connection.execute("delete from landing.transactions")
        (sales,) = [f for f in feed_figures(connection) if f.feed == "transactions"]
        left = [(row["feed"], row["why"], row["rows"]) for row in removals(connection, 1)]
    assert (sales.accepted, sales.corrected) == (3, 1)
    assert left == [("transactions", "erasure", 2)]
    assert unreconciled() == []


def test_a_row_that_vanishes_is_noticed_unless_its_removal_is_noted(tmp_path):
    fill(tmp_path)
    load(sources_in(tmp_path))
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.gone as from landing.transactions")
        connection.execute("delete from landing.transactions")
    assert unreconciled() == ["transactions"]
    with connected(warehouse_store()) as connection:
        connection.execute("insert into landing.transactions from main.gone")
        note_removal(
            connection, "warehouse.landing.transactions", at=datetime(2024, 7, 2), why="retention"
        )
        connection.execute("delete from landing.transactions")
    assert unreconciled() == []
    # Read from the beginning, the feed brings its rows; that some lie in the file is remembered.
    load(sources_in(tmp_path, transactions=declared("transactions", future_tolerance_minutes=61)))
    assert unreconciled() == []
    assert ask("select source from landing.loads where rows_read = 0") == [("retention",)]
