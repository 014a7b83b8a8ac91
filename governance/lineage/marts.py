"""Which purpose a mart serves, by its name.

Belongs here: the naming of marts. Does not belong here: what they may hold (``governance.gate``).
"""

from governance.policy.model import Policy

MART = "mart_"


def mart_purpose(policy: Policy, mart: str) -> str | None:
    """Return the purpose of a mart, ``mart_<purpose>`` or ``mart_<purpose>_<suffix>``, if any."""
    name = mart.removeprefix(MART)
    fits = [p for p in policy.purposes if name == p or name.startswith(f"{p}_")]
    return max(fits, key=len, default=None)
