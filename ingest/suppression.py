"""Who may not come back: rows of the erased are stopped at the door, and counted.

Belongs here: telling, among the ids that a source holds, those whose handle is on the suppression
list. Does not belong here: the list (``governance.rights.kept``), what a suppressed row counts as
(``land``).
"""

import duckdb

from governance.rights import kept

SUPPRESSED = "suppressed_ids"  # temporary table: customer_id
_LIST, _SECRET = "suppression_list", "suppression_secret"


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the list as it is now into temporary tables, which never reach a disk in clear."""
    connection.execute(f"create or replace temp table {SUPPRESSED} (customer_id varchar)")
    secret, handles = kept.suppression()
    connection.register("handles", handles)
    connection.execute(f"create or replace temp table {_LIST} as select handle::uuid as handle"
                       " from handles")  # fmt: skip
    connection.unregister("handles")
    connection.execute(f"create or replace temp table {_SECRET} as select ?::blob as secret",
                       [secret])  # fmt: skip


def note(connection: duckdb.DuckDBPyConnection, ids: str) -> None:
    """Note which ids of a relation (column ``customer_id``) are suppressed."""
    handle = kept.handle_sql("customer_id", f"(select secret from {_SECRET})")
    if connection.execute(f"select count(*) from {_LIST}").fetchall()[0][0]:
        connection.execute(
            f"insert into {SUPPRESSED} select customer_id from {ids}"
            f" anti join {SUPPRESSED} using (customer_id)"
            f" where customer_id is not null and {handle} in (select handle from {_LIST})"
        )


def admitted(customer_id: str = "customer_id") -> str:
    """Return the condition that an id isn't suppressed; it is never null."""
    return f"coalesce({customer_id} not in (select customer_id from {SUPPRESSED}), true)"
