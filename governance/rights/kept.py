"""What is kept of requests and of those who are gone, under a key of its own.

Belongs here: the file ``kept``: steps taken on requests, receipts, proof of consent, who is
suppressed, who was in which export, and the notices that recipients are owed. But for what such a
notice tells, until it is confirmed, nothing in it bears a customer id: rows are found by a
handle, a keyed hash of the id under a secret that lies in the file, so only who supplies an id
finds what is kept of it; a request is found by its number, too, as its feed has it (GDPR
Art. 5(2), 7(1), 17(3)(e); the secret stays when the file's key is changed, or nothing in it could
be found again). The file is open only for the moment of reading or writing, as the inbox is.
Does not belong here: what a step means (``requests``), how proofs are sealed (``proofs``), what is
deleted (``erasure``), what is too old to be kept (``expiry``), the shape that it had before
(``kept_before``).
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb

from governance import identity, kept_bound, marks, vault_bound
from governance.consent_relations import listed
from governance.marks import Mark
from governance.policy.words import HELD, RELEASING_STATES
from warehouse.connect import Store, asked, connected
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import sync_file, sync_folder
from warehouse.lock import file_lock

LABEL, NUMBER_LABEL = "handle", "request"
OURS = "A-[0-9a-f]{10}"  # a number of a request that was opened here
OF_FILE = "(select secret from kept.secret)"
# How far the file has come. What leaves it counts too, so that this only ever grows.
COME = (
    "((select count(*) from kept.steps) + (select count(*) from kept.handed_over)"
    " + (select coalesce(sum(rows), 0)::bigint + count(*) from kept.removals)"
    " + (select coalesce(max(number), 0) from kept.changes))"
)
# The legal holds that nobody has lifted: since when, and to which last day.
HOLDS = (
    "(select handle, request_id, min(taken_at) as since,"
    f" max(case when step = '{HELD}' then details->>'until' end)::date as until"
    " from kept.steps group by handle, request_id, type"
    f" having until is not null and not bool_or(step in {listed(RELEASING_STATES)}))"
)
TABLES = {
    "secret": "secret blob not null",
    "steps": (
        "handle uuid not null, request_id varchar not null, type varchar not null,"
        " step varchar not null, taken_at timestamp not null, actor varchar not null,"
        " details varchar"
    ),
    "suppressed": (
        "handle uuid primary key, since timestamp not null, request_id varchar not null,"
        " come bigint, stopped_at timestamp, delivered_at timestamp"
    ),
    "proofs": (
        "handle uuid not null, request_id varchar not null, events blob not null, left_at timestamp"
    ),
    "receipts": (
        "request_id varchar not null, handle uuid not null, type varchar not null,"
        # Two customers' feeds may give one number, and one customer's to requests of two types.
        " receipt varchar not null, primary key (request_id, handle, type)"
    ),
    "public_keys": "public_key varchar primary key",  # that receipts were signed with before
    "handed_over": (
        "handle uuid not null, release_id varchar not null, recipient varchar not null,"
        ' purpose varchar not null, "at" timestamp not null, columns varchar[] not null'
    ),
    "notices": (
        "owed_id uuid primary key default uuid(), handle uuid not null, recipient varchar not null,"
        " kind varchar not null, since timestamp not null, request_id varchar, purpose varchar,"
        " told varchar, notice_id varchar, handed_at timestamp, confirmed_at timestamp, how varchar"
    ),
    vault_bound.TABLE: vault_bound.SHAPE,  # what the vault alone holds: how much of it there is
    "changes": "number bigint not null",  # of what neither adds a row that counts nor removes one
    # What was too old: how many rows of which table. Of a vault or a backup from before the file
    # had ``come`` so far, nobody would know any more whom of it has been erased since.
    "removals": (
        '"at" timestamp not null, "table" varchar not null, rows bigint not null, come bigint'
    ),
}


def store(*, read_only: bool = False) -> Store:
    """Return the file as a store, to attach beside others."""
    return Store("kept", Home.current().kept, "kept", read_only)


def held() -> AbstractContextManager[Home]:
    """Let nobody else open the file meanwhile."""
    return file_lock("kept")


def rewrite() -> None:
    """Write the file anew: what was dropped from it leaves the disk."""
    with held() as home:
        if not home.kept.exists():
            return
        aside = home.kept.with_name(".kept.rewritten")
        aside.unlink(missing_ok=True)
        target = replace(store(), alias="rewritten", path=aside)
        with connected(store(), target) as connection:
            connection.execute("copy from database kept to rewritten")
            connection.execute("checkpoint rewritten")
        sync_file(aside)
        os.replace(aside, home.kept)
        sync_folder(home.root)


@contextmanager
def opened(
    *, first: bool = False, least: Collection[Mark] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for a moment, as its current database; others wait meanwhile.

    Parameters
    ----------
    first
        Whether it is known that there was no file before, if there is none.
    least
        How far it has come at least, as other files know (``kept_bound``).

    Raises
    ------
    UsageError
        If it is missing, or an older copy.
    """
    if not first and not Home.current().kept.exists() and kept_bound.known():
        raise kept_bound.missing()
    with held() as home:
        noted = marks.noted(home.kept_mark)
        if noted and not home.kept.exists():
            raise kept_bound.missing()
        with connected(store()) as connection:
            _make(connection)
            come = _mark(connection)
            if any(come.is_older(one) for one in (noted, *least)):  # before it can catch up
                raise kept_bound.missing()
            yield connection
            connection.execute("checkpoint kept")
            come = _mark(connection)
        if come != noted:
            marks.note(home.kept_mark, come)


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are missing, and draw the secret of a new file.

    And give receipts the type of their request, which the fifth schema version didn't note.
    Whoever opens the file first does so, not its migration: what a killed process left is finished
    before that, and may sign. One that isn't signed yet is of an erasure.
    """
    there = dict(
        connection.execute(
            "select table_name, list(column_name) from duckdb_columns()"
            " where database_name = 'kept' group by table_name"
        ).fetchall()
    )
    for name in TABLES.keys() - there.keys():
        connection.execute(f"create table if not exists kept.{name} ({TABLES[name]})")
    if not connection.execute("select 1 from kept.secret").fetchall():
        drawn = os.urandom(identity.SALT_BYTES)
        connection.execute("insert into kept.secret values (?)", [drawn])
    if "type" in there.get("receipts", ["type"]):
        return
    connection.execute("begin")
    make_anew(connection, "receipts", "*, coalesce(receipt->>'type', 'erasure') as type")
    connection.execute("commit")


def make_anew(connection: duckdb.DuckDBPyConnection, table: str, selected: str) -> None:
    """Give a table the shape that it has now, with some columns of what it held."""
    connection.execute(f"alter table kept.{table} rename to {table}_before")
    connection.execute(f"create table kept.{table} ({TABLES[table]})")
    connection.execute(f"insert into kept.{table} by name select {selected} from {table}_before")
    connection.execute(f"drop table kept.{table}_before")


def mark(*, first: bool = False, least: Collection[Mark] = ()) -> Mark:
    """Return what tells this file from another, and of two copies the older; see :func:`opened`."""
    with opened(first=first, least=least) as connection:
        return _mark(connection)


def _mark(connection: duckdb.DuckDBPyConnection) -> Mark:
    """Return which file it is, and the number of its steps with that of what has left it."""
    secret, steps = connection.execute(f"select {OF_FILE}, {COME}").fetchall()[0]
    return Mark(hashlib.sha256(secret).hexdigest()[:32], steps)


def bind(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold the file to the vault, and the vault to the file, and note in each how far both are.

    Without the list of who was erased, or with an older one, the next feed would bring them back.
    ``connection`` has the vault attached, to be written.

    Raises
    ------
    UsageError
        If the file is missing, another's, or an older copy; or the vault is one from before an
        erasure that the file has forgotten, or from before a rectification that it knows of.
    """
    connection.execute("create table if not exists vault.kept (of varchar, steps bigint)")
    of_vault, of_published = kept_bound.of_vault(connection), kept_bound.of_published()
    known = [*of_vault, *of_published]
    if known and not Home.current().kept.exists():
        raise kept_bound.missing()
    with opened(first=not known, least=known) as keeping:
        vault_bound.hold(connection, keeping)
        found = _mark(keeping)
    for noted in of_vault:
        require_remembered(noted.steps)
    connection.execute("begin")
    connection.execute("delete from vault.kept")
    connection.execute("insert into vault.kept values (?, ?)", [found.of, found.steps])
    connection.execute("commit")


