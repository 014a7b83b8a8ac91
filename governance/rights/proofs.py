"""Proofs of consent of those who leave: what they said, sealed.

Belongs here: finding their words, putting them aside in ``kept``, and opening them again. They are
sealed (AES-GCM, RFC 5116) with a key that is made from the file's secret and the customer id, so
that only who supplies the id can read them (GDPR Art. 7(1), 17(3)(e)). Does not belong here: who
leaves, how long a proof is kept (``expiry``).
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from governance import identity, inbox, sealed
from governance.rights import kept
from governance.rights.discovery import LEAVING

LABEL = "seal"
# What is kept of a consent event, as it was landed.
EVENT = ("action", "purpose", "occurred_at", "recorded_at", "notice_version", "method", "channel",
         "language", "wording_hash", "evidence_ref", "signal", "given_by")  # fmt: skip


def words_of(
    connection: duckdb.DuckDBPyConnection, waiting: inbox.Waiting | None = None
) -> list[tuple[str, str, str]]:
    """Return customer id, subject key and consent events (JSON) of those who are marked.

    Parameters
    ----------
    connection
        With the vault and the warehouse attached.
    waiting
        What no run has landed yet: it was obeyed all the same. What was landed and waits still, as
        after a kill, is one word.
    """
    said = ", ".join(f"{name}: e.{name}" for name in EVENT)
    columns = ", ".join(EVENT)
    leaving = f"where subject_key in (select subject_key from {LEAVING})"
    events = f"select subject_key, {columns} from warehouse.landing.consent_events {leaving}"
    if waiting is not None:
        waiting.register(connection)
        kinds = inbox.COLUMNS["consent_events"]
        landed = [f"nullif({n}, '') as {n}" if kinds[n].startswith("varchar") else n for n in EVENT]
        events += (
            f" union all (select subject_key, {', '.join(landed)} from waiting"
            f" join vault.subjects using (customer_id) {leaving} except {events})"
        )
    return connection.execute(
        f"select s.customer_id, s.subject_key::varchar, coalesce(to_json(list({{{said}}}"
        f" order by e.recorded_at, e.occurred_at, {', '.join(f'e.{name}' for name in EVENT)})"
        " filter (e.subject_key is not null))::varchar, '[]')"
        f" from (from vault.subjects {leaving}) as s left join ({events}) as e using (subject_key)"
        " group by all order by all"
    ).fetchall()


def keep(
    connection: duckdb.DuckDBPyConnection,
    words: Sequence[tuple[str, str, str]],
    asked_by: Mapping[str, str],
    at: datetime,
) -> None:
    """Put the proofs of consent of those who leave aside, once (``connection``: ``kept``).

    Who has returned and leaves again, by the same number even, left at another moment.

    Parameters
    ----------
    words
        As :func:`words_of` returns them.
    asked_by
        By subject key: the request by which the subject leaves, or what else it leaves by.
    at
        When, UTC without a zone.
    """
    handles = kept.handles_of(connection, [customer_id for customer_id, *_ in words])
    known = {
        *connection.execute(
            "select handle, request_id from kept.proofs where left_at = ?", [at]
        ).fetchall()
    }
    secret = kept.secret_of(connection)
    rows = [
        (
            handles[customer_id],
            asked_by[subject],
            sealed.encrypted(_key(secret, customer_id), events.encode()),
        )
        for customer_id, subject, events in words
        if (handles[customer_id], asked_by[subject]) not in known
    ]
    if rows:
        connection.execute(
            "insert into kept.proofs"
            " select unnest(?::uuid[]), unnest(?::varchar[]), unnest(?::blob[]), ?",
            [*map(list, zip(*rows, strict=True)), at],
        )
        kept.count_change(connection)


def proofs_of(connection: duckdb.DuckDBPyConnection, customer_id: str) -> list[tuple[str, Any]]:
    """Return what a customer left by, and the consent events that are kept of it, in turn."""
    rows = connection.execute(
        "select request_id, events from kept.proofs where handle = ? order by left_at",
        [kept.handle_of(connection, customer_id)],
    ).fetchall()
    key = _key(kept.secret_of(connection), customer_id)
    return [(left_by, json.loads(_opened_by(key, events))) for left_by, events in rows]


def _opened_by(key: bytes, content: bytes) -> bytes:
    try:
        return sealed.decrypted(key, content)
    except ValueError:  # of the first schema version, which sealed nothing
        return content


def _key(secret: bytes, customer_id: str) -> bytes:
    message = f"{LABEL}:{identity.as_landed(customer_id)}".encode()
    return hmac.digest(secret, message, "sha256")
