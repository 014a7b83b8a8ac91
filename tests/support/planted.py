"""Subjects every field of whom holds a byte pattern that nothing else has.

Belongs here: planting them into the small feeds, and which patterns that makes. Does not belong
here: searching for them (``canaries``), a test.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.generate import Size, generate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What can hold no pattern: words of a vocabulary, and small numbers.
WORDS = "age_years, action, purpose, notice_version, signal, type, status"
# What is planted and never stored: rows that are set aside keep their position, no value.
NEVER_STORED = "quarantined."
# What is too old to be held: it lands, and leaves in the same landing.
EXPIRED = "expired."
TEXTS = {
    "customers": ("customer_id", "full_name", "email", "phone", "postal_address", "jurisdiction",
                  "income_band", "marital_status", "home_ownership", "household_size",
                  "household_composition", "kids_count"),
    "transactions": ("basket_id", "product_id", "category", "product_group"),
    "consent_events": ("method", "channel", "language", "wording_hash", "evidence_ref"),
    "rights_requests": ("request_id", "channel"),
}  # fmt: skip
TYPES = {"quantity": pa.decimal128(18, 3), "value": pa.decimal128(18, 2),
         "discount": pa.decimal128(18, 2)}  # fmt: skip
COLUMNS = {
    "consent_events": ("customer_id", "action", "purpose", "occurred_at", "recorded_at",
                       "notice_version", "method", "channel", "language", "wording_hash",
                       "evidence_ref", "signal"),
    "rights_requests": ("customer_id", "request_id", "type", "received_at", "status", "channel"),
}  # fmt: skip


@dataclass
class Planted:
    """One subject: its customer id, and every pattern by the field that holds it."""

    number: int
    patterns: dict[str, bytes] = field(default_factory=dict)

    @property
    def customer_id(self) -> str:
        """What the company calls it; the last of all in order."""
        return self.patterns["customers.customer_id"].decode()

    def text(self, place: str) -> str:
        """Return a text that holds a pattern, and remember it."""
        made = f"Zq{self.number:03d}~{place}~{hash_of(place, self.number)}"
        self.patterns[place] = made.encode()
        return made

    def amount(self, place: str, digits: int) -> Decimal:
        """Return an amount whose stored integer is a pattern."""
        whole = 700_000_000_000 + int(hash_of(place, self.number), 16) % 10**11
        self.patterns[place] = whole.to_bytes(8, "little")
        return Decimal(whole).scaleb(-digits)

    def moment(self, place: str, day: str) -> datetime:
        """Return an instant of a day whose stored integer, in microseconds, is a pattern."""
        at = datetime.fromisoformat(f"{day}T15:00:00+00:00")
        at += timedelta(microseconds=int(hash_of(place, self.number), 16) % (3600 * 10**6))
        whole = (at - EPOCH) // timedelta(microseconds=1)
        self.patterns[place] = whole.to_bytes(8, "little")
        return at.replace(tzinfo=None)


def hash_of(place: str, number: int) -> str:
    """Return twelve hexadecimal digits of a field, the same in every run."""
    return hashlib.sha256(f"{place} {number}".encode()).hexdigest()[:12]


def plant(folder: Path, size: Size, count: int) -> list[Planted]:
    """Write feeds into a folder, with so many planted subjects; return these."""
    generate(size, folder)
    planted = [Planted(number) for number in range(count)]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TEXTS}
    for one in planted:
        _rows(one, rows)
    for feed, name in (("customers", "customers"), ("transactions", "transactions-0001"),
                       ("consent_events", "consent_events")):  # fmt: skip
        _append(folder / f"{name}.parquet", rows[feed], COLUMNS.get(feed, ()))
    schema = pa.schema([(name, pa.timestamp("us") if name == "received_at" else pa.string())
                        for name in COLUMNS["rights_requests"]])  # fmt: skip
    requests = pa.Table.from_pylist(rows["rights_requests"], schema)
    pq.write_table(requests, folder / "rights_requests.parquet")
    _declare(folder / "sources.yaml")
    return planted


def _rows(one: Planted, rows: dict[str, list[dict[str, Any]]]) -> None:
    person = {name: one.text(f"customers.{name}") for name in TEXTS["customers"]}
    who = person["customer_id"]
    rows["customers"].append(person | {"age_years": 44})
    for day in range(1, 29):  # enough visits to be in every mart; amounts as others have them
        rows["transactions"].append({
            "customer_id": who, "quantity": Decimal(1), "value": Decimal("3.50"),
            "discount": Decimal("0.50"), "occurred_at":
            one.moment(f"transactions.occurred_at {day}", f"2024-{10 + day % 3}-{day:02d}"),
            **{name: one.text(f"transactions.{name} {day}") for name in TEXTS["transactions"]},
        })  # fmt: skip
    special = one.text("transactions.special product_group")
    rows["transactions"].append(rows["transactions"][-1] | {
        "product_id": one.text("transactions.special product_id"),
        "product_group": f"KOSHER {special}",
    })  # fmt: skip
    # Great amounts lie on a day too old for the marts, so that no segment hangs on them.
    rows["transactions"].append({
        "customer_id": who, "occurred_at": datetime(2023, 5, 5, 15),
        **{n: one.amount(f"transactions.{n}", t.scale) for n, t in TYPES.items()},
        **{n: one.text(f"transactions.old {n}") for n in TEXTS["transactions"]},
    })  # fmt: skip
    rows["transactions"].append({
        "customer_id": who, "occurred_at": None, "value": Decimal(1),
        **{n: one.text(f"{NEVER_STORED}{n}") for n in TEXTS["transactions"]},
    })  # fmt: skip
    rows["transactions"].append({
        "customer_id": who, "occurred_at": datetime(2021, 5, 5, 15), "value": Decimal(1),
        **{n: one.text(f"{EXPIRED}{n}") for n in TEXTS["transactions"]},
    })  # fmt: skip
    for purpose in ("segmentation", "personalised_offers", "churn_prevention"):
        rows["consent_events"].append({
            "customer_id": who, "action": "granted", "purpose": purpose, "notice_version": 2,
            "occurred_at": one.moment(f"consent_events.{purpose} occurred_at", "2024-01-05"),
            "recorded_at": one.moment(f"consent_events.{purpose} recorded_at", "2024-01-06"),
            **{n: one.text(f"consent_events.{purpose} {n}") for n in TEXTS["consent_events"]},
        })  # fmt: skip
    for kind in ("limit", "rectification"):  # a column of one value alone is kept otherwise
        rows["rights_requests"].append({
            "customer_id": who, "type": kind, "status": "open",
            "received_at": one.moment(f"rights_requests.{kind} received_at", "2024-12-29"),
            **{n: one.text(f"rights_requests.{kind} {n}") for n in TEXTS["rights_requests"]},
        })  # fmt: skip


def _append(path: Path, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = pq.read_table(path)
    for name in columns:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    schema = pa.schema([
        pa.field(f.name, TYPES.get(f.name, pa.timestamp("us")
                                   if pa.types.is_timestamp(f.type) else f.type))
        for f in table.schema
    ])  # fmt: skip
    planted = pa.Table.from_pylist(rows, schema)
    pq.write_table(pa.concat_tables([table.cast(schema), planted]), path)


def _declare(path: Path) -> None:
    """Map every column, and let the planted rows be set aside that can't be read."""
    sources = yaml.safe_load(path.read_text())
    feeds = sources["feeds"]
    feeds["transactions"]["greatest_bad_share"] = 0.01
    feeds["consent_events"]["columns"] = {name: name for name in COLUMNS["consent_events"]}
    feeds["rights_requests"] = {
        "connector": "files", "paths": ["rights_requests.parquet"], "format": "parquet",
        "provenance": "planted", "time_zone": "UTC", "identifiers": ["customer_id"],
        "natural_key": ["customer_id", "request_id", "type"],
        "corrections": "latest_arrival", "greatest_bad_share": 0,
        "columns": {name: name for name in COLUMNS["rights_requests"]},
    }  # fmt: skip
    path.write_text(json.dumps(sources, default=str))  # JSON is YAML
