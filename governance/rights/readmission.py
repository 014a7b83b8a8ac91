"""Re-admission: somebody who was erased has returned of their own accord.

Belongs here: noting that in the vault, by a recorded act, with which they are let in beside the
entry that suppresses them. The entry stays for as long as it may: a state that is put back from
before the return doesn't know of it, so that there they are erased, and stopped, again. They start
anew: new salt, new keys, no old word. Does not belong here: which rows land after that
(``ingest.heeding``).
"""

import json
from datetime import UTC, datetime
from uuid import UUID

import duckdb

from governance import acts, identity, limits, vault_bound
from governance.rights import kept
from governance.rights.published import note_kept
from governance.rights.replay import replay
from warehouse.catalogue import columns
from warehouse.clock import now, utc_naive, whose
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError
from warehouse.sql import quoted

_ONCE_WRITTEN = json.dumps({"content": "to be read once it is written again"})  # no digest of any


def readmit(customer_id: str, *, evidence: str, since: datetime | None = None) -> UUID:
    """Admit somebody who was erased; the caller holds the writer's lock.

    Parameters
    ----------
    evidence
        Where the company keeps what proves that they returned: no value of theirs.
    since
        When they returned, UTC without a zone; default: now. Rows from before stay stopped.

    Returns
    -------
    UUID
        The new subject key.

    Raises
    ------
    UsageError
        If nobody of that id was erased, or they have been admitted since, or ``since`` is before
        the erasure or not past.
    """
    limits.require_short(evidence)
    with acts.acting("rights.readmit") as act:
        present = utc_naive(now())
        _bind()
        with kept.opened() as connection:
            handle = kept.handle_of(connection, customer_id)
            rows = connection.execute(
                "select since, request_id from kept.suppressed where handle = ?", [handle]
            ).fetchall()
        if not rows:
            raise UsageError(
                "nobody of that customer id was erased", "write it as the feeds had it",
                rule="subject.unknown",
            )  # fmt: skip
        ((erased_at, request_id),) = rows
        if present < erased_at:
            raise UsageError(
                "the clock is before the erasure", "set it right; nothing was admitted"
            )
        if not erased_at <= (since or present) <= present:
            raise UsageError(
                "--since isn't between the erasure and now", "write it in UTC, or leave it out"
            )
        # An older state may have been put back: whom it holds isn't who returns. A denial that
        # waits is heeded, whatever it is of.
        replay(present, words=False)
        if identity.look_up(customer_id)[0]:
            raise UsageError(
                "that customer has been admitted already", "their rows land with the next run",
                rule="subject.admitted",
            )  # fmt: skip
        with kept.opened() as connection:
            kept.add_step(
                connection, customer_id, (request_id, "erasure"), "readmitted", at=present,
                actor=acts.actor(), evidence=evidence,
            )  # fmt: skip
            # A state from before this doesn't know of the return: once the entry has gone, it would
            # bring back all that is from before the erasure.
            connection.execute(
                f"update kept.suppressed set come = {kept.COME} where handle = ?", [handle]
            )
        _read_again(since)
        act["subject_key"] = key = _enrolled(customer_id, since or present)
        kept.require_newest()  # notes that it has come so far, and the vault
        note_kept()
    return key


def _bind() -> None:
    """Hold vault and ``kept`` to each other; a vault that is begun anew counts on from there."""
    identity.require_there()
    with connected(*identity.stores()) as connection:
        identity.prepare(connection, ())
        kept.bind(connection)


def read_once_written(connection: duckdb.DuckDBPyConnection) -> None:
    """Let landing read sources of customers once they are written again, if with the same content.

    A row of who has returned was stopped in them, or left with the erasure. ``connection`` has the
    warehouse as its current database.
    """
    connection.execute(
        "update landing.loads set fingerprint = json_merge_patch(fingerprint, ?)"
        " where feed = 'customers' and fingerprint <> '{}'",
        [_ONCE_WRITTEN],
    )


def _read_again(since: datetime | None) -> None:
    """Let landing read once more what it has read since: the door has stopped rows of theirs."""
    if not warehouse_store().path.exists():
        return  # where it is lost, everything is read again
    with connected(warehouse_store()) as connection:
        if not columns(connection, "landing", "loads"):
            return
        read_once_written(connection)
        if since is None:
            return
        connection.execute(
            "update landing.loads set fingerprint = json_merge_patch(fingerprint, ?)"
            " where loaded_at >= ?",
            [json.dumps({"state": "", "content": ""}), since],
        )


def _enrolled(customer_id: str, since: datetime) -> UUID:
    """Give them a new place in the vault, under a new salt, with what is old of their rows.

    That is a row from before ``since``, or one without a time whose file was written before that.
    Files have the host's clock: where that of acts is set, those are old that are there already.
    """
    written_after = since if whose() == "host" else utc_naive(datetime.now(UTC))
    with connected(*identity.stores()) as connection:
        identity.prepare(connection, ())
        identity.enrol(
            connection, f"select {quoted(identity.as_landed(customer_id))} as customer_id"
        )
        key = identity.subject_key_of(connection, customer_id)
        connection.execute("begin")
        connection.execute(
            "insert into vault.readmitted values (?, ?, ?)",
            [key, since, written_after],
        )
        vault_bound.decide(connection)
        connection.execute("commit")
    return key
