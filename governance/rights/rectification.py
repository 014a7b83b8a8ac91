"""Rectification: what is held of a subject as a customer is corrected, and stays so (GDPR Art. 16).

Belongs here: the order of things, so that a killed process leaves what the next one finishes. First
the vault, which keeps what is right, and of what was wrong a keyed hash only; then landing; then
the subject is taken out of what is published, since what was made from the wrong value can't be
used until a run has made it anew. Does not belong here: which values may be
(``ingest.corrections``), what becomes of a feed that says the old value again (``ingest.heeding``).
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import duckdb

from governance import acts, clocks, identity, release, spelling, status, vault_bound, vaulted
from governance.aging import today
from governance.policy.model import Policy
from governance.policy.words import PERMISSION
from governance.rights import kept, leaving, owed, receipt
from governance.rights.known import known_as, note_replaced
from governance.rights.published import leave_published
from governance.rights.requests import OPEN, Request, listing
from governance.rights.steps import note_step, require_open, require_verified
from warehouse import catalogue, journal
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import Step
from warehouse.publish import without_damaged
from warehouse.sql import identifier

KIND = RECTIFICATION = "rectification"
CUSTOMERS = "landing.customers"


def rectify(policy: Policy, request: Request, changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Correct what is held of the subject of a request; the caller holds the writer's lock.

    Parameters
    ----------
    changes
        The right value of each column, as text that fits it; no value of it goes anywhere but the
        vault and landing.

    Returns
    -------
    dict
        The signed receipt, without a value.

    Raises
    ------
    UsageError
        If the request has ended or isn't verified, or there is nothing to correct; then nothing is.
    """
    require_open(request)
    require_verified(request)
    if request.subject_key is None:
        raise UsageError(
            "nothing is held of that customer", "tell them so, and `assent rights refuse` it",
            rule="subject.unknown",
        )  # fmt: skip
    with acts.acting(
        "rights.rectify", request_id=request.number, subject_key=request.subject_key,
        columns=sorted(changes),
    ):  # fmt: skip
        with connected(*identity.stores()) as connection:
            identity.prepare(connection, ())  # what an earlier version's vault doesn't have
            # What a former request of that number corrected isn't of this one: see `finish`.
            connection.execute(
                "update vault.corrections set request_id = ''"
                " where subject_key = ? and request_id = ?",
                [request.subject_key, request.request_id],
            )
        entry = journal.begin(KIND, {
            "at": utc_naive(now()).isoformat(), "request_id": request.number,
            "subject_key": str(request.subject_key),
        })  # fmt: skip
        try:
            _decide(policy, request, changes)
        except UsageError:
            entry.close()
            raise
        finish(policy, entry.payload)
        entry.close()
    with kept.opened() as connection:
        receipts = receipt.kept_of(connection, [request.request_id])
        return receipts[_of(connection, request)]


@without_damaged
def finish(policy: Policy, payload: dict[str, Any]) -> None:
    """Do what the vault says; done again after a kill, it finds what is left to do.

    That the request is fulfilled is noted last.
    """
    began = time.monotonic()
    subject, number = payload["subject_key"], payload["request_id"]
    release.renew_permission(policy)
    if not Home.current().published_file(PERMISSION).exists():  # it was damaged
        release.publish_permission(policy)
    found = [
        request for request in listing()
        if number in (request.number, request.request_id) and str(request.subject_key) == subject
        and request.type == RECTIFICATION
    ]  # fmt: skip
    if not found:
        return
    with identity.opened() as connection:
        right = dict(
            connection.execute(
                "select column_name, value from vault.corrections"
                " where subject_key = ?::uuid and request_id = ?",
                [subject, found[0].request_id],
            ).fetchall()
        )
    if not right or found[0].status != OPEN:
        return  # killed before the vault knew, so the request stands; or nothing is left to do
    kept.require_newest()  # notes that no vault from before this is taken any more
    rows = _correct_landing(policy, subject, right, payload["at"])
    release.publish_permission(policy)
    rows |= {f"published_{p}": {"rows": n}
             for p, n in leave_published([subject], but=[PERMISSION]).items()}  # fmt: skip
    _sign(found[0], payload["at"], sorted(right), rows, time.monotonic() - began)


def _decide(policy: Policy, request: Request, changes: Mapping[str, str | None]) -> None:
    """Put what is right into the vault, with a keyed hash of what was wrong."""
    key = str(request.subject_key)
    vault, salts = identity.stores()
    with connected(vault, salts, warehouse_store(read_only=True)) as connection:
        spelling.teach(connection)
        before = _before(connection, key, changes)
        wrong = {name: value for name, value in before.items() if value != changes[name]}
        if not wrong:
            raise UsageError(
                "nothing has to be corrected: those values are held already",
                f"`assent rights done {request.request_id} --how ...`",
                rule="changes",
            )
        _owe(connection, request, changes)
        _note_replaced(connection, key, changes)
        connection.execute("begin")
        for name in wrong:
            _decide_one(connection, key, request.request_id, (name, before[name], changes[name]))
        if any(_in_vault(connection, name) for name in wrong):
            vaulted.renew(connection, key, today(policy))
        vault_bound.decide(connection)
        connection.execute("commit")


