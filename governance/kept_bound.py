"""How far the file ``kept`` has come, as other files of the state note it.

Belongs here: such a note in the vault and in the published file of permission, and what is said
where ``kept`` is missing, or older than one of them knows. An older vault may be put back together
with a list of the erased that is as old, and the mark beside it: the published file, which erasures
thin out, is the newer one then. A restore from a backup removes what is published, and so may
bring an older state of the others. Does not belong here: what the file itself says
(``rights.kept``), when something is noted (there, ``release``, ``rights.published``).
"""

import duckdb

from governance import identity
from governance.marks import Mark
from governance.policy.words import PERMISSION
from warehouse.catalogue import columns
from warehouse.connect import asked, published_store
from warehouse.errors import DAMAGED, UsageError
from warehouse.home import Home
from warehouse.sql import quoted

TABLE = "kept"


def noted_in(connection: duckdb.DuckDBPyConnection, database: str) -> list[Mark]:
    """Return what an attached file notes, by its alias: one mark, or none."""
    if not columns(connection, "main", TABLE, database):
        return []  # as of a file that an earlier version wrote
    rows = connection.execute(f"select of, steps from {database}.main.{TABLE}").fetchall()
    return [Mark(*row) for row in rows]


def known() -> list[Mark]:
    """Return what the vault and the published file note."""
    vault, _ = identity.stores(read_only=True)
    return [*(asked(vault, of_vault) or []), *of_published()]


def of_vault(connection: duckdb.DuckDBPyConnection) -> list[Mark]:
    """Return what the vault notes, which is attached."""
    return noted_in(connection, "vault")


def of_published() -> list[Mark]:
    """Return what the published file notes; a run writes it anew if it is damaged."""
    try:
        published = published_store(PERMISSION)
        return asked(published, lambda connection: noted_in(connection, published.alias)) or []
    except UsageError as error:
        if error.rule != DAMAGED:
            raise
        return []


def is_lost() -> bool:
    """Tell whether the file is missing though there was one."""
    home = Home.current()
    return not home.kept.exists() and (home.kept_mark.exists() or bool(known()))


def note_sql(marks: list[Mark]) -> str:
    """Return the ``select`` that fills the table of a published file with the furthest, if any."""
    furthest = max(marks, key=lambda mark: mark.steps, default=Mark("", 0))
    return (
        f"select {quoted(furthest.of)} as of, {furthest.steps}::bigint as steps"
        f" where {'true' if marks else 'false'}"
    )


def missing() -> UsageError:
    """Return what is said where the file is missing, or isn't the newest."""
    return UsageError(
        f"{Home.current().kept} is missing, or isn't the newest: without the list of who was erased"
        " they would come back",
        "put back the newest; if it is lost for good, `assent rights new-kept` begins an empty"
        " one, and who was erased has to be erased again when a feed brings them",
        rule="kept.missing",
    )
