"""The figures of the feeds, whether they add up, and how far they reach."""

from datetime import datetime

import pytest

from governance.rights.leaving import note_removal
from ingest.feeds import feed_clocks, feed_figures, removals
from tests.support.feeds import (
    ask,
    declared,
    fill,
    load,
    sale,
    sources_in,
    unreconciled,
)
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


def test_figures_and_clocks(tmp_path):
    fill(
        tmp_path,
        transactions=[
            sale(),
            sale(product_id="p2", value="0.01"),
            sale(basket_id=None, occurred_at="2024-06-02 10:00:00"),
            sale(value="x"),
        ],
        rights_requests=[("ann", "r1", "access", "2024-06-03 08:00:00", "open")],
    )
    sources = sources_in(tmp_path, rights_requests=declared("rights_requests"))
    load(sources)
    with connected(warehouse_store()) as connection:
        figures = {one.feed: one.summary() for one in feed_figures(connection)}
        assert feed_clocks(connection, sources) == (
            datetime(2024, 6, 3, 8), datetime(2024, 6, 1).date(),
        )  # fmt: skip
        whole = sources_in(tmp_path, transactions=declared("transactions", delivery="whole_days"))
        assert str(feed_clocks(connection, whole)[1]) == "2024-06-02"
    assert figures["transactions"] == {
        "feed": "transactions", "read": 4, "accepted": 3, "quarantined": 1, "duplicates": 0,
        "corrected": 0, "suppressed": 0, "unresolved": 1,
        "reasons": {"unparseable_value": 1}, "rows": 3,
        "subjects": 1, "orders": 2, "value_total": "19.99",
        "first_time": "2024-05-01 10:00:00", "last_time": "2024-06-02 10:00:00",
    }  # fmt: skip
    assert "orders" not in figures["consent_events"]


def test_no_clock_without_transactions(tmp_path):
    fill(tmp_path, transactions=[])
    sources = sources_in(tmp_path)
    load(sources)
    with connected(warehouse_store()) as connection, pytest.raises(UsageError, match="no trans"):
        feed_clocks(connection, sources)


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
        left = [(row["feed"], row["why"], row["rows"]) for row in removals(connection)]
    assert (sales.accepted, sales.corrected, sales.rows) == (3, 1, 0)
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
