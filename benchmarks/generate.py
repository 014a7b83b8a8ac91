"""Feeds of any size, for benchmarks: ``python -m benchmarks.generate --help``.

Belongs here: made-up customers, transactions and consent events as Parquet files with a matching
``sources.yaml``. Does not belong here: anything that is timed (it only reads these files), the
demo's data (``examples.journey``).

How often a customer shops follows a gamma-Poisson law (negative binomial; Ehrenberg 1959), how
much they spend a log-normal one, so both tails are heavy. Baskets are written in blocks of time,
as a shop would deliver them, so that memory depends on the block and not on the total.
"""

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.generate_sql import CONSENT_SQL, CUSTOMERS_SQL, EXTRA_CONSENT_SQL, SOURCES

START, TIME_ZONE = date(2024, 1, 1), ZoneInfo("America/New_York")
SEED = 20240101
BLOCK_ROWS = 3_000_000
LINES_A_BASKET = 8
PRODUCTS = 9_973  # a prime: any step then visits different products, so none repeats in a basket
GROUPS, CATEGORIES = 200, 20
VISIT_SHAPE, SPEND_SPREAD = 0.8, 0.6  # gamma shape; standard deviation of the logarithm
EXTRA_DAY_ROWS, EXTRA_DAY_SUBJECTS = 0.003, 0.13  # shares of all transactions and customers
FIRST_HOUR, OPEN_SECONDS = 12, 15 * 3600  # UTC: 07:00 to 22:00 in New York, in winter
EXTRA = "extra-day"


@dataclass(frozen=True)
class Size:
    """What to generate; the same size gives the same feeds."""

    customers: int
    transactions: int
    days: int = 365


def generate(size: Size, out: Path, *, extra_day: bool = False) -> dict[str, int]:
    """Write the feeds of one size into a folder, unless they are there already.

    Parameters
    ----------
    size : Size
        Numbers of customers, transactions (one product in one basket) and days.
    out : pathlib.Path
        A folder that is missing, empty, or holds feeds of the same size.
    extra_day : bool, default False
        Also add the day after the last one: further files for transactions and consent events,
        beside those that are there. 0.3 % of the transactions, by about 13 % of the customers.

    Returns
    -------
    dict of str to int
        Rows written by this call, by file name.

    Raises
    ------
    ValueError
        If the size makes no sense or the folder holds something else.
    """
    if min(asdict(size).values()) < 1:
        raise ValueError("customers, transactions and days have to be at least 1")
    _check_folder(size, out)
    rows: dict[str, int] = {}
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'; SET threads = 2")
        connection.execute(f"SET temp_directory = '{_quoted(out / 'spill')}'")
        if not (out / "generated.json").exists():
            rows |= _write_people(connection, size, out)
            for name, block in _blocks(size):
                rows[name] = _write_lines(connection, block, out / name)
            (out / "generated.json").write_text(json.dumps(asdict(size)))
        if extra_day and not (out / f"transactions-{EXTRA}.parquet").exists():
            rows |= _write_extra_day(connection, size, out)
    last = START + timedelta(days=size.days - 1 + any(out.glob(f"*{EXTRA}*")))
    (out / "sources.yaml").write_text(SOURCES.format(clock=_midnight_after(last)))
    return rows


