"""Erasure: a subject leaves every file of the state, and stays away.

Belongs here: the order of things, so that a killed process leaves what the next one finishes. First
what the law lets one keep goes to ``kept``, with the entry that suppresses the subject at the door;
then the subject leaves the inbox, the published files and the warehouse; the vault and the salt,
by which all the others are found, go last. Does not belong here: where a subject is held
(``discovery``), writing files anew without what was deleted (``warehouse.rewrite``).

GDPR Art. 17; Cal. Civ. Code 1798.105.
"""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from governance import acts, identity, inbox
from governance.policy.words import FEEDS
from governance.rights import kept, receipt
from governance.rights.discovery import LEAVING, Holder, alias_of, holders, mark
from governance.rights.requests import Request, require_open, require_verified
from warehouse import catalogue, journal
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.errors import UsageError
from warehouse.journal import Step
from warehouse.publish import BEFORE, publish, published_purposes
from warehouse.sql import identifier, quoted

KIND, ERASURE = "erase", "erasure"


def erase(requests: Sequence[Request]) -> list[dict[str, Any]]:
    """Erase the subjects of some requests; the caller holds the writer's lock.

    Returns
    -------
    list of dict
        A signed receipt for each request.

    Raises
    ------
    UsageError
        If one has ended or its subject isn't verified, or some table can't be told whose rows it
        holds; then nothing is erased.
    """
    for request in requests:
        if request.type != ERASURE:
            raise UsageError(
                f"{request.request_id} asks for no erasure", "see `assent rights show`"
            )
        require_open(request)
        require_verified(request)
        if request.subject_key is None:
            raise UsageError(
                f"nothing is held of the customer of {request.request_id}",
                "tell them so, and `assent rights refuse` it with that ground",
                rule="subject.unknown",
            )
    if len({request.subject_key for request in requests}) < len(requests):
        raise UsageError(
            "two of these requests are of one customer",
            "fulfil one of them: with it, the other goes as well",
        )
    with acts.acting("rights.erase", requests=[r.request_id for r in requests]):
        payload = {
            "at": utc_naive(now()).isoformat(),
            "requests": {
                str(r.subject_key): {"request_id": r.request_id, "type": r.type} for r in requests
            },
            "actor": acts.actor(),
        }
        entry = journal.begin(KIND, payload)
        finish(entry.payload)
        entry.close()
        with kept.opened() as connection:
            return [_receipt_of(connection, request.request_id) for request in requests]


def finish(payload: dict[str, Any]) -> None:
    """Do what the journal says; done again after a kill, it finds what is left to do."""
    began = time.monotonic()
    subjects = list(payload["requests"])
    beside = [published_store(purpose, alias=alias_of(purpose)) for purpose in published_purposes()]
    with identity.opened(warehouse_store(read_only=True), *beside) as connection:
        databases = ["warehouse", *(store.alias for store in beside)]
        tables = {database: holders(connection, database) for database in databases}
        mark(connection, subjects, [table for found in tables.values() for table in found])
        rows = {database: _counts(connection, tables[database]) for database in databases}
        keep = _to_keep(connection)
    _keep(payload, keep, rows)
    inbox.forget([customer_id for customer_id, *_ in keep])
    _leave_published(subjects)
    _leave_warehouse(subjects, datetime.fromisoformat(payload["at"]))
    identity.forget(subjects)
    _sign(payload, time.monotonic() - began)


def _counts(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Holder]
) -> dict[str, dict[str, int]]:
    """Return how many rows each table holds of each subject."""
    found: dict[str, dict[str, int]] = {}
    for table in tables:
        key = identifier(table.key)
        matched = "subject_key" if table.key == "subject_key" else "purpose_key"
        rows = connection.execute(
            f"select l.subject_key::varchar, count(*) from (select distinct subject_key, {matched}"
            f" as key from {LEAVING}) as l join {table.name} as t on t.{key} = l.key group by all"
        ).fetchall()
        for subject, count in rows:
            found.setdefault(subject, {})[f"{table.schema}.{table.table}"] = count
    return found


