"""Feeds for the tests of ``ingest``: small files, a sources file over them, and loading them.

Belongs here: what several tests of that room share. Does not belong here: a test.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from expectations.feeds import check_feeds
from governance import identity
from governance.policy.load import load_policy
from governance.policy.model import Policy
from governance.policy.words import FEEDS
from governance.rights import erasure as rights_erasure
from governance.rights.opening import open_request
from governance.rights.requests import find
from governance.rights.steps import take_step
from ingest.load import LoadReport, load_feeds
from ingest.model import Sources
from ingest.sources import parse_sources
from tests.support import checked
from warehouse.connect import connected, warehouse_store
from warehouse.home import PROJECT

NOW = datetime(2024, 7, 1, tzinfo=UTC)
POLICY: Policy = load_policy(PROJECT / "policy.yaml")
UTC_POLICY = POLICY.model_copy(update={"time_zone": "UTC"})

SALES = ("customer_id", "basket_id", "product_id", "occurred_at", "value")
EVENTS = ("customer_id", "action", "purpose", "occurred_at")
PEOPLE = ("customer_id", "full_name", "email", "jurisdiction", "age_years")
REQUESTS = ("customer_id", "request_id", "type", "received_at", "status")
SALE = ("ann", "b1", "p1", "2024-05-01 10:00:00", "9.99")
EVENT = ("ann", "granted", "segmentation", "2024-04-01 10:00:00")
COLUMNS = {
    "transactions": SALES,
    "consent_events": EVENTS,
    "customers": PEOPLE,
    "rights_requests": REQUESTS,
}
IDENTIFIERS = ("customer_id", "full_name", "email")


def sale(**changes: Any) -> tuple[Any, ...]:
    """Return the transaction that all tests start from, changed."""
    return tuple((dict(zip(SALES, SALE, strict=True)) | changes).values())


def event(**changes: Any) -> tuple[Any, ...]:
    """Return the consent event that all tests start from, changed."""
    return tuple((dict(zip(EVENTS, EVENT, strict=True)) | changes).values())


def vault(query: str) -> list[tuple[Any, ...]]:
    """Return what the vault answers."""
    with identity.opened() as connection:
        return connection.execute(query).fetchall()


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write a CSV file; None becomes an empty value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode())
    return path


def declared(feed: str, **changes: Any) -> dict[str, Any]:
    """Return the declaration of a CSV feed whose columns bear our names."""
    columns = {name: name for name in COLUMNS[feed]}
    return {
        "connector": "files",
        "paths": [f"{feed}*.csv"],
        "format": "csv",
        "provenance": "made by a test",
        "time_zone": "UTC",
        "identifiers": [name for name in columns if name in IDENTIFIERS],
        "greatest_bad_share": 1.0,
        "columns": columns,
    } | changes


def sources_in(folder: Path, **feeds: Mapping[str, Any]) -> Sources:
    """Return sources over files in a folder; transactions and consent events are always there."""
    every = {"transactions": declared("transactions"), "consent_events": declared("consent_events")}
    every.update(feeds)  # type: ignore[arg-type]
    file = folder / "sources.yaml"
    file.write_text(json.dumps({"version": 1, "feeds": every}))  # JSON is YAML
    return parse_sources(file.read_text(), str(file))


def fill(folder: Path, **rows: Sequence[Sequence[Any]]) -> None:
    """Write ``<feed>.csv`` for every named feed; the required ones have a row if not named."""
    for feed, lines in {"transactions": [SALE], "consent_events": [EVENT], **rows}.items():
        write_csv(folder / f"{feed}.csv", COLUMNS[feed], lines)


def load(sources: Sources, policy: Policy = UTC_POLICY, **options: Any) -> LoadReport:
    """Load at the tests' moment."""
    return load_feeds(sources, policy, **({"now": NOW} | options))


def erase(customer_id: str) -> None:
    """Erase a customer now, as somebody verified who asks."""
    number = open_request(customer_id, "erasure").request_id
    take_step(POLICY, number, "verified", method="by letter")
    rights_erasure.erase([find(number)])


def ask(query: str) -> list[tuple[Any, ...]]:
    """Return what the warehouse answers."""
    with connected(warehouse_store()) as connection:
        return connection.execute(query).fetchall()


def totals(feed: str) -> tuple[int, ...]:
    """Return rows read, accepted, quarantined, duplicate and corrected of a feed."""
    names = ("read", "accepted", "quarantined", "duplicate", "corrected")
    sums = ", ".join(f"coalesce(sum(rows_{name}), 0)::bigint" for name in names)
    return ask(f"select {sums} from landing.loads where feed = '{feed}'")[0]


def reasons(feed: str) -> dict[str, list[int]]:
    """Return the positions of a feed's unresolved quarantined rows, by reason."""
    rows = ask(
        "select reason, list(position order by position) from landing.quarantine"
        f" where feed = '{feed}' and resolved_at is null group by reason"
    )
    return dict(rows)


def unreconciled() -> list[str]:
    """Return the feeds whose rows don't add up, by the check that keeps a run from publishing."""
    with connected(warehouse_store()) as connection:
        found = check_feeds(connection, UTC_POLICY, checked.clocks(), now=NOW)
    status = {result.rule: result.status for result in found}
    judged = {feed: status[f"reconciliation.{feed}"] for feed in FEEDS}
    assert "not judged" not in (judged["transactions"], judged["consent_events"])
    return [feed for feed, said in judged.items() if said == "broken"]


def must_reconcile() -> None:
    """Fail unless every row of every feed is accounted for."""
    assert unreconciled() == []
