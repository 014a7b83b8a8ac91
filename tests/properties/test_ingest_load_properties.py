"""Whatever a feed holds: every row is accounted for, and how it is cut into files makes no odds."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from governance import identity
from tests.support.examples import tried
from tests.support.feeds import (
    COLUMNS,
    EVENT,
    SALES,
    declared,
    fill,
    load,
    must_reconcile,
    sources_in,
    totals,
    write_csv,
)
from warehouse.connect import connected, warehouse_store

KEY = ["customer_id", "basket_id", "product_id"]

ids = st.sampled_from(["a", "b", "O'Hara", None])
values = st.sampled_from(["1", "2.005", "x", None, "-1"])
times = st.sampled_from(["2024-05-01 10:00:00", "2024-05-02", "never", "2031-01-01"])
sales = st.tuples(ids, st.sampled_from(["b1", "b2"]), st.sampled_from(["p", None]), times, values)
histories = st.lists(sales, max_size=14)
rules = st.sampled_from(
    [
        {},
        {"natural_key": KEY},
        {"natural_key": KEY, "corrections": "refuse"},
        {"natural_key": ["customer_id"]},
        {"natural_key": ["basket_id"]},
    ]
)


@contextmanager
def installation() -> Iterator[Path]:
    """Give one example a home and a folder for files of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ASSENT_")}
        with patch.dict(os.environ, {**kept, "ASSENT_HOME": str(folder / "state")}, clear=True):
            write_csv(folder / "consent_events.csv", COLUMNS["consent_events"], [EVENT])
            yield folder


def landed() -> list[tuple[Any, ...]]:
    """Return the landed transactions by customer id instead of by pseudonym."""
    with connected(warehouse_store(), *identity.stores(read_only=True)) as connection:
        return connection.execute(
            "select customer_id, basket_id, product_id, occurred_at::date::varchar, value::varchar"
            " from landing.transactions join vault.subjects using (subject_key) order by all"
        ).fetchall()


def readable(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return a row as it should land, or None if it is bad; written without SQL."""
    customer, basket, product, time, value = row
    if customer is None or time in ("never", "2031-01-01") or value not in ("1", "2.005"):
        return None
    day = str(datetime.fromisoformat(time).date())
    return customer, basket, product, day, {"1": "1.00", "2.005": "2.01"}[value], time


def expected(rows: list[tuple[Any, ...]], rule: dict[str, Any]) -> tuple[list[Any], list[int]]:
    """Return what one load should land, and its counts, by going through the rows one by one."""
    held: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    read = accepted = quarantined = duplicates = corrected = 0
    for row in rows:
        read += 1
        content = readable(row)
        if content is None:
            quarantined += 1
            continue
        places = [SALES.index(name) for name in rule.get("natural_key", SALES)]
        key = tuple(row[place] for place in places)
        before = held.get(key)
        if before == content:
            duplicates += 1
        elif before is not None and rule.get("corrections") == "refuse":
            quarantined += 1
        else:
            accepted += 1
            corrected += before is not None
            held[key] = content
    table = sorted((c[:5] for c in held.values()), key=lambda c: [(v is None, v) for v in c])
    return table, [read, accepted, quarantined, duplicates, corrected]


@tried(10)
@given(rows=histories, rule=rules)
def test_one_load_does_what_going_through_the_rows_one_by_one_does(rows, rule):
    with installation() as folder:
        fill(folder, transactions=rows)
        sources = sources_in(folder, transactions=declared("transactions", **rule))
        load(sources)
        table, counts = expected(rows, rule)
        assert landed() == table
        assert list(totals("transactions")) == counts
        must_reconcile()
        # The same content again, under another name: nothing changes but the count of duplicates.
        write_csv(folder / "transactions_copy.csv", SALES, rows)
        load(sources)
        assert landed() == table
        must_reconcile()


@tried(8)
@given(rows=histories, rule=rules, cuts=st.tuples(st.integers(0, 14), st.integers(0, 14)))
def test_how_rows_are_cut_into_files_and_loads_makes_no_odds(rows, rule, cuts):
    first, second = sorted(cuts)
    parts = [rows[:first], rows[first:second], rows[second:]]
    with installation() as folder:
        write_csv(folder / "transactions1.csv", SALES, parts[0])
        sources = sources_in(folder, transactions=declared("transactions", **rule))
        load(sources)  # one file, then two more in one load
        for number, part in enumerate(parts[1:], start=2):
            write_csv(folder / f"transactions{number}.csv", SALES, part)
        load(sources)
        must_reconcile()
        in_parts = landed()
    assert in_parts == expected(rows, rule)[0]
