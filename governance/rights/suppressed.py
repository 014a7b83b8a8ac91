"""The suppression list: who was erased, and may not come back.

Belongs here: its entries, in ``kept``, and which of them stand, though their subject may have
returned meanwhile (GDPR Art. 17(1)). Does not belong here: adding an entry (``erasure``), stopping
rows at the door (``ingest.suppression``), when an entry is too old (``expiry``).
"""

from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from governance.rights import kept
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa


def entries() -> "tuple[bytes, pa.Table]":
    """Return the secret of the handles, and those of everybody who was erased, with when.

    They may not come back, but for those whom the vault knows to have returned (``standing``).
    """
    with kept.opened() as connection:
        secret = kept.secret_of(connection)
        rows = connection.execute("select handle::varchar as handle, since from kept.suppressed")
        return secret, rows.to_arrow_table()


def standing(listed: str = "kept.suppressed", secret: str = kept.OF_FILE) -> str:
    """Return the SQL of the handles that may not come back: of whom the vault knows no return.

    Who has returned and was erased again since may not either, though a vault from before that
    knows of the return alone. The connection has the vault attached.

    Parameters
    ----------
    listed
        Those of :func:`entries` as SQL.
    secret
        That of the file as SQL.
    """
    return (
        f"select e.handle::uuid as handle from {listed} as e anti join"
        f" (select {kept.handle_sql('customer_id', secret)} as handle, since from vault.readmitted"
        " join vault.subjects using (subject_key)) as r"
        " on r.handle = e.handle::uuid and r.since >= e.since"
    )


def is_suppressed(customer_id: str) -> bool:
    """Tell whether a customer was erased and may not come back."""
    if not Home.current().kept.exists():
        return False
    with kept.opened() as connection:
        handle = kept.handle_of(connection, customer_id)
        return bool(
            connection.execute(
                "select 1 from kept.suppressed where handle = ?", [handle]
            ).fetchall()
        )


def end(connection: duckdb.DuckDBPyConnection, customer_id: str, at: datetime) -> None:
    """Let go the entry of a customer; a state from before that erasure isn't taken any more.

    ``at`` is when that is noted (``leaving.noted_at``).
    """
    this = f"from kept.suppressed where handle = '{kept.handle_of(connection, customer_id)}'"
    connection.execute("begin")
    connection.execute(f"insert into kept.removals select ?, 'suppressed', 1, come {this}", [at])
    connection.execute(f"delete {this}")
    connection.execute("commit")
