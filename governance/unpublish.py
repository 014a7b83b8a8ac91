"""What may no longer stand in marts, segments and published files: taken out once it is known.

Belongs here: whom they hold without a basis now, by what has landed and by the policy in force, and
what a published file holds of the others that the policy doesn't allow any more. Publishing
replaces a file only if every rule lets it; nobody stays published because a feed is stale or a
segment too small. Does not belong here: how anybody stands (``lapse``, ``consent``), how a file is
replaced (``warehouse.publish``), what becomes of figures that were made from more than the policy
allows now (a run makes them anew).
"""

from collections.abc import Iterable
from datetime import datetime

import duckdb

from governance import lapse
from governance.gate import AS_OF
from governance.limits import trimmed_sql
from governance.policy.columns import allowed_columns, column_labels
from governance.policy.derive import like_pattern
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.words import FITTED_ON
from warehouse import catalogue
from warehouse.clock import now, utc_naive
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.publish import before, publish, published_purposes, without_damaged
from warehouse.sql import identifier, quoted


def take_out(policy: Policy, known_at: datetime) -> dict[str, int]:
    """Take those who have no basis any more, and what isn't allowed, out of published files.

    Out of marts and segments in the warehouse goes who has none as of what has landed; whose basis
    ends by itself since then stays there until the next run, and is held back by publishing.

    Parameters
    ----------
    policy
        The policy in force: what was published under another is judged by it, too.
    known_at
        The newest event that has landed, UTC without a zone.

    Returns
    -------
    dict
        How many subjects were taken out of published files, by purpose, and of how many others a
        value was, by ``<purpose>.<column>``; those of whom there are none aren't named.
    """
    at = max(utc_naive(now()), known_at)
    purposes = [purpose for purpose in published_purposes() if purpose in policy.purposes]
    counts: dict[str, int] = {}
    for purpose in purposes:
        counts |= _take_out(policy, purpose, at)
    with connected(warehouse_store()) as connection:
        for purpose in policy.purposes:
            _take_out_of_made(connection, policy, purpose, known_at)
    return counts


@without_damaged
def _take_out(policy: Policy, purpose: str, at: datetime) -> dict[str, int]:
    if purpose not in published_purposes():
        return {}  # it was damaged
    mart, key = f"mart_{purpose}", f"{purpose}_key"
    store = published_store(purpose)
    with connected(store) as connection:
        names = catalogue.tables(connection, "main")
        keyed = [n for n in names if key in catalogue.columns(connection, "main", n)]
        if mart not in keyed:
            return {}
        kept, lost = _kept(connection, policy, purpose, mart)
    with connected(warehouse_store(read_only=True), store) as connection:
        table = f"{store.alias}.{identifier(mart)}"
        found = lapse.standing(connection, policy, purpose, at, mart=table, all_day=True)
    if found.held_back or lost:
        until_then = before(purpose)
        publish({purpose: {
            name: f"select {kept if name == mart else '*'} from {until_then}.{identifier(name)}"
            + (f" where {found.permitted}" if name in keyed else "")
            for name in names
        }}, over=True)  # fmt: skip
        lapse.show(purpose, found)
    return lost | ({purpose: found.held_back} if found.held_back else {})


def _take_out_of_made(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, known_at: datetime
) -> None:
    key = identifier(f"{purpose}_key")
    made = [
        f"{identifier(schema)}.{identifier(name)}"
        for schema in ("marts", purpose)
        for name in catalogue.tables(connection, schema)
        # Whom the model is of stays true until the next fit, and receipts tell it (decision 0033).
        if (schema, name) != (purpose, FITTED_ON)
        and f"{purpose}_key" in catalogue.columns(connection, schema, name)
    ]
    if not made:
        return
    keys = " union ".join(f"select {key} from {table}" for table in made)
    found = lapse.standing(connection, policy, purpose, known_at, mart=f"({keys})")
    if found.held_back:
        connection.execute("begin")
        for table in made:
            connection.execute(f"delete from {table} where not ({found.permitted})")
        connection.execute("commit")


def _kept(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, mart: str
) -> tuple[str, dict[str, int]]:
    """Return what a published mart may still show, as SQL, and of how many rows a value goes."""
    (under,) = connection.execute("select policy_hash from about").fetchall()[0]
    if under == policy_hash(policy):
        return "*", {}
    columns = catalogue.columns(connection, "main", mart)
    allowed = allowed_columns(policy, purpose)
    gone = [c for c in columns if c not in (AS_OF, f"{purpose}_key", *allowed)]
    narrowed = {
        name: _without(policy, attributes, identifier(name))
        for name, attributes in allowed.items()
        if columns.get(name, "").startswith("MAP(VARCHAR")
        and not policy.purposes[purpose].sensitive
    }
    for name in allowed:  # what is no band is a value that was shown raw, or in another band
        labels = column_labels(policy, purpose, name) if name in columns else None
        if labels is not None:
            bands, value = ", ".join(map(quoted, labels)) or "null", identifier(name)
            narrowed[name] = f"case when {value}::varchar in ({bands}) then {value} end"
    after = {**dict.fromkeys(gone, "null"), **narrowed}
    counts = connection.execute(f"select {_counted(after)} from {identifier(mart)}").fetchall()[0][
        1:
    ]
    lost = {f"{purpose}.{name}": n for name, n in zip(after, counts, strict=True) if n}
    exclude = f" exclude ({', '.join(map(identifier, gone))})" if gone else ""
    replaced = ", ".join(f"{sql} as {identifier(name)}" for name, sql in narrowed.items())
    return "*" + exclude + (f" replace ({replaced})" if replaced else ""), lost


def _counted(after: dict[str, str]) -> str:
    """Return the counts of rows in which a value would change."""
    counts = [
        f"count(*) filter ({identifier(name)} is distinct from {sql})"
        for name, sql in after.items()
    ]
    return ", ".join(["count(*)", *counts])


def _without(policy: Policy, attributes: Iterable[str], values: str) -> str:
    """Return the SQL of a map without keys that reveal a special category."""
    patterns = [
        quoted(like_pattern(special.pattern))
        for name in sorted(attributes)
        for special in policy.attributes[name].special_values
    ]
    key = f"lower({trimmed_sql('e.key')})"
    reveals = " or ".join(f"{key} like {pattern} escape '\\'" for pattern in patterns)
    if not reveals:
        return values
    return f"map_from_entries(list_filter(map_entries({values}), lambda e: not ({reveals})))"