def _check_folder(size: Size, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    made = out / "generated.json"
    if made.exists():
        if json.loads(made.read_text()) != asdict(size):
            raise ValueError(f"{out} holds feeds of another size: name another folder")
    elif any(out.iterdir()):
        raise ValueError(f"{out} isn't empty (an unfinished call?): empty it or name another")


def _midnight_after(day: date) -> str:
    """End of a New York day, in UTC."""
    local = datetime.combine(day + timedelta(days=1), datetime.min.time(), TIME_ZONE)
    return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _write_people(connection: Any, size: Size, out: Path) -> dict[str, int]:
    values = {"customers": size.customers, "start": START.isoformat(), "days": size.days}
    return {
        "customers.parquet": _copy(connection, CUSTOMERS_SQL, values, out / "customers.parquet"),
        "consent_events.parquet": _copy(
            connection, CONSENT_SQL, values, out / "consent_events.parquet"
        ),
    }


@dataclass(frozen=True)
class _Block:
    """A stretch of time: the customer and the moment of each basket, and how many lines in all."""

    customers: np.ndarray  # of each basket
    moments: np.ndarray  # seconds since 1970 UTC, ascending
    rows: int
    first_basket: int
    random: np.random.Generator
    spend: np.ndarray  # a factor for each customer


def _weights(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """How often and how much each customer buys, relative to the others."""
    random = np.random.default_rng(SEED)
    visits = random.gamma(VISIT_SHAPE, size=size.customers)
    spend = random.lognormal(0.0, SPEND_SPREAD, size.customers)
    return visits, spend


def _blocks(size: Size) -> Iterator[tuple[str, _Block]]:
    """Cut the transactions into blocks of time with an equal number of rows, to the row."""
    visits, spend = _weights(size)
    cumulated = np.cumsum(visits) / visits.sum()
    count = math.ceil(size.transactions / BLOCK_ROWS)
    basket = 0
    for index in range(count):
        random = np.random.default_rng([SEED, 1, index])
        rows = size.transactions * (index + 1) // count - size.transactions * index // count
        baskets = max(1, rows // LINES_A_BASKET)
        customers = np.searchsorted(cumulated, random.random(baskets), side="right")
        when = np.sort((index + random.random(baskets)) / count * size.days)
        moments = _moments(when, random)
        customers = np.minimum(customers, size.customers - 1)  # a sum may end just below 1
        yield (
            f"transactions-{index + 1:04d}.parquet",
            _Block(customers, moments, rows, basket, random, spend),
        )
        basket += baskets


def _moments(days: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw opening hours of the days (counted from START), as seconds since 1970, ascending."""
    midnight = (np.floor(days) * 86_400).astype(np.int64)
    start = int(datetime(START.year, START.month, START.day, FIRST_HOUR, tzinfo=UTC).timestamp())
    return np.sort(start + midnight + random.integers(0, OPEN_SECONDS, len(days)))


def _lines(block: _Block) -> pa.Table:
    """Fill the baskets: at least one line each, the others at random."""
    random, baskets = block.random, len(block.customers)
    extra = random.integers(0, baskets, block.rows - baskets)
    lines = 1 + np.bincount(extra, minlength=baskets)
    owner = np.repeat(np.arange(baskets), lines)
    place = np.arange(block.rows) - np.repeat(np.cumsum(lines) - lines, lines)
    first = (PRODUCTS * random.random(baskets) ** 3).astype(np.int64)  # some sell far more often
    step = random.integers(1, PRODUCTS, baskets)
    product = (first[owner] + place * step[owner]) % PRODUCTS
    customer = block.customers[owner]
    cents = random.lognormal(5.3, 0.8, block.rows) * block.spend[customer]
    cents = np.clip(cents, 1, 10_000_000).astype(np.int64)
    discounted = random.random(block.rows) < 0.3
    discount = discounted * cents * random.uniform(0.05, 0.4, block.rows)
    return pa.table(
        {
            "customer": customer,
            "basket": block.first_basket + owner,
            "product_id": _named(product, "P{:05d}", PRODUCTS),
            "category": _named(product % CATEGORIES, "category {:02d}", CATEGORIES),
            "product_group": _named(product % GROUPS, "group {:03d}", GROUPS),
            "occurred_at": pa.array(block.moments[owner], pa.timestamp("s")),
            "quantity": (1 + (random.random(block.rows) < 0.2)).astype(np.int32),
            "cents": cents,
            "discount_cents": discount.astype(np.int64),
        }
    )


def _named(numbers: np.ndarray, form: str, count: int) -> pa.Array:
    names = pa.array([form.format(number) for number in range(count)])
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), names)


def _write_lines(connection: Any, block: _Block, file: Path) -> int:
    connection.register("lines", _lines(block))
    sql = """
        SELECT
            'C' || lpad(customer::VARCHAR, 9, '0') AS customer_id,
            'B' || lpad(basket::VARCHAR, 10, '0') AS basket_id,
            product_id::VARCHAR AS product_id,
            category::VARCHAR AS category,
            product_group::VARCHAR AS product_group,
            occurred_at::TIMESTAMP AS occurred_at,
            quantity,
            (cents * 0.01::DECIMAL(3, 2))::DECIMAL(18, 2) AS value,
            (discount_cents * 0.01::DECIMAL(3, 2))::DECIMAL(18, 2) AS discount
        FROM lines
    """
    rows = _copy(connection, sql, {}, file)
    connection.unregister("lines")
    return rows


def _write_extra_day(connection: Any, size: Size, out: Path) -> dict[str, int]:
    """One basket for each of the customers who come, drawn by how often they shop."""
    visits, spend = _weights(size)
    random = np.random.default_rng([SEED, 2])
    rows = max(1, round(EXTRA_DAY_ROWS * size.transactions))
    coming = max(1, min(rows, round(EXTRA_DAY_SUBJECTS * size.customers)))
    # the smallest of exponential times with these rates: drawing without putting back
    customers = np.argsort(random.exponential(size=size.customers) / visits)[:coming]
    moments = _moments(np.full(coming, float(size.days)), random)
    first_basket = size.transactions  # beyond any number in use
    block = _Block(random.permutation(customers), moments, rows, first_basket, random, spend)
    consents, lines = f"consent_events-{EXTRA}.parquet", f"transactions-{EXTRA}.parquet"
    values = {
        "customers": size.customers,
        "start": (START + timedelta(days=size.days)).isoformat(),
        "days": 1,
    }
    return {
        consents: _copy(connection, EXTRA_CONSENT_SQL, values, out / consents),
        lines: _write_lines(connection, block, out / lines),
    }


def _copy(connection: Any, sql: str, values: dict[str, Any], file: Path) -> int:
    """Write a query to a file under another name first: a file that is there is complete."""
    unfinished = file.with_suffix(".unfinished")
    filled = sql.format(**values) if values else sql
    connection.execute(
        f"COPY ({filled}) TO '{_quoted(unfinished)}' (FORMAT parquet, COMPRESSION zstd)"
    )
    unfinished.replace(file)
    return int(connection.fetchone()[0])


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; print rows and seconds.

    Returns
    -------
    int
        Exit status: 0 done, 2 bad usage.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("--customers", type=int, required=True)
    parser.add_argument("--transactions", type=int, required=True)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--extra-day", action="store_true", help="add the day after the last")
    given = parser.parse_args(arguments)
    size, began = Size(given.customers, given.transactions, given.days), time.perf_counter()
    try:
        rows = generate(size, given.out, extra_day=given.extra_day)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for name, count in rows.items():
        print(f"{count:>12,} rows  {name}")
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    print(f"{sum(rows.values()):>12,} rows  in {seconds:.1f} s, peak memory {peak:.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