def _to_keep(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Return customer id, subject key and consent events (JSON) of those who leave."""
    return connection.execute(
        "select s.customer_id, s.subject_key::varchar, coalesce(to_json(list({'action': e.action,"
        " 'purpose': e.purpose, 'occurred_at': e.occurred_at, 'recorded_at': e.recorded_at,"
        " 'notice_version': e.notice_version, 'method': e.method, 'channel': e.channel,"
        " 'language': e.language, 'wording_hash': e.wording_hash, 'evidence_ref': e.evidence_ref,"
        " 'signal': e.signal} order by e.recorded_at, e.occurred_at)"
        " filter (e.subject_key is not null))::varchar, '[]')"
        f" from vault.subjects as s left join warehouse.landing.consent_events as e"
        f" using (subject_key) where s.subject_key in (select subject_key from {LEAVING})"
        " group by all order by all"
    ).fetchall()


def _keep(
    payload: dict[str, Any],
    keep: Sequence[tuple[str, str, str]],
    found: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> None:
    """Put aside what may be kept, and suppress the subjects, before anything is deleted."""
    since = datetime.fromisoformat(payload["at"])
    with kept.opened() as connection:
        connection.execute("begin")
        for customer_id, subject, events in keep:
            request_id = payload["requests"][subject]["request_id"]
            handle = kept.handle_of(connection, customer_id)
            rows = {
                database: tables[subject]
                for database, tables in found.items() if subject in tables
            }  # fmt: skip
            connection.execute(
                "insert or ignore into kept.suppressed values (?, ?, ?)",
                [handle, since, request_id],
            )
            known = connection.execute(
                "select 1 from kept.receipts where request_id = ?", [request_id]
            ).fetchall()
            if not known:
                connection.execute(
                    "insert into kept.proofs values (?, ?, ?)", [handle, request_id, events]
                )
                kept.add_step(
                    connection, customer_id, (request_id, payload["requests"][subject]["type"]),
                    "fulfilled", at=since, actor=payload["actor"],
                )  # fmt: skip
                connection.execute(
                    "insert into kept.receipts values (?, ?, ?)",
                    [request_id, handle, json.dumps({"rows_found": rows})],
                )
        connection.execute("commit")


def _leave_published(subjects: Sequence[str]) -> None:
    for purpose in published_purposes():
        alias = alias_of(purpose)
        with identity.opened(
            warehouse_store(read_only=True), published_store(purpose, alias=alias)
        ) as connection:
            tables = holders(connection, alias)
            mark(connection, subjects, tables)
            left = {table.table: left for table in tables if (left := _without(connection, table))}
        if not left:
            continue
        with connected(published_store(purpose)) as connection:
            names = catalogue.tables(connection, "main")
        publish({purpose: {
            name: f"select * from {BEFORE}.{identifier(name)} where {left.get(name, 'true')}"
            for name in names
        }}, over=True)  # fmt: skip


def _without(connection: duckdb.DuckDBPyConnection, table: Holder) -> str:
    """Return SQL that is true for the rows that stay; empty if none goes."""
    key = identifier(table.key)
    keys = connection.execute(
        f"select distinct {key}::varchar from {table.name} where {table.of_leaving} order by all"
    ).fetchall()
    return f"{key} not in ({', '.join(f'{quoted(k)}::uuid' for (k,) in keys)})" if keys else ""


def _leave_warehouse(subjects: Sequence[str], at: datetime) -> None:
    with identity.opened(warehouse_store()) as connection:
        tables = holders(connection, "warehouse")
        mark(connection, subjects, tables)
        connection.execute("begin")
        connection.execute(
            "update warehouse.landing.quarantine set resolved_at = coalesce(resolved_at, ?),"
            " resolution = coalesce(resolution, 'erased'), subject_key = null, note = null"
            f" where subject_key in (select subject_key from {LEAVING})",
            [at],
        )
        for table in tables:
            if table.schema == "landing":
                _note_removal(connection, table, at)
            connection.execute(f"delete from {table.name} where {table.of_leaving}")
        connection.execute("commit")


def _note_removal(connection: duckdb.DuckDBPyConnection, table: Holder, at: datetime) -> None:
    """Note how many rows of each feed leave, so that what was read still adds up."""
    if table.table not in FEEDS:
        return
    connection.execute(
        "insert into warehouse.landing.loads by name select"
        " (select max(load_id) from warehouse.landing.loads) + row_number() over (order by feed)"
        " as load_id, feed, ? as loaded_at, 'erasure' as source, '{}' as fingerprint,"
        " 0 as rows_read, 0 as rows_accepted, 0 as rows_quarantined, 0 as rows_duplicate,"
        " count(*) as rows_corrected, 0 as rows_suppressed"
        f" from {table.name} join (select load_id, feed from warehouse.landing.loads)"
        f" using (load_id) where {table.of_leaving} group by feed",
        [at],
    )


def _sign(payload: dict[str, Any], seconds: float) -> None:
    """Complete the receipts of those who have left."""
    with kept.opened() as connection:
        for of in payload["requests"].values():
            draft = _receipt_of(connection, of["request_id"])
            if "signature" in draft:
                continue
            content = {
                **of, **draft, "erased_at": payload["at"], "seconds": round(seconds, 3),
                "kept": {
                    "proof of consent, the request, this receipt":
                        "GDPR Art. 7(1), 17(3)(b) and (e): under a key of their own, found only by"
                        " who supplies the customer id",
                    "a suppression entry": "GDPR Art. 17(1): so that no feed brings the rows back",
                },
            }  # fmt: skip
            connection.execute(
                "update kept.receipts set receipt = ? where request_id = ?",
                [json.dumps(receipt.signed(content)), of["request_id"]],
            )


def _receipt_of(connection: duckdb.DuckDBPyConnection, request_id: str) -> dict[str, Any]:
    rows = connection.execute(
        "select receipt from kept.receipts where request_id = ?", [request_id]
    ).fetchall()
    found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    return found


STEPS: Mapping[str, Step] = {KIND: finish}
