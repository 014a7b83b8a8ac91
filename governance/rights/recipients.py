"""To whom a subject was handed over: who was in which export.

Belongs here: remembering the subjects of an export, and finding those of one subject. An erasure
keeps it, as the recipients have to be told (GDPR Art. 19) and the subject may ask who they are
(Art. 15(1)(c)). Does not belong here: what an export consists of (``governance.export``), telling a
recipient.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from governance.rights import kept

if TYPE_CHECKING:
    import pyarrow as pa

# What was handed over of a subject since it was last erased: what was before, its recipients have
# been told to delete.
RECEIVED = """(
    select h.* from kept.handed_over as h left join kept.suppressed as s using (handle)
    where h."at" >= coalesce(s.since, '-infinity')
)"""
# By what recipients may know it at present: what they received, and what a rectification told them
# to put in its place. Who has confirmed one doesn't have what was before it any more.
REACHED = f"""(
    with rectified as (
        select handle, recipient, notice_id, since, confirmed_at
        from kept.notices where kind = 'rectification' and handed_at is not null
    ),
    replaced as (
        select handle, recipient, max(since) as "at" from rectified where confirmed_at is not null
        group by all
    )
    select r.* exclude (told) from (
        select handle, recipient, release_id, "at", columns, false as told from {RECEIVED}
        union all
        select handle, recipient, notice_id, since, columns, true from rectified
        join (
            select handle, recipient, list_distinct(flatten(list(columns))) as columns
            from {RECEIVED} group by all
        ) using (handle, recipient)
    ) as r
    left join replaced as p using (handle, recipient)
    where p."at" is null or r."at" > p."at" or (told and r."at" = p."at")
)"""


@dataclass(frozen=True)
class HandedOver:
    """One export that a subject was in; ``at`` in UTC without a zone."""

    release_id: str
    recipient: str
    purpose: str
    at: datetime
    columns: tuple[str, ...]


def remember(subjects: "pa.Table", handed: HandedOver) -> None:
    """Remember an export for each subject in it.

    Parameters
    ----------
    subjects
        One column, ``customer_id``: everybody in the export.
    handed
        What is remembered of it.
    """
    with kept.opened() as connection:
        connection.register("subjects", subjects)
        connection.execute(
            f"insert into kept.handed_over select {kept.handle_sql('customer_id')}, ?, ?, ?, ?, ?"
            " from subjects",
            [handed.release_id, handed.recipient, handed.purpose, handed.at, list(handed.columns)],
        )
        connection.unregister("subjects")


def take_back(release_id: str) -> None:
    """Forget an export that came to nothing."""
    with kept.opened() as connection:
        connection.execute("delete from kept.handed_over where release_id = ?", [release_id])


def recipients_of(connection: duckdb.DuckDBPyConnection, customer_id: str) -> list[HandedOver]:
    """Return the exports that a subject was in, oldest first, erased or not.

    Parameters
    ----------
    connection
        As :func:`governance.rights.kept.opened` yields it.
    customer_id
        As the feeds have it.
    """
    rows = connection.execute(
        'select release_id, recipient, purpose, "at", columns from kept.handed_over'
        ' where handle = ? order by "at", release_id',
        [kept.handle_of(connection, customer_id)],
    ).fetchall()
    return [
        HandedOver(release_id, recipient, purpose, at, tuple(columns))
        for release_id, recipient, purpose, at, columns in rows
    ]
