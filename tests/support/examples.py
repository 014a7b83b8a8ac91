"""How many examples a property is tried with.

Belongs here: that number under either profile of Hypothesis. Does not belong here: what examples
are drawn from.
"""

from typing import Any

from hypothesis import settings

QUICK = "quick"


def register() -> None:
    """Make the profile known by which `make test` tries each property with a third of its examples.

    `make test-slow` tries it with all, and so does pytest called without a profile.
    """
    settings.register_profile(QUICK, max_examples=33)


def tried(times: int, **others: Any) -> settings:
    """Return settings that try a property so many times; fewer under another profile."""
    number = times * settings.default.max_examples // 100
    return settings(max_examples=max(number, 2), deadline=None, **others)
