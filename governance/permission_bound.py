"""Whether what is published of permission is fit to be judged by: of this version, and the newest.

Belongs here: the number of a publication, which only grows, as that file and the vault note it; and
refusing an older copy, by which whoever has withdrawn since would be handed over. The file is
published first and the vault notes it then, before anything leaves the inbox: of a process that was
killed in between the file is further, never behind, and what it lacks waits still. Does not belong
here: what is published (``release``), how anybody stands by it (``consent``).
"""

import duckdb

from governance import identity
from governance.consent_relations import STOPS
from governance.policy.words import PERMISSION
from warehouse.catalogue import columns
from warehouse.connect import asked, connected, published_store
from warehouse.errors import DAMAGED, UsageError
from warehouse.home import Home

ALIAS = "permission"
ABOUT, NUMBER = "about", "publication"
NOTED = "published"  # the vault's table


def require_current(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse to judge by a permission file that lacks some of what decides.

    ``connection`` has it attached beside the vault, which was opened before it.

    Raises
    ------
    UsageError
        If an earlier version published it, or it is an older copy.
    """
    wanted = {("subjects", f"{name}_since") for name in STOPS}
    wanted.add(("consent_events", "given_by"))
    there = connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'permission'"
    ).fetchall()
    if wanted - set(there):
        raise UsageError(
            "what decides permission was published by an earlier version", "run `assent run`",
            rule="permission.earlier",
        )  # fmt: skip
    require_newest(connection)


def require_newest(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse an older copy; see :func:`require_current`."""
    if _of_file(connection) < _of_vault(connection):
        raise UsageError(
            f"{Home.current().published_file(PERMISSION)} is an older copy: who has withdrawn or"
            " objected since isn't known there",
            "run `assent run`, which publishes it anew",
            rule="permission.older",
        )


def is_older() -> bool:
    """Tell whether an older copy has been put in the place of what was published last."""
    file, vault = _found()
    return Home.current().published_file(PERMISSION).exists() and file < vault


def next_number() -> int:
    """Return the number of the next publication: more than any that is known."""
    return max(_found()) + 1


def note(number: int) -> None:
    """Let the vault, if there is one, know what has been published."""
    vault, _ = identity.stores()
    if not vault.path.exists():
        return
    with connected(vault) as connection:
        connection.execute(f"create table if not exists vault.{NOTED} (number bigint not null)")
        connection.execute(f"insert into vault.{NOTED} values (?)", [number])
        connection.execute(f"delete from vault.{NOTED} where number < ?", [number])


def _found() -> tuple[int, int]:
    """Return the numbers of file and vault; 0 of one that is missing, or that a run makes anew."""
    vault, _ = identity.stores(read_only=True)
    try:
        of_file = asked(published_store(PERMISSION, alias=ALIAS), _of_file) or 0
    except UsageError as error:
        if error.rule != DAMAGED:
            raise
        of_file = 0
    return of_file, asked(vault, _of_vault) or 0


def _of_file(connection: duckdb.DuckDBPyConnection) -> int:
    if NUMBER not in columns(connection, "main", ABOUT, ALIAS):
        return 0  # as of a file that an earlier version wrote
    return _only(connection, f"select {NUMBER} from {ALIAS}.main.{ABOUT}")


def _of_vault(connection: duckdb.DuckDBPyConnection) -> int:
    if not columns(connection, "main", NOTED, "vault"):
        return 0
    return _only(connection, f"select coalesce(max(number), 0) from vault.main.{NOTED}")


def _only(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])
