"""Erasure: a subject leaves every file of the state, and stays away.

Belongs here: the order of things, so that a killed process leaves what the next one finishes. First
what the law lets one keep goes to ``kept``, with the entry that suppresses the subject at the door;
then the subject leaves the inbox, the published files and the warehouse; the vault and the salt,
by which all the others are found, go last. Does not belong here: where a subject is held
(``discovery``), how it leaves the files (``leaving``).

GDPR Art. 17; Cal. Civ. Code 1798.105.
"""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from governance import acts, identity, inbox
from governance.policy.words import FITTED_ON, WORD_FEEDS
from governance.rights import kept, leaving, owed, proofs, receipt, restricted
from governance.rights.discovery import LEAVING, Holder, alias_of, holders, mark
from governance.rights.known import known_as
from governance.rights.requests import Request
from governance.rights.steps import require_open, require_verified
from warehouse import journal
from warehouse.catalogue import columns
from warehouse.clock import TICK, now, utc_naive
from warehouse.connect import Store, published_store, warehouse_store
from warehouse.errors import UsageError
from warehouse.journal import Step
from warehouse.publish import published_purposes, without_damaged
from warehouse.sql import identifier, quoted

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "erase"


def erase(
    requests: Sequence[Request], models: Sequence[Mapping[str, str]] = ()
) -> list[dict[str, Any]]:
    """Erase the subjects of some requests; the caller holds the writer's lock.

    Parameters
    ----------
    models
        Those in force: the receipt says which were fitted on the subject.

    Returns
    -------
    list of dict
        A signed receipt for each request.

    Raises
    ------
    UsageError
        If one has ended or its subject isn't verified, or some table can't be told whose rows it
        holds, or a restriction or a legal hold stands, or the newest `kept` isn't there; then
        nothing is erased.
    """
    kept.require_newest()
    for request in requests:
        if request.type != leaving.ERASURE:
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
            "fulfil one of them, and `assent rights refuse` the other as repeated before",
        )
    _require_erasable(requests)
    with acts.acting("rights.erase", requests=[r.number for r in requests]):
        payload = {
            "at": _moment(requests).isoformat(),
            "requests": {
                str(r.subject_key): {"request_id": r.number, "type": r.type} for r in requests
            },
            "actor": acts.actor(),
            "models": [dict(model) for model in models],
        }
        entry = journal.begin(KIND, payload)
        finish(entry.payload)
        entry.close()
        with kept.opened() as connection:
            receipts = receipt.kept_of(connection, [r.request_id for r in requests])
            handles = kept.handles_of(connection, [r.customer_id for r in requests])
        return [receipts[handles[r.customer_id], r.request_id, r.type] for r in requests]


def _moment(requests: Sequence[Request]) -> datetime:
    """Return this moment, or, if the clock is behind, one after the last return of any of these.

    Which of both came last decides whether somebody may come back (``suppressed.standing``).
    """
    present = utc_naive(now())
    with identity.opened() as connection:
        if not columns(connection, "main", "readmitted", "vault"):
            return present
        ((returned,),) = connection.execute(
            "select max(since) from vault.readmitted where list_contains(?, subject_key)",
            [[r.subject_key for r in requests]],
        ).fetchall()
    return max(present, returned + TICK) if returned else present


@without_damaged
def _require_erasable(requests: Sequence[Request]) -> None:
    """Refuse before anything is begun: what a journal can't finish would stop every run.

    A restriction comes first until it is lifted (GDPR Art. 18(1)(b) and (c)), a legal hold until
    its last day, too (Art. 17(3)(e)). Landing tells whether one stands, which is the first to know.
    """
    beside = _published()
    with identity.opened(warehouse_store(read_only=True), *beside) as connection:
        _tables(connection, beside)
        connection.execute("use warehouse")
        restricted.note(connection)
        rows = connection.execute(f"select subject_key from {restricted.RESTRICTED_NOW}").fetchall()
    held = {subject for (subject,) in rows}
    for request in requests:
        if request.subject_key in held:
            raise UsageError(
                f"the customer of {request.request_id} is under a restriction or a legal hold,"
                " which comes before erasure, or has made a request that couldn't be read",
                f"`assent rights refuse {request.request_id}` with that ground (GDPR Art. 17(3)(e),"
                " 18(1)), or `assent rights lift` it first; `assent quarantine list` has what"
                " couldn't be read",
                rule="subject.held",
            )


def _tables(
    connection: duckdb.DuckDBPyConnection, beside: Sequence[Store]
) -> dict[str, list[Holder]]:
    """Return the tables that hold subjects, by database: whatever is in them will be gone."""
    databases = ("vault", "salts", "warehouse", *(store.alias for store in beside))
    return {database: holders(connection, database) for database in databases}


def _published() -> list[Store]:
    return [published_store(purpose, alias=alias_of(purpose)) for purpose in published_purposes()]