@vault_bound.again_if_older
def require_as_far() -> None:
    """Refuse a file that is older than others know of, before writing lets it catch up.

    And a vault that is older than the file knows of.
    """
    vault, _ = identity.stores(read_only=True)
    of_vault = asked(vault, lambda it: (kept_bound.of_vault(it), vault_bound.come(it)))
    noted, come = of_vault or ([], None)
    known = [*noted, *kept_bound.of_published()]
    if known or Home.current().kept.exists():
        with opened(least=known) as keeping:
            vault_bound.require(keeping, come)


def require_newest() -> None:
    """Refuse to go on with a file that is missing, another's or an older copy; see :func:`bind`."""
    vault, _ = identity.stores()
    with connected(vault) as connection:
        bind(connection)


def take_vault() -> None:
    """Take the vault that a restore has brought, however old: what it lacks is opened again."""
    vault, _ = identity.stores()
    with connected(vault) as connection, opened() as keeping:
        vault_bound.take(connection, keeping)


def require_remembered(come: int) -> None:
    """Refuse a state from before an erasure of which the file knows nothing any more.

    Parameters
    ----------
    come
        How far the file had come when the state was as it is.

    Raises
    ------
    UsageError
        If who was erased since then can't be told.
    """
    with opened() as connection:
        (least,) = connection.execute("select max(come) from kept.removals").fetchall()[0]
    if least is not None and come < least:
        raise UsageError(
            "the state is from before an erasure that is so long ago that the list of who was"
            " erased doesn't name them any more: they would come back",
            "put back a newer state or backup, and delete this one",
            rule="kept.forgotten",
        )