def _before(
    connection: duckdb.DuckDBPyConnection, key: str, changes: Mapping[str, str | None]
) -> dict[str, str | None]:
    before = {}
    for name in changes:
        place = "vault.identifiers" if _in_vault(connection, name) else f"warehouse.{CUSTOMERS}"
        rows = connection.execute(
            f"select {identifier(name)}::varchar from {place} where subject_key = ?::uuid", [key]
        ).fetchall()
        if not rows:
            raise UsageError(
                "no row of customers has landed of that customer", "there is nothing to correct",
                rule="subject.unknown",
            )  # fmt: skip
        before[name] = rows[0][0]
    return before


def _in_vault(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    return name in vaulted.names_of(connection)


def _decide_one(
    connection: duckdb.DuckDBPyConnection, key: str, request_id: str,
    change: tuple[str, str | None, str | None],
) -> None:  # fmt: skip
    name, old, new = change
    salt = f"(select salt from salts.salts where subject_key = '{key}'::uuid)"
    # What was right before is wrong now as well; what was wrong before may be right now.
    connection.execute(
        "update vault.corrections set value = ?, request_id = ?"
        " where subject_key = ?::uuid and column_name = ?",
        [new, request_id, key, name],
    )
    for value in (new, old):
        connection.execute(
            "delete from vault.corrections where subject_key = ?::uuid and column_name = ?"
            f" and refused = {identity.refused_sql(name, '?::varchar', salt)}",
            [key, name, value],
        )
    connection.execute(
        "insert into vault.corrections select ?::uuid, ?, ?,"
        f" {identity.refused_sql(name, '?::varchar', salt)}, ?",
        [key, request_id, name, old, new],
    )
    if _in_vault(connection, name):
        connection.execute(
            f"update vault.identifiers set {identifier(name)} = ? where subject_key = ?::uuid",
            [new, key],
        )


def _owe(
    connection: duckdb.DuckDBPyConnection, request: Request, changes: Mapping[str, str | None]
) -> None:
    """Note whom to tell while it is known yet by which values they know the subject."""
    import pyarrow as pa

    subjects = connection.execute(
        "select customer_id, $number as request_id, known_as, former"
        f" from ({known_as(connection)}) where customer_id = $id",
        {"number": request.request_id, "id": request.customer_id},
    ).to_arrow_table()
    known = dict(subjects["known_as"][0].as_py())
    new = {name: changes.get(name, value) for name, value in known.items()}
    if new == known:
        return  # no export holds anything else
    right = pa.array([list(new.items())], pa.map_(pa.string(), pa.string()))
    subjects = subjects.append_column("known_now", right)
    with kept.opened() as keeping:
        owed.owe(keeping, subjects, RECTIFICATION, since=utc_naive(now()))


def _note_replaced(
    connection: duckdb.DuckDBPyConnection, key: str, changes: Mapping[str, str | None]
) -> None:
    """Keep what the vault is about to lose, as long as a recipient may know the subject by it."""
    import pyarrow as pa

    right = {name: [value] for name, value in changes.items() if _in_vault(connection, name)}
    if not right:
        return
    types = [pa.field(name, pa.string()) for name in right]
    connection.register("right_values", pa.table(right, pa.schema(types)))
    rows = f"select '{key}'::uuid as subject_key, * from right_values"
    note_replaced(connection, rows, list(right))
    connection.unregister("right_values")


def _correct_landing(
    policy: Policy, subject: str, right: Mapping[str, str | None], at: str
) -> dict[str, dict[str, int]]:
    """Let landing hold what is right; return the rows that were corrected, by file and table.

    What was made from the wrong value is good for nothing from then on.
    """
    with connected(warehouse_store()) as connection:
        kinds = catalogue.columns(connection, *CUSTOMERS.split("."))
        landed = [name for name in right if name in kinds]
        rows = {"vault": {"main.identifiers": 1}} if len(landed) < len(right) else {}
        connection.execute("begin")
        clocks.forget(connection)
        status.forget_marts(connection, policy)
        if landed:
            values = ", ".join(f"{identifier(name)} = ?::{kinds[name]}" for name in landed)
            done = connection.execute(
                f"update {CUSTOMERS} set {values} where subject_key = ?::uuid",
                [*(right[name] for name in landed), subject],
            ).fetchall()
            rows["warehouse"] = {CUSTOMERS: int(done[0][0])}
        leaving.note_lying(connection, datetime.fromisoformat(at), leaving.RECTIFICATION)
        connection.execute("commit")
    return rows


def _sign(
    request: Request, at: str, columns: list[str], rows: Mapping[str, Mapping[str, int]],
    seconds: float,
) -> None:  # fmt: skip
    with kept.opened() as connection:
        content = {
            "request_id": request.number, "type": request.type, "rectified_at": at,
            "columns": columns, "rows_found": rows, "seconds": round(seconds, 3),
            "recipients": receipt.owed_to(connection, [request.request_id]).get(
                _of(connection, request), {}
            ),
            "kept": {"of what was wrong, a keyed hash": "so that no feed brings it back"},
        }  # fmt: skip
    note_step(request, "fulfilled", receipt=receipt.signed(content), columns=", ".join(columns))


def _of(connection: duckdb.DuckDBPyConnection, request: Request) -> receipt.Of:
    return kept.handle_of(connection, request.customer_id), request.request_id, request.type


def steps(policy: Callable[[], Policy]) -> Mapping[str, Step]:
    """Return how the journal's work is finished, under the policy that is in force then."""
    return {KIND: lambda payload: finish(policy(), payload)}
