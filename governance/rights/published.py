"""Taking subjects out of what is published, whatever the reason.

Belongs here: finding their rows in the published files and deleting them there; noting there how
far the list of the erased has come. Does not belong here: who has to go (``erasure``,
``rectification``), who has no basis (``governance.unpublish``).
"""

from collections.abc import Collection, Sequence

import duckdb

from governance import identity, kept_bound
from governance.marks import Mark
from governance.policy.words import PERMISSION
from governance.rights import kept
from governance.rights.discovery import Holder, alias_of, holders, mark
from warehouse.connect import published_store
from warehouse.home import Home
from warehouse.publish import published_purposes, thin_out, without_damaged
from warehouse.sql import identifier, quoted


def leave_published(subjects: Sequence[str], *, but: Collection[str] = ()) -> dict[str, int]:
    """Delete the rows of some subjects in every published file; return how many, by file.

    They leave the disk with the next purge, or publishing. In the same swap it is noted how far
    ``kept``, which names who is erased, has come: no older one is taken beside these files.

    Parameters
    ----------
    subjects
        Their keys.
    but
        Files that are left as they are.
    """
    gone: dict[str, int] = {}
    going: dict[str, dict[str, str]] = {}
    purposes = sorted(set(published_purposes()) - set(but))
    # One opening of the vault, and one swap, for all of them: each costs more than what goes.
    beside = [published_store(purpose, alias=alias_of(purpose)) for purpose in purposes]
    with identity.opened(*beside) as connection:
        tables = {purpose: holders(connection, alias_of(purpose)) for purpose in purposes}
        mark(connection, subjects, [table for found in tables.values() for table in found])
        for purpose, found in tables.items():
            left = {table: keys for table in found if (keys := _keys(connection, table))}
            if not left:
                continue
            gone[purpose] = sum(rows for keys in left.values() for rows in keys.values())
            going[purpose] = {table.table: _any_of(table, keys) for table, keys in left.items()}
    noting = _noting([kept.mark()]) if PERMISSION in purposes else {}
    if going or noting:  # whoever was in no published file may come back, too
        thin_out(going, noting)
    return gone


def note_kept() -> None:
    """Note how far ``kept`` has come, where nobody leaves what is published."""
    note([kept.mark()])


@without_damaged
def note(marks: list[Mark]) -> None:
    """Note what ``kept`` is held to from now on; nothing, where one is begun anew."""
    if Home.current().published_file(PERMISSION).exists():
        thin_out({}, _noting(marks))


def _noting(marks: list[Mark]) -> dict[str, dict[str, str]]:
    return {PERMISSION: {kept_bound.TABLE: kept_bound.note_sql(marks)}}


def _keys(connection: duckdb.DuckDBPyConnection, table: Holder) -> dict[str, int]:
    """Return the keys of those who leave in a table, each with its number of rows."""
    return dict(
        connection.execute(
            f"select {identifier(table.key)}::varchar, count(*) from {table.name}"
            f" where {table.of_leaving} group by all order by all"
        ).fetchall()
    )


def _any_of(table: Holder, keys: Collection[str]) -> str:
    """Return SQL that is true for the rows that go."""
    return f"{identifier(table.key)} in ({', '.join(f'{quoted(k)}::uuid' for k in keys)})"