def handle_sql(customer_id: str, secret: str = OF_FILE) -> str:
    """Return the SQL of the handle of a customer id, given the SQL of the secret."""
    return identity.pseudonym(LABEL, customer_id, secret)


def handle_of(connection: duckdb.DuckDBPyConnection, customer_id: str) -> Any:
    """Return the handle of a customer id."""
    return handles_of(connection, [customer_id])[customer_id]


def handles_of(
    connection: duckdb.DuckDBPyConnection, customer_ids: Iterable[str]
) -> dict[str, Any]:
    """Return the handles of customer ids, by id."""
    ids = list(customer_ids)
    rows = connection.execute(
        f"select id, {handle_sql('landed')}"
        " from (select unnest(?::varchar[]) as id, unnest(?::varchar[]) as landed)",
        [ids, [identity.as_landed(one) for one in ids]],
    ).fetchall()
    return dict(rows)


def whose(connection: duckdb.DuckDBPyConnection, request_ids: Iterable[str]) -> dict[str, set[Any]]:
    """Return the handles that some requests' numbers are known of, by number."""
    tables = ("steps", "receipts", "notices")
    rows = connection.execute(
        "select request_id, handle from ("
        + " union ".join(f"select request_id, handle from kept.{table}" for table in tables)
        + ") semi join (select unnest(?::varchar[]) as request_id) using (request_id)",
        [list(request_ids)],
    ).fetchall()
    found: dict[str, set[Any]] = {}
    for request_id, handle in rows:
        found.setdefault(request_id, set()).add(handle)
    return found


