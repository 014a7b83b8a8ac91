"""What anybody may read of two days doesn't tell what somebody was like who left between them.

Everything under ``evidence/`` and all that Dagster shows of the last run, before the one with the
oldest purchase and the next lapse asks for erasure, and after; but for the counts of subjects that
docs/checks.md owns up to.
"""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.compute
import pyarrow.parquet
import pytest

from tests.integration.test_governance_lapse import grant_lapses
from tests.support.installation import Installation, own_feeds

# What tells one entry of a list from the others.
NAMES = ("rule", "feed", "purpose", "segment", "month")
OF_THE_RUN = re.compile("Execution Duration|invocation_id|written_at|dagster_dbt|seconds")
# That somebody asked for erasure, left on a day, and was one of how many.
ADMITTED = re.compile(
    r"/known_at$"  # the moment of the request
    r"|permission.json/(subjects|purposes/\w+/(permitted|rows))"
    r"|/(dagster/row_count|rows/\w+)$"
    r"|/reconciliation/account/subjects: [a-z ]+"
    r"|(inbox|reconciliation\.|landing/|check/landing/)rights_requests|inbox_requests"
    r"|removals/\w+/(day|feed|why|rows|emptied)|/feed/left: erasure, \S+"
    r"|custody.purge|check/landing/\w+/purge"
    r"|published_\w+.json/lapses_on"
)


def told(one: Installation) -> dict[str, Any]:
    """Return every fact that anybody may read without a key, by where it is told."""
    found: dict[str, Any] = {}
    for path in sorted(one.home.evidence.rglob("*.json")):
        found |= leaves(str(path.relative_to(one.home.evidence)), json.loads(path.read_bytes()))
    with one.entered(), dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event is None:  # what we say; Dagster's own words are of steps
                found[f"log/{entry.step_key}/{entry.user_message}"] = True
            elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                made = event.step_materialization_data.materialization
                found |= shown(f"asset/{made.asset_key.to_user_string()}", made.metadata)
            elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                check = event.asset_check_evaluation_data
                where = f"check/{check.asset_key.to_user_string()}/{check.check_name}"
                found |= shown(where, check.metadata) | {f"{where}/said": check.description}
    return {where: fact for where, fact in found.items() if not OF_THE_RUN.search(where)}


def shown(where: str, metadata: Any) -> dict[str, Any]:
    found = {}
    for name, value in metadata.items():
        if isinstance(value, dg.TableMetadataValue):
            heads = [column.name for column in value.schema.columns]
            for number, row in enumerate(value.records):
                first, *others = (str(row.data[head]) for head in heads)
                found[f"{where}/{name}/{first}"] = f"{number}: {others}"
        elif isinstance(value.value, str | int | float | dict | list):
            found |= leaves(f"{where}/{name}", value.value)
    return found


def leaves(where: str, value: Any) -> dict[str, Any]:
    """Return the facts of nested ones, by their path; entries of lists by what names them."""
    if not isinstance(value, dict | list | tuple):
        return {where: str(value)}
    found = {}
    for name, inner in value.items() if isinstance(value, dict) else named(value):
        found |= leaves(f"{where}/{name}", inner)
    return found


def named(values: Any) -> Iterator[tuple[str, Any]]:
    for number, value in enumerate(values):
        if isinstance(value, dict):
            yield next((str(value[k]) for k in NAMES if k in value), str(number)), value
        else:
            yield str(number), value


def bought_first(folder: Path, who: str) -> str:
    """Deliver a purchase of somebody that is older than all others; return its day."""
    sold = pyarrow.parquet.read_table(folder / "transactions-0001.parquet")
    times = sold.column("occurred_at").to_pylist()
    earlier = min(times) - timedelta(days=9)
    (row, *_) = sold.filter(pyarrow.compute.equal(sold["customer_id"], who)).to_pylist()
    old = pyarrow.Table.from_pylist(
        [row | {"basket_id": "old", "occurred_at": earlier}], sold.schema
    )
    pyarrow.parquet.write_table(old, folder / "transactions-old.parquet")
    return str(earlier.date())


@pytest.fixture(scope="module")
def two_days(small, tmp_path_factory):
    """Return what is told before somebody asks for erasure and after, and its first day."""
    folder = tmp_path_factory.mktemp("told")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    who = min(one.members())
    day = bought_first(folder / "feeds", who)
    grant_lapses(one, [who], timedelta(days=10))  # before all others
    one.run()
    assert who in one.members()
    before = told(one)
    opened = one.assent("rights", "open", who, "erasure", "--json")
    assert opened.status == 0, opened.said
    number = opened.json["request_id"]
    for command in (("verify", number, "--method", "passport"), ("fulfil", number)):
        done = one.assent("rights", *command)
        assert done.status == 0, done.said
    one.run()
    return before, told(one), day


def test_only_what_the_docs_own_up_to_changes(two_days):
    before, after, _ = two_days
    changed = {w for w in {*before, *after} if before.get(w) != after.get(w)}
    assert "permission.json/subjects" in changed
    others = {w: (before.get(w), after.get(w)) for w in changed if not ADMITTED.search(w)}
    assert others == {}


def test_no_day_of_who_left_is_told(two_days):
    before, _, day = two_days
    assert len(before) > 1000
    assert [where for where, fact in before.items() if day in f"{where} {fact}"] == []
