"""By which identifiers recipients know a subject: those that they received, changed since or not.

Belongs here: keeping what an export held under an identifier that the vault has another value of
since, as long as somebody may know the subject by it; and reading both. It is kept of those who
were in an export, and of no other. Does not belong here: which exports there were (``recipients``),
telling a recipient (``notices``).
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from governance import identity, vaulted
from governance.rights import kept, leaving
from governance.rights.recipients import REACHED
from warehouse import catalogue
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.sql import identifier, quoted


def known_as(connection: duckdb.DuckDBPyConnection, subjects: str = "vault.subjects") -> str:
    """Return the ``select`` of each subject's identifiers: subject_key, customer_id, known_as.

    ``known_as`` is a map of them by name. Beside it stands ``former``: a list of what exports held
    else (release_id, name, value). ``connection`` has the vault attached.

    Parameters
    ----------
    subjects
        As of :func:`governance.identity.purpose_keys`: of millions, the map takes longer than what
        is asked of few.
    """
    names = ["customer_id", *vaulted.names_of(connection)]
    known = ", ".join(f"{quoted(name)}: {identifier(name)}::varchar" for name in names)
    there = catalogue.columns(connection, "main", "former_identifiers", "vault")
    former = (
        "select subject_key, list({release_id: release_id, name: name, value: value}) as former"
        f" from {'vault.former_identifiers' if there else _NONE} group by subject_key"
    )
    return (
        f"select subject_key, customer_id, map {{{known}}} as known_as, former"
        f" from {subjects} left join vault.identifiers using (subject_key)"
        f" left join ({former}) using (subject_key)"
    )


# Of a vault that an earlier version wrote.
_NONE = (
    "(select null::uuid as subject_key, null::varchar as release_id, null::varchar as name,"
    " null::varchar as value where false)"
)


def note_replaced(connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str]) -> None:
    """Keep what the vault holds under some identifiers and is about to lose, if others know it.

    Done again after a kill, nothing is kept twice.

    Parameters
    ----------
    connection
        With the vault attached, to be written.
    rows
        A ``select`` of subject_key and the named columns: what will be held.
    names
        The identifiers in ``rows``.
    """
    if not names or not _anybody_knows():
        return
    changed = " union all ".join(
        f"select customer_id, s.subject_key, {quoted(name)} as name,"
        f" old.{identifier(name)}::varchar as value"
        f" from ({rows}) as new join vault.subjects as s using (subject_key)"
        " left join vault.identifiers as old using (subject_key)"
        f" where old.{identifier(name)} is distinct from new.{identifier(name)}"
        for name in names
    )
    replaced = connection.execute(changed).to_arrow_table()
    if not replaced.num_rows:
        return
    with kept.opened() as keeping:
        keeping.register("replaced", replaced)
        found = keeping.execute(
            "select distinct subject_key::varchar as subject_key, release_id, name, value"
            f" from (select *, {kept.handle_sql('customer_id')} as handle from replaced)"
            f" join {REACHED} using (handle) where list_contains(columns, name)"
        ).to_arrow_table()
        keeping.unregister("replaced")
    connection.register("found", found)
    connection.execute(
        "insert into vault.former_identifiers"
        " select subject_key::uuid, release_id, name, value from found as f"
        " where (subject_key::uuid, release_id, name) not in"
        " (select (subject_key, release_id, name) from vault.former_identifiers)"
    )
    connection.unregister("found")


def note_emptied(connection: duckdb.DuckDBPyConnection, which: str) -> None:
    """Keep, of what custody lets go from the vault, what others know: see :func:`note_replaced`.

    ``which`` is as of :func:`governance.vaulted.let_go`.
    """
    names = vaulted.names_of(connection)
    nothing = ", ".join(f"null::varchar as {identifier(name)}" for name in names)
    of_identifiers = f"{which} where held = {quoted(vaulted.IDENTIFIERS)}"
    rows = f"select subject_key::uuid as subject_key, {nothing} from {of_identifiers}"
    note_replaced(connection, rows, names)


def let_go(at: datetime) -> int:
    """Drop the values by which nobody knows a subject any more; return how many these were.

    Their export has been forgotten, or its recipient has confirmed a rectification since. The
    caller holds the writer's lock.

    Parameters
    ----------
    at
        The present, in UTC without a zone.
    """
    if not Home.current().kept.exists():
        return 0
    with connected(*identity.stores(read_only=True)) as connection:
        there = connection.execute(
            "select customer_id, subject_key::varchar as subject_key, release_id, name"
            " from vault.former_identifiers join vault.subjects using (subject_key)"
        ).to_arrow_table()
    if not there.num_rows:
        return 0
    with kept.opened() as keeping:
        keeping.register("there", there)
        gone = keeping.execute(
            "select subject_key, release_id, name"
            f" from (select *, {kept.handle_sql('customer_id')} as handle from there)"
            f" anti join {REACHED} as r using (handle, release_id)"
        ).to_arrow_table()
        keeping.unregister("there")
    if gone.num_rows:
        with connected(warehouse_store(), *identity.stores()) as connection:
            leaving.note_lying(connection, at, leaving.RECTIFICATION)
            connection.register("gone", gone)
            connection.execute(
                "delete from vault.former_identifiers where (subject_key, release_id, name) in"
                " (select (subject_key::uuid, release_id, name) from gone)"
            )
    return int(gone.num_rows)


def _anybody_knows() -> bool:
    """Tell whether there was an export."""
    if not Home.current().kept.exists():
        return False
    with kept.opened() as keeping:
        return bool(keeping.execute("select 1 from kept.handed_over limit 1").fetchall())