def numbers(connection: duckdb.DuckDBPyConnection, request_ids: Iterable[str]) -> dict[str, str]:
    """Return what records that are never changed call some requests, by their numbers.

    A number that a feed gave may hold whatever says who asks: a keyed hash stands for it.
    """
    hashed = f"replace({identity.pseudonym(NUMBER_LABEL, 'id', OF_FILE)}::varchar, '-', '')"
    rows = connection.execute(
        f"select id, if(regexp_full_match(id, ?), id, 'F-' || {hashed}[:16])"
        " from (select distinct unnest(?::varchar[]) as id)",
        [OURS, list(request_ids)],
    ).fetchall()
    return dict(rows)


def count_change(connection: duckdb.DuckDBPyConnection) -> None:
    """Count a change that no number of rows tells: how far the file has come."""
    connection.execute(
        "insert into kept.changes select coalesce(max(number), 0) + 1 from kept.changes"
    )
    connection.execute(
        "delete from kept.changes where number < (select max(number) from kept.changes)"
    )


def secret_of(connection: duckdb.DuckDBPyConnection) -> bytes:
    """Return the secret of the file."""
    secret: bytes = connection.execute("select secret from kept.secret").fetchall()[0][0]
    return secret


def add_step(
    connection: duckdb.DuckDBPyConnection, customer_id: str, request: tuple[str, str], step: str,
    *, at: datetime, actor: str, **details: Any,
) -> None:  # fmt: skip
    """Note a step taken on a request (its id and type); details hold no identifier."""
    add_steps(connection, [(customer_id, *request)], step, at=at, actor=actor, **details)


def add_steps(
    connection: duckdb.DuckDBPyConnection, requests: Sequence[tuple[str, str, str]], step: str,
    *, at: datetime, actor: str, **details: Any,
) -> None:  # fmt: skip
    """Note a step taken on several requests: customer id, request id and type of each."""
    handles = handles_of(connection, [customer_id for customer_id, *_ in requests])
    of = [(handles[customer_id], *request) for customer_id, *request in requests]
    add_steps_of(connection, of, step, at=at, actor=actor, **details)


def add_steps_of(
    connection: duckdb.DuckDBPyConnection, requests: Sequence[tuple[Any, ...]], step: str,
    *, at: datetime, actor: str, **details: Any,
) -> None:  # fmt: skip
    """Note a step as :func:`add_steps` does, given handles in place of customer ids."""
    connection.execute(
        "insert into kept.steps select handle, request_id, type, $step, $at, $actor, $details"
        " from (select unnest($handles::uuid[]) as handle, unnest($ids::varchar[]) as request_id,"
        " unnest($types::varchar[]) as type)",
        {
            "handles": [handle for handle, *_ in requests],
            "ids": [request_id for _, request_id, _ in requests],
            "types": [kind for *_, kind in requests],
            "step": step, "at": at, "actor": actor, "details": json.dumps(details),
        },
    )  # fmt: skip


def steps_of(
    connection: duckdb.DuckDBPyConnection, ids: Iterable[str]
) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Return the steps of some customers, oldest first, by (customer id, request id, type)."""
    # A handle that is made within the join's condition would be made for every pair.
    rows = connection.execute(
        "select c.id, s.request_id, s.type, s.step, s.taken_at, s.actor, s.details"
        f" from (select id, {handle_sql('id')} as handle from (select unnest(?::varchar[]) as id))"
        " as c join kept.steps as s using (handle) order by s.taken_at, s.rowid",
        [list(ids)],
    ).fetchall()
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for customer_id, request_id, kind, step, at, actor, details in rows:
        taken = {"step": step, "at": at, "actor": actor, **json.loads(details or "{}")}
        found.setdefault((customer_id, request_id, kind), []).append(taken)
    return found
