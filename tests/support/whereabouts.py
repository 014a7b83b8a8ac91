"""Where an installation holds a customer: in the vault, and by its keys in the warehouse.

Belongs here: looking for one. Does not belong here: a test.
"""

from governance import identity
from governance.rights.discovery import holders
from tests.support.installation import Installation
from warehouse.connect import connected, warehouse_store


def held(one: Installation, who: str) -> bool:
    """Return whether the vault knows a customer."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        known = connection.execute(
            "select count(*) from vault.subjects where customer_id = ?", [who]
        ).fetchall()[0][0]
    return bool(known)


def keys_of(one: Installation, who: str) -> list[str]:
    """Return every key of a customer, as text."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        rows = connection.execute(
            "select s.subject_key::varchar, k.purpose_key::varchar from vault.subjects as s"
            " join warehouse.landing.purpose_keys as k using (subject_key)"
            " where customer_id = ?", [who],
        ).fetchall()  # fmt: skip
    return sorted({key for row in rows for key in row})


def rows_with(one: Installation, keys: list[str]) -> list[str]:
    """Return the tables of the warehouse that hold one of some keys."""
    with one.entered(), connected(warehouse_store(read_only=True)) as connection:
        return [
            table.name for table in holders(connection, "warehouse")
            if connection.execute(
                f"select 1 from {table.name} where list_contains(?, {table.key}::varchar) limit 1",
                [keys],
            ).fetchall()
        ]  # fmt: skip
