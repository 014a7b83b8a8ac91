"""Who was erased and has returned: held until a row of customers says who they are now.

Belongs here: an entry in the quarantine for each of them of whom no row has landed yet, and its
end. Their age is unknown until then, and a child would count as grown up: the entry holds them as a
row does that can't be read. It belongs to no load, for no row was read: accounts leave it out, and
reading a feed from the beginning leaves it alone. Does not belong here: admitting them
(``governance.rights.readmission``), which of their rows may land (``heeding``).
"""

from datetime import datetime

import duckdb

from governance.policy.words import NOT_DELIVERED
from governance.rights.readmission import read_once_written
from ingest.contract import CUSTOMERS
from ingest.landing import scalar
from warehouse.sql import quoted

SOURCE = "assent rights readmit"  # what asks for the row, in the place of a file
DELIVERED = "delivered"

_LANDED = f"(select subject_key from landing.{CUSTOMERS.name})"
_OURS = f"reason = {quoted(NOT_DELIVERED)} and subject_key is not null"


def settle(connection: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Let those go whose row has landed, and hold the others, each once; return how many are new.

    Nobody is held where no feed of customers has ever been loaded. Whom somebody has let go by hand
    isn't held again.

    Parameters
    ----------
    connection
        In the load's transaction, after all has landed, with the vault attached.
    now
        The moment of the load, UTC without a zone.
    """
    connection.execute(
        "update landing.quarantine set resolved_at = ?, resolution = ?"
        f" where {_OURS} and resolved_at is null and subject_key in {_LANDED}",
        [now, DELIVERED],
    )
    if not scalar(
        connection, f"select count(*) from landing.loads where feed = {quoted(CUSTOMERS.name)}"
    ):
        return 0
    last = scalar(connection, "select coalesce(max(quarantine_id), 0) from landing.quarantine")
    done = connection.execute(
        "insert into landing.quarantine by name select"
        f" {last} + row_number() over (order by since, customer_id) as quarantine_id,"
        f" {quoted(CUSTOMERS.name)} as feed, {quoted(NOT_DELIVERED)} as reason,"
        f" {quoted(SOURCE)} as source, subject_key, $now::timestamp as quarantined_at"
        " from vault.readmitted join vault.subjects using (subject_key)"
        f" where subject_key not in {_LANDED}"
        f" and subject_key not in (select subject_key from landing.quarantine where {_OURS})",
        {"now": now},
    ).fetchall()
    if scalar(
        connection,
        f"select count(*) from landing.quarantine where {_OURS} and resolved_at is null",
    ):
        read_once_written(connection)
    return int(done[0][0])
