"""What is left of a purpose or a model that there no longer is, and taking it away.

Belongs here: finding such purposes, by what is published and by their keys, and removing their
files, tables and keys; dropping what dbt has built that no model makes any more, or of which
nobody knows whose rows it holds. Does not belong here: how a file is withdrawn
(``warehouse.publish``), rows that are too old (retention), rows of a subject (rights).
"""

from collections.abc import Collection, Sequence

import duckdb

from governance.policy.model import Policy
from governance.policy.words import PERMISSION
from governance.rights import discovery, leaving
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home
from warehouse.publish import published_purposes, withdraw
from warehouse.sql import identifier

# The schemas that hold tables of one purpose, beside the one that bears its name.
OF_PURPOSES = ("consented", "marts")
# Those whose tables dbt doesn't build, beside that of each purpose.
NOT_BY_DBT = ("landing", "governance")


def withdraw_removed(policy: Policy) -> list[str]:
    """Withdraw what was made for purposes that the policy no longer has; return their names.

    Their published files go first, so that nobody reads on; then, in one transaction, the tables
    and keys. Done again after a kill, it finds what is left.
    """
    if not Home.current().warehouse.exists():
        gone = _gone(policy, ())
        withdraw(gone)
        return gone
    with connected(warehouse_store()) as connection:
        gone = _gone(policy, _with_keys(connection))
        withdraw(gone)
        if gone:
            _drop(connection, gone)
    return gone


def drop_strays(
    policy: Policy, declared: Collection[tuple[str, str]] | None = None
) -> dict[tuple[str, str], str]:
    """Drop what dbt has built that no model makes, or nobody knows whose rows it holds.

    Nothing would take anybody out of it, or out of all its rows. A model that is put right is built
    anew.

    Parameters
    ----------
    declared
        The tables and views that models make, by schema and name; None where that isn't known, and
        there is no time to look at rows, either (a landing).

    Returns
    -------
    dict
        Why, by schema and name.
    """
    if not Home.current().warehouse.exists():
        return {}
    with connected(warehouse_store()) as connection:
        others = (*NOT_BY_DBT, *policy.purposes)
        made = catalogue.relations(connection, "warehouse")
        built = {place: found for place, found in made.items() if place[0] not in others}
        why = discovery.unknown(connection, "warehouse")
        if declared is not None:
            why |= discovery.ownerless(connection, {schema for schema, _ in built})
            gone = [place for place in built if place not in declared]
            why |= dict.fromkeys(gone, "no model makes it")
        strays = {place: why[place] for place in built if place in why}
        connection.execute("begin")
        for schema, name in strays:
            kind = built[schema, name].kind
            connection.execute(f"drop {kind} {identifier(schema)}.{identifier(name)}")
        connection.execute("commit")
    return strays


def _gone(policy: Policy, with_keys: Sequence[str]) -> list[str]:
    return sorted({*published_purposes(), *with_keys} - {PERMISSION, *policy.purposes})


def _with_keys(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the purposes that subjects have keys for."""
    if not catalogue.columns(connection, "landing", "purpose_keys"):
        return []
    rows = connection.execute("select distinct purpose from landing.purpose_keys").fetchall()
    return [purpose for (purpose,) in rows]


def _drop(connection: duckdb.DuckDBPyConnection, purposes: Sequence[str]) -> None:
    """Drop what is keyed by a purpose's own key, and the keys themselves."""
    made = catalogue.relations(connection, "warehouse")
    own = {
        place: found.kind for place, found in made.items() for purpose in purposes
        if f"{purpose}_key" in found.columns and place[0] in (*OF_PURPOSES, purpose)
    }  # fmt: skip
    connection.execute("begin")
    for (schema, name), found in made.items():
        if found.kind == "table" and {"purpose", "purpose_key"} <= found.columns.keys():
            connection.execute(
                f"delete from {identifier(schema)}.{identifier(name)}"
                " where list_contains($purposes, purpose)",
                {"purposes": list(purposes)},
            )
    for (schema, name), kind in own.items():
        connection.execute(f"drop {kind} {identifier(schema)}.{identifier(name)}")
    if catalogue.columns(connection, "landing", "loads"):
        leaving.note_lying(connection, utc_naive(now()), leaving.NO_PURPOSE)
    connection.execute("commit")
