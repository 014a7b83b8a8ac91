"""Who is who: the vault of direct identifiers, the salts, and the pseudonyms made from both.

Belongs here: opening ``vault.duckdb`` and the salts; ids, keys and salts. Does not belong here:
what else the vault holds of customers (``vaulted``), any other file. The vault has three callers:
landing, rights and release (a test holds that); neither dbt nor a model ever runs in a process
state that has it attached.

A pseudonym is a 128-bit keyed hash of the customer id under a random secret salt per customer:
the nested construction NMAC (Bellare, Canetti, Krawczyk, "Keying Hash Functions for Message
Authentication", 1996) over SHA-256, with the first half of the salt as the inner key and the
second half as the outer. One label per purpose, so that two purposes' keys can't be joined by
anyone without the salt; delete the salt, and nobody can.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from governance import spelling, vaulted
from governance.limits import BLANKS, LONGEST_ID, UNSEEN
from warehouse import catalogue
from warehouse.connect import (
    COMPANIONS,
    DYING_SECONDS,
    Store,
    connected,
    require_file,
    warehouse_store,
)
from warehouse.errors import KeyMissingError, UsageError
from warehouse.home import Home
from warehouse.lock import PATIENCE, OnWait, told_of_waits
from warehouse.sql import quoted

SALT_BYTES = 64
SUBJECT_LABEL = "subject"
# Neither file is ever there without its table (an earlier version's may be).
SUBJECTS = (
    "create table if not exists vault.subjects"
    " (customer_id varchar primary key, subject_key uuid not null)"
)
SALTS = "create table if not exists salts.salts (subject_key uuid not null, salt blob not null)"
READMITTED = (  # who was erased and has returned; a vault from before that doesn't know it
    "create table if not exists vault.readmitted (subject_key uuid primary key,"
    " since timestamp not null, written_after timestamp not null)"
)

RandomBytes = Callable[[int], bytes]

# Vault and salts, as `_written`, that had all salts when they were asked: among millions that takes
# a while, and while nobody has written them they needn't be asked again.
_had_salts: set[tuple[tuple[str, int, int, int], ...]] = set()


def stores(*, read_only: bool = False, on_wait: OnWait | None = None) -> tuple[Store, Store]:
    """Return the vault and the salts as stores, to attach beside others.

    Parameters
    ----------
    read_only
        Whether nothing is written.
    on_wait
        Called with a file's name if that takes longer: a writer waits for those who read it as long
        as for another writer, since a long export is no reason for a run to fail. By default, who
        runs a command is told (``warehouse.lock.waits_told``). A reader who is told waits as long.
    """
    home = Home.current()
    on_wait = on_wait or told_of_waits()
    patience = PATIENCE if on_wait or not read_only else DYING_SECONDS
    return (
        Store("vault", home.vault, "vault", read_only, patience, on_wait, (SUBJECTS,)),
        Store("salts", home.salts, "salts", read_only, patience, on_wait, (SALTS,)),
    )


@contextmanager
def opened(*beside: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open vault and salts for reading, with other stores beside them (release and rights)."""
    vault, salts = stores(read_only=True)
    written = _written()  # before they are opened: who swaps them meanwhile is noticed
    with connected(vault, salts, *beside) as connection:
        if written not in _had_salts:
            _require_salts(connection)
            _had_salts.clear()
            _had_salts.add(written)
        yield connection


def require_there(*, salts: bool = True) -> None:
    """Refuse to go on where the vault or the salts are lost, before either is made anew.

    Parameters
    ----------
    salts
        Whether those are needed, too.

    Raises
    ------
    UsageError
        If one of them is missing though something has landed.
    """
    if Home.current().written:
        for store in stores(read_only=True)[: 2 if salts else 1]:
            require_file(store)


