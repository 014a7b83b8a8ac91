"""What is kept of a subject under the law, erased or not, as an answer to access tells it.

Belongs here: each table of ``kept`` that has rows of somebody, and what is told of them (a test
holds that none is left out). Does not belong here: the rest of the answer (``access``), until when
rows are kept (``expiry``).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import duckdb

from governance.policy.model import Policy
from governance.rights import expiry, kept, proofs
from governance.rights.holding import plain
from governance.rights.recipients import recipients_of


class Told(NamedTuple):
    """What is told of a table: under which name, and how its rows are found.

    ``rows`` takes the open file, the policy and the customer id.
    """

    name: str
    rows: Callable[[duckdb.DuckDBPyConnection, Policy, str], list[Any]]


def kept_of(policy: Policy, customer_id: str) -> dict[str, Any]:
    """Return to whom the subject was handed over, and what the law lets one keep of it.

    The caller holds the writer's lock.
    """
    words = expiry.words_of(customer_id)
    with kept.opened() as connection:
        told = {each.name: each.rows(connection, policy, customer_id) for each in TOLD.values()}
        handle = kept.handle_of(connection, customer_id)
        until = expiry.kept_until(connection, policy, handle, words)
    return {
        "handed_over": told.pop("handed_over"),
        "kept": {
            **told,
            "why": policy.evidence.model_dump(mode="json"),
            "until": {table: day.isoformat() for table, day in until.items()},
        },
    }


def _handed_over(
    connection: duckdb.DuckDBPyConnection, policy: Policy, customer_id: str
) -> list[Any]:
    return [
        {name: plain(value) for name, value in vars(one).items()}
        | _recipient(policy, one.recipient)
        for one in recipients_of(connection, customer_id)
    ]


def _recipient(policy: Policy, name: str) -> dict[str, Any]:
    """Return who a recipient is, if the policy still lists it."""
    listed = policy.recipients.get(name)
    if listed is None:
        return {}
    return {"description": listed.description, "role": listed.role, "country": listed.country}


def _suppressed(
    connection: duckdb.DuckDBPyConnection, _policy: Policy, customer_id: str
) -> list[Any]:
    return [plain(since) for (since,) in _of(connection, "since", "suppressed", customer_id)]


def _proofs(connection: duckdb.DuckDBPyConnection, _policy: Policy, customer_id: str) -> list[Any]:
    return [
        {"left_by": left_by, "events": events}
        for left_by, events in proofs.proofs_of(connection, customer_id)
    ]


def _receipts(
    connection: duckdb.DuckDBPyConnection, _policy: Policy, customer_id: str
) -> list[Any]:
    rows = _of(connection, "request_id, receipt", "receipts", customer_id)
    return [json.loads(text) for _, text in rows]


def _steps(connection: duckdb.DuckDBPyConnection, _policy: Policy, customer_id: str) -> list[Any]:
    """Return the steps; who of the company took them is theirs (GDPR Art. 15(4))."""
    rows = _of(connection, "taken_at, request_id, type, step, details", "steps", customer_id)
    return [
        {"request_id": request_id, "right": right, "step": step, "at": plain(at)}
        | json.loads(details or "{}")
        for at, request_id, right, step, details in rows
    ]


def _notices(connection: duckdb.DuckDBPyConnection, policy: Policy, customer_id: str) -> list[Any]:
    """Return what recipients were told of the subject, or have to be, as far as it is kept."""
    rows = _of(
        connection, "since, recipient, kind, request_id, purpose, handed_at, confirmed_at, how,"
        " told", "notices", customer_id,
    )  # fmt: skip
    return [
        {
            "recipient": recipient,
            **_recipient(policy, recipient),
            "kind": kind,
            "since": plain(since),
            "state": _state(handed_at, confirmed_at),
            "request_id": request_id,
            "purpose": purpose,
            "handed_at": plain(handed_at),
            "confirmed_at": plain(confirmed_at),
            "how": how,
            "says": told and {name: value for name, value in json.loads(told).items() if value},
        }
        for since, recipient, kind, request_id, purpose, handed_at, confirmed_at, how, told in rows
    ]


def _state(handed_at: Any, confirmed_at: Any) -> str:
    if confirmed_at is not None:
        return "confirmed"
    return "waiting" if handed_at is None else "handed over"


def _of(
    connection: duckdb.DuckDBPyConnection, columns: str, table: str, customer_id: str
) -> list[tuple[Any, ...]]:
    """Return rows in the order of their first column, then as they were written."""
    first = columns.partition(",")[0]
    return connection.execute(
        f"select {columns} from kept.{table} where handle = ? order by {first}, rowid",
        [kept.handle_of(connection, customer_id)],
    ).fetchall()


# By table of ``kept``.
TOLD: Mapping[str, Told] = {
    "suppressed": Told("suppressed_since", _suppressed),
    "proofs": Told("proofs_of_consent", _proofs),
    "receipts": Told("receipts", _receipts),
    "steps": Told("steps", _steps),
    "notices": Told("notices", _notices),
    "handed_over": Told("handed_over", _handed_over),
}
