"""Portability: what a subject provided and was observed to do, for another company to read.

Belongs here: which rows and columns these are, as JSON, as CSV by feed, and the schema of both. Not
in it is what was made from them: features, segments, keys, notes of landing (GDPR Art. 20;
Article 29 Working Party, WP 242 rev.01: provided and observed, not inferred). Does not belong here:
where rows are held (``holding``), handing the answer over (``fulfil``).
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from governance.policy.model import Policy
from governance.rights.answer import Answer, Meanings, as_json, opening
from governance.rights.holding import Held, held
from governance.rights.requests import RANK, Request

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA = "portability.schema.json"
# What stands for a value of a type of the tables; all others are text.
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "TIMESTAMP": {"type": "string", "format": "date-time"},
    "DATE": {"type": "string", "format": "date"},
    "INTEGER": {"type": "integer"},
    "BIGINT": {"type": "integer"},
    "DECIMAL": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
}


def answer(
    policy: Policy, request: Request, _beside: Sequence[Request], meanings: Meanings
) -> Answer:
    """Return what a subject may take along."""
    found = held(request.subject_key, request.customer_id).tables
    told = opening(policy, request)
    feeds = {
        feed: _records(feed, columns, found, request.customer_id)
        for feed, columns in meanings.feeds.items()
    }
    types = {
        name: kind
        for table in found
        for name, kind in table.columns.items()
        if table.table.removeprefix("landing.") in feeds
    }
    schema = _schema(meanings.feeds, types)
    files = {
        "portability.json": as_json({"$schema": SCHEMA, **told, "feeds": feeds}),
        SCHEMA: as_json(schema),
        **{f"{feed}.csv": _csv(list(meanings.feeds[feed]), rows) for feed, rows in feeds.items()},
    }
    return Answer(told["answer_id"], files, {"feeds": {f: len(rows) for f, rows in feeds.items()}})


def _records(
    feed: str, columns: Mapping[str, str], found: Sequence[Held], customer_id: str
) -> list[dict[str, Any]]:
    """Return a feed's rows of the subject, each once: where they landed, or wait to."""
    identifiers = {
        name: value
        for table in found
        if table.file == "vault"
        for record in table.records()
        for name, value in _of(record, columns).items()
    }
    told: list[dict[str, Any]] = []
    for table in found:
        if (table.file, table.table) not in (("warehouse", f"landing.{feed}"), ("inbox", feed)):
            continue
        own = {**dict.fromkeys(columns), **identifiers, "customer_id": customer_id}
        rows = [{**own, **_of(record, columns)} for record in table.records()]
        # A word is in both for a moment: where it waits, and where it has landed.
        told += rows if table.file == "warehouse" else [row for row in rows if row not in told]
    return _newest_of_each(told) if feed == "rights_requests" else told


def _newest_of_each(words: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each request once, by its newest word, whether that has landed or waits.

    Landing keeps the newest of the feed, and of those that were said here.
    """
    newest: dict[tuple[Any, Any], dict[str, Any]] = {}
    for word in sorted(words, key=_how_new):
        newest[word["request_id"], word["type"]] = dict(word)
    return list(newest.values())


def _how_new(word: Mapping[str, Any]) -> tuple[datetime, int]:
    """Return what is greater for a newer word, by which a request stands."""
    return datetime.fromisoformat(word["received_at"]), -RANK.index(word["status"])


def _of(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in columns}


def _schema(feeds: Mapping[str, Mapping[str, str]], types: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of the answer; the CSVs have its columns, empty where null."""
    text = {"type": "string"}
    lists = {
        feed: {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": list(columns),
                "properties": {
                    name: _shape(types.get(name, ""), meaning) for name, meaning in columns.items()
                },
            },
        }
        for feed, columns in feeds.items()
    }
    return {
        "$schema": DRAFT,
        "title": "What a customer provided, and was observed to do",
        "description": "Times are in UTC. Each feed is a CSV, too: with a header, in UTF-8, texts"
        " in quotation marks, nothing where there is no value.",
        "type": "object",
        "required": ["customer_id", "feeds"],
        "properties": {
            "customer_id": text,
            "feeds": {"type": "object", "required": list(feeds), "properties": lists},
        },
    }


def _shape(kind: str, meaning: str) -> dict[str, Any]:
    shape = SHAPES.get(kind.partition("(")[0], {"type": "string"})
    return {"description": meaning, **shape, "type": [shape["type"], "null"]}


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.csv

    table = pa.table({
        name: pa.array([None if (value := row[name]) is None else str(value) for row in rows],
                       pa.string())
        for name in columns
    })  # fmt: skip
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    return buffer.getvalue()