def _require_salts(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse to go on without the salts of customers whom the vault knows: keys would be lost."""
    # All keys of a file in one figure: to compare two takes a tenth of the time of a join.
    figures = "select count(*), bit_xor(hash(subject_key)) from"
    query = f"from ({figures} vault.subjects) intersect from ({figures} salts.salts)"
    if connection.execute(query).fetchall():
        return
    missing = _scalar(
        connection, "select count(*) from vault.subjects anti join salts.salts using (subject_key)"
    )
    if missing:
        raise UsageError(
            f"the salts of {missing} customers are missing, so nobody can tell their pseudonyms",
            f"put back the file {Home.current().salts} that belongs to the vault; or, if the vault"
            " is an older copy, put back the newest vault",
            rule="salts.missing",
        )


def _written() -> tuple[tuple[str, int, int, int], ...]:
    """Return which vault and salts these are, and when they were written last."""
    files = [Path(f"{s.path}{end}") for s in stores(read_only=True) for end in COMPANIONS]
    there = [(file, file.stat()) for file in files if file.exists()]
    return tuple((str(file), at.st_ino, at.st_size, at.st_mtime_ns) for file, at in there)


def require_known(on_wait: OnWait | None = None) -> None:
    """Refuse to land where the vault doesn't know everybody who has landed; nothing is written.

    Landing would give them other keys: no word of theirs would reach the rows that there are.

    Parameters
    ----------
    on_wait
        As of :func:`stores`.

    Raises
    ------
    UsageError
        If the vault or the salts are missing, or the vault is older than the warehouse.
    """
    there = [
        store for store in (warehouse_store(), *stores(on_wait=on_wait)) if store.path.exists()
    ]
    if Home.current().warehouse not in [store.path for store in there]:
        return
    with connected(*there) as connection:
        if "purpose_keys" not in catalogue.tables(connection, "landing"):
            return
        known = connection.execute(
            "select 1 from duckdb_tables() where database_name = 'vault'"
            " and table_name = 'subjects'"
        ).fetchall()
        landed = "select count(distinct subject_key) from landing.purpose_keys"
        unknown = _scalar(
            connection,
            landed + (" anti join vault.subjects using (subject_key)" if known else ""),
        )
        anybody = _scalar(connection, landed)
    if unknown:
        home = Home.current()
        raise UsageError(
            f"the vault knows nothing of {unknown} customers who have landed: it is missing, or"
            " older than the warehouse; so neither feeds nor recorded words can be landed",
            f"put back {home.vault} and {home.salts} that belong to {home.warehouse.name}",
            rule="vault.missing",
        )
    if anybody:
        require_there()


def prepare(connection: duckdb.DuckDBPyConnection, identifiers: Sequence[str]) -> None:
    """Make the tables of vault and salts, one column for each direct identifier."""
    connection.execute(SUBJECTS)
    vaulted.prepare(connection, identifiers)
    connection.execute(SALTS)
    connection.execute(READMITTED)
    connection.execute(
        "create table if not exists vault.corrections (subject_key uuid not null,"
        " request_id varchar not null, column_name varchar not null, refused varchar not null,"
        " value varchar)"
    )
    connection.execute(
        "create table if not exists vault.former_identifiers (subject_key uuid not null,"
        " release_id varchar not null, name varchar not null, value varchar)"
    )
    _require_salts(connection)


def enrol(
    connection: duckdb.DuckDBPyConnection, ids: str, *, random_bytes: RandomBytes = os.urandom
) -> int:
    """Give every customer id that the vault doesn't know a salt and a subject key.

    Idempotent: salts are written before the vault, and a salt that a killed process left without
    its customer is dropped by the next call.

    Parameters
    ----------
    connection
        With vault and salts attached (:func:`stores`) and prepared.
    ids
        A ``select`` that yields one column, ``customer_id``; repeats and nulls are ignored.
    random_bytes
        Source of salts; only a test passes another than the operating system's.

    Returns
    -------
    int
        How many were new.
    """
    import numpy as np
    import pyarrow as pa

    # A total order, so that with given salts the same ids get the same keys.
    connection.execute(
        "create or replace temp table new_customers as"
        " select customer_id, (row_number() over (order by customer_id) - 1)::bigint as number"
        f" from (select distinct customer_id from ({ids}) where customer_id is not null)"
        " anti join vault.subjects using (customer_id)"
    )
    count = int(_scalar(connection, "select count(*) from new_customers"))
    if count:
        drawn = np.frombuffer(random_bytes(SALT_BYTES * count), dtype=np.uint8)
        salts = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(SALT_BYTES), count, [None, pa.py_buffer(drawn)]
        )
        connection.register(
            "drawn_salts",
            pa.table({"number": np.arange(count), "salt": salts.cast(pa.binary())}),
        )
        connection.execute(
            "create or replace temp table enrolled as"
            f" select customer_id, {pseudonym(SUBJECT_LABEL, 'customer_id', 'salt')}"
            " as subject_key, salt from new_customers join drawn_salts using (number)"
        )
        connection.unregister("drawn_salts")
        drop_unowned_salts(connection)
        connection.execute("insert into salts.salts select subject_key, salt from enrolled")
        connection.execute(
            "insert into vault.subjects select customer_id, subject_key from enrolled"
        )
        connection.execute("drop table enrolled")
    connection.execute("drop table new_customers")
    return count


def drop_unowned_salts(connection: duckdb.DuckDBPyConnection) -> int:
    """Delete salts that are of nobody in the vault, and return of how many.

    A killed process left them, or an older copy of the file was put back: by one of somebody who
    was erased, old pseudonyms could be told to be theirs. ``connection`` has vault and salts
    attached, to be written; it is known that the vault isn't the older one.
    """
    counts = "(select count(*) from salts.salts), (select count(*) from vault.subjects)"
    salts, subjects = connection.execute(f"select {counts}").fetchall()[0]
    if salts == subjects:  # nobody's is missing: none is too many
        return 0
    unowned = "subject_key not in (select subject_key from vault.subjects)"
    return int(_scalar(connection, f"delete from salts.salts where {unowned}"))


def refused_sql(column: str, value: str, salt: str) -> str:
    """Return the SQL of what a value that was corrected is known by: a keyed hash.

    Under the subject's own salt: without it, nobody can tell what was wrong. All spellings of a
    value are one; the connection has to be taught them (``spelling.teach``).
    """
    said = f"coalesce('v' || {spelling.alike_sql(value)}, 'n')"
    return f"{pseudonym(f'correction of {column}', said, salt)}::varchar"


def forget(connection: duckdb.DuckDBPyConnection, subjects: Sequence[str]) -> None:
    """Delete subjects by their keys: first who they are, then the salts by which keys were made.

    ``connection`` has vault and salts attached, to be written.
    """
    tables = connection.execute(
        "select 'vault.' || table_name from duckdb_columns() where database_name = 'vault'"
        " and column_name = 'subject_key' order by table_name = 'subjects', table_name"
    ).fetchall()
    for table in (*(name for (name,) in tables), "salts.salts"):
        connection.execute(
            f"delete from {table} where subject_key in (select unnest(?::uuid[]))",
            [list(subjects)],
        )


def purpose_keys(purposes: Sequence[str], subjects: str = "vault.subjects") -> str:
    """Return the ``select`` of (subject_key, purpose, purpose_key) over vault and salts.

    Parameters
    ----------
    purposes
        The purposes to make keys for.
    subjects
        What stands behind ``from`` to yield ``subject_key`` and ``customer_id``; by default all.
    """
    keys = " union all ".join(
        f"select subject_key, {quoted(purpose)} as purpose,"
        f" {pseudonym(purpose, 'customer_id', 'salt')} as purpose_key"
        f" from {subjects} join salts.salts using (subject_key)"
        for purpose in purposes
    )
    return keys or (
        "select null::uuid as subject_key, null::varchar as purpose, null::uuid as purpose_key"
        " where false"
    )


def pseudonym(label: str, customer_id: str, salt: str) -> str:
    """Return the SQL expression of a pseudonym: a UUID that holds 128 bits of the keyed hash."""
    inner = f"{salt}[1:{SALT_BYTES // 2}]"
    outer = f"{salt}[{SALT_BYTES // 2 + 1}:{SALT_BYTES}]"
    message = f"encode({quoted(label + ':')} || {customer_id})"
    return f"sha256({outer} || unhex(sha256({inner} || {message})))[1:32]::uuid"


def as_landed(customer_id: str) -> str:
    """Return a customer id that somebody typed as landing writes it: without blanks around it."""
    return customer_id.strip(BLANKS)


def require_an_id(customer_id: str) -> None:
    """Refuse what no customer can be called.

    Raises
    ------
    UsageError
        If it is empty, longer than an id may be, or holds a character that can't be seen.
    """
    landed = as_landed(customer_id)
    if not landed:
        raise UsageError("the customer id is empty", "write it as the feeds have it")
    if set(landed) & set(UNSEEN):
        raise UsageError(
            "the customer id holds a character that can't be seen", "write it as the feeds have it"
        )
    if len(customer_id.encode()) > LONGEST_ID:
        raise UsageError(
            f"the customer id is longer than {LONGEST_ID} bytes", "write it as the feeds have it"
        )


def subject_key_of(connection: duckdb.DuckDBPyConnection, customer_id: str) -> UUID:
    """Return the subject key of one customer id.

    Raises
    ------
    UsageError
        If the vault doesn't know the id (which the message doesn't repeat).
    """
    row = connection.execute(
        "select subject_key from vault.subjects where customer_id = ?", [as_landed(customer_id)]
    ).fetchone()
    if row is None:
        raise UsageError(
            "no subject has that customer id", "write it as the feeds have it",
            rule="subject.unknown",
        )  # fmt: skip
    return UUID(str(row[0]))


def look_up(customer_id: str) -> tuple[bool | None, UUID | None]:
    """Return whether the vault has a customer id, None if it can't be asked now; and its key.

    It can't where it is lost. A run that lands holds the vault, and whoever records a subject's
    word doesn't need its key.
    """
    vault, _ = stores(read_only=True)
    if not vault.path.exists():
        return (None if Home.current().written else False), None
    try:
        with connected(vault) as connection:
            row = connection.execute(
                "select subject_key from vault.subjects where customer_id = ?",
                [as_landed(customer_id)],
            ).fetchone()
    except (UsageError, KeyMissingError):
        return None, None
    return (True, row[0]) if row else (False, None)


def _scalar(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]
