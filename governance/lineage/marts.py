"""Which purpose a mart serves, by its name, and what it is made from.

Belongs here: the naming of marts, the models behind them. Does not belong here: what they may hold
(``governance.gate``).
"""

from collections.abc import Iterable

from governance.lineage.graph import Lineage, Relation
from governance.policy.model import Policy

MART = "mart_"
PERMITTED = "int_consent_permitted"  # what other models may know of permission


def mart_purpose(policy: Policy, mart: str) -> str | None:
    """Return the purpose of a mart, ``mart_<purpose>`` or ``mart_<purpose>_<suffix>``, if any."""
    name = mart.removeprefix(MART)
    fits = [p for p in policy.purposes if name == p or name.startswith(f"{p}_")]
    return max(fits, key=len, default=None)


def marts_of(policy: Policy, lineage: Lineage, purpose: str) -> list[Relation]:
    """Return the marts of a purpose."""
    return [
        relation for relation in lineage.relations.values()
        if relation.kind == "model" and relation.name.startswith(MART)
        and mart_purpose(policy, relation.name) == purpose
    ]  # fmt: skip


def behind(lineage: Lineage, marts: Iterable[Relation]) -> list[Relation]:
    """Return marts and the models that they read, as far as the door of permission."""
    reached: dict[str, Relation] = {}
    waiting = [mart.name for mart in marts]
    while waiting:
        name = waiting.pop()
        relation = lineage.relations.get(name)
        if relation and relation.kind == "model" and name not in (PERMITTED, *reached):
            reached[name] = relation
            waiting += lineage.parents(name)
    return [reached[name] for name in sorted(reached)]