@without_damaged
def finish(payload: dict[str, Any]) -> None:
    """Do what the journal says; done again after a kill, it finds what is left to do."""
    began = time.monotonic()
    kept.require_newest()  # else it would be noted in another that they may not come back
    subjects = list(payload["requests"])
    beside = _published()
    waiting = inbox.waiting()
    with identity.opened(warehouse_store(read_only=True), *beside) as connection:
        tables = _tables(connection, beside)
        mark(connection, subjects, [table for found in tables.values() for table in found])
        rows = {database: _counts(connection, found) for database, found in tables.items()}
        keep = proofs.words_of(connection, waiting)
        rows["inbox"] = _counts_waiting(connection)
        asked = _asked(payload, keep)
        identified = _identified(connection, asked)
        fits = [
            {**model, "fitted_on_subject": _fitted_on(connection, model)}
            for model in payload.get("models", [])
        ]
    _keep(payload, asked, keep, rows, fits, identified)
    # Those that were read: what comes this very moment is kept by nobody, and the door stops it.
    inbox.drop(waiting.of(*(customer_id for customer_id, *_ in keep)))
    leaving.leave(subjects, datetime.fromisoformat(payload["at"]), leaving.ERASURE)
    kept.require_newest()
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


def _counts_waiting(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Return how many words of each subject no run has landed yet, by table of the inbox."""
    found: dict[str, dict[str, int]] = {}
    for feed, waiting in zip(WORD_FEEDS, ("waiting", "waiting_requests"), strict=True):
        rows = connection.execute(
            f"select subject_key::varchar, count(*) from {waiting}"
            " join vault.subjects using (customer_id)"
            f" where subject_key in (select subject_key from {LEAVING}) group by all"
        ).fetchall()
        for subject, count in rows:
            found.setdefault(subject, {})[f"main.{feed}"] = count
    return found


def _fitted_on(
    connection: duckdb.DuckDBPyConnection, model: Mapping[str, str]
) -> Mapping[str, str]:
    """Tell on whom a model was fitted, by subject; of one of an earlier version nobody knows."""
    purpose = model["purpose"]
    rows = f"warehouse.{identifier(purpose)}.{FITTED_ON}"
    subjects = connection.execute(f"select distinct subject_key::varchar from {LEAVING}").fetchall()
    if (
        not columns(connection, purpose, FITTED_ON, "warehouse")
        or not connection.execute(
            f"select 1 from {rows} where model = ? limit 1", [model["model"]]
        ).fetchall()
    ):
        return {subject: "not known" for (subject,) in subjects}
    found = connection.execute(
        f"select l.subject_key::varchar from {LEAVING} as l join {rows} as f"
        f" on f.{identifier(f'{purpose}_key')} = l.purpose_key"
        " where l.purpose = ? and f.model = ?",
        [purpose, model["model"]],
    ).fetchall()
    told = dict.fromkeys((subject for (subject,) in subjects), "no")
    told |= dict.fromkeys(_returned_since(connection, model["fitted_as_of"]), "not known")
    return told | {subject: "yes" for (subject,) in found}


def _returned_since(connection: duckdb.DuckDBPyConnection, day: str) -> list[str]:
    """Return who has other keys than before, as they have returned on a day or later."""
    if not columns(connection, "main", "readmitted", "vault"):
        return []
    rows = connection.execute(
        "select subject_key::varchar from vault.readmitted where since >= ?::date", [day]
    ).fetchall()
    return [subject for (subject,) in rows]


def _asked(payload: dict[str, Any], keep: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Return the number of the request that each subject leaves by.

    The journal calls it as records do; the step by which it was verified has its number.
    """
    asked = {subject: of["request_id"] for subject, of in payload["requests"].items()}
    subjects = {customer_id: subject for customer_id, subject, _ in keep}
    with kept.opened() as connection:
        steps = kept.steps_of(connection, subjects)
        called = kept.numbers(connection, {number for _, number, _ in steps})
    numbers = {(subjects[who], called[number]): number for who, number, _ in steps}
    return {subject: numbers.get((subject, name), name) for subject, name in asked.items()}


def _identified(connection: duckdb.DuckDBPyConnection, asked: Mapping[str, str]) -> "pa.Table":
    """Return by which identifiers those who leave are known, with the request of each."""
    pairs = ", ".join(
        f"({quoted(subject)}::uuid, {quoted(number)})" for subject, number in asked.items()
    )
    who = (
        "(select * from vault.subjects"
        f" where subject_key in (select subject_key from {LEAVING})) as s"
    )
    return connection.execute(
        "select customer_id, request_id, known_as, former, known_as as known_now"
        f" from ({known_as(connection, who)})"
        f" join (values {pairs}) as a(subject_key, request_id) using (subject_key)"
    ).to_arrow_table()


def _keep(
    payload: dict[str, Any],
    asked: Mapping[str, str],
    keep: Sequence[tuple[str, str, str]],
    found: Mapping[str, Mapping[str, Mapping[str, int]]],
    fits: Sequence[Mapping[str, Any]],
    identified: "pa.Table",
) -> None:
    """Put aside what may be kept, and suppress the subjects, before anything is deleted."""
    since = datetime.fromisoformat(payload["at"])
    numbers = [asked[subject] for _, subject, _ in keep]
    with kept.opened() as connection:
        connection.execute("begin")
        owed.owe(connection, identified, leaving.ERASURE, since=since)
        proofs.keep(connection, keep, asked, since)
        handles = kept.handles_of(connection, [customer_id for customer_id, *_ in keep])
        told = receipt.owed_to(connection, numbers)
        # What else there is of a number, is of a former request.
        begun = {
            of for of, there in receipt.kept_of(connection, numbers).items()
            if "signature" not in there or there.get("erased_at") == payload["at"]
        }  # fmt: skip
        before = receipt.fitted_before(connection, handles.values())
        steps, drafts = [], {}
        exported, notified, back = (
            {handle for (handle,) in connection.execute(
                f"select handle from kept.{table} where list_contains(?, handle) group by handle"
                f" having count(*) >= {times}", [list(handles.values())],
            ).fetchall()}
            for table, times in (("handed_over", 1), ("notices", 1), ("proofs", 2))
        )  # fmt: skip
        for customer_id, subject, events in keep:
            of = handles[customer_id], asked[subject], leaving.ERASURE
            if of in begun:
                continue
            steps.append((customer_id, asked[subject], leaving.ERASURE))
            drafts[of] = {
                "rows_found": {file: rows[subject] for file, rows in found.items()
                               if subject in rows},
                "recipients": told.get(of, {}),
                "models": [{**m, "fitted_on_subject": _told(m, subject, before, of[0])}
                           for m in fits],
                "kept": _kept(
                    # Who comes back and is erased again may have said something before.
                    events != "[]" or (of[0] in back and any(
                        said for _, said in proofs.proofs_of(connection, customer_id)
                    )),
                    of[0] in exported, of[0] in notified,
                ),
            }  # fmt: skip
        kept.add_steps(connection, steps, "fulfilled", at=since, actor=payload["actor"])
        receipt.keep(connection, drafts)
        # After the steps: a vault that knows of no more than what was before them is older.
        # Who has returned since and leaves again has the entry of the first time.
        connection.execute(
            "insert into kept.suppressed (handle, since, request_id, come)"
            f" select unnest(?::uuid[]), ?, unnest(?::varchar[]), {kept.COME} on conflict do update"
            " set since = excluded.since, request_id = excluded.request_id, come = excluded.come"
            " where since < excluded.since",
            [[handles[customer_id] for customer_id, *_ in keep], since, numbers],
        )
        connection.execute("commit")


def _kept(said: bool = True, exported: bool = False, notified: bool = False) -> dict[str, str]:
    """Return what is kept of who leaves, and why."""
    apart = "apart and encrypted, found by who supplies the customer id"
    kept_ = {
        "the request, what was done about it, this receipt":
            f"GDPR Art. 17(3)(b) and (e): {apart}, or the request's number",
        "a suppression entry": f"GDPR Art. 17(1), so that no feed brings the rows back: {apart}",
    }  # fmt: skip
    if said:
        kept_["what the subject had said about consent"] = f"GDPR Art. 7(1), 17(3)(b), (e): {apart}"
    if exported:
        kept_["which exports the subject was part of"] = f"GDPR Art. 19: {apart}"
    if notified:
        kept_["what recipients are told, by which names they know the subject"] = (
            "GDPR Art. 19: apart and encrypted, found by recipient"
        )
    return kept_


def _told(
    model: Mapping[str, Any], subject: str, before: Mapping[tuple[Any, str], str], handle: Any
) -> str:
    said: str = model["fitted_on_subject"][subject]
    return said if said == "yes" else before.get((handle, model["model"]), said)


def _sign(payload: dict[str, Any], seconds: float) -> None:
    """Complete the receipts of those who have left."""
    begun = {of["request_id"] for of in payload["requests"].values()}
    with kept.opened() as connection:
        drafts = connection.execute(
            "select request_id, handle, type, receipt from kept.receipts"
            " where (receipt->>'signature') is null order by all"
        ).fetchall()
        called = kept.numbers(connection, (request_id for request_id, *_ in drafts))
    ours = [of for of in drafts if {of[0], called[of[0]]} & begun]
    signed = receipt.all_signed(
        {
            "request_id": called[request_id], "type": kind, "kept": _kept(), **json.loads(draft),
            "erased_at": payload["at"], "seconds": round(seconds, 3),
        }
        for request_id, _, kind, draft in ours
    )  # fmt: skip
    with kept.opened() as connection:
        of = [(handle, request_id, kind) for request_id, handle, kind, _ in ours]
        receipt.keep(connection, dict(zip(of, signed, strict=True)))


STEPS: Mapping[str, Step] = {KIND: finish}
