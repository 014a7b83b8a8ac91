"""A tolerant look at a policy as plain data: what has the wrong shape is passed over.

Belongs here: access by path, and the loops that several checks share. Does not belong here: a rule.
"""

from collections.abc import Iterator
from typing import Any

from governance.policy.problems import Path, Problem, nearest

Data = dict[str, Any]
Problems = Iterator[Problem]


def at(data: Any, *path: str) -> Any:
    """Return what lies under a path of keys, or None."""
    for key in path:
        data = mapping(data).get(key)
    return data


def mapping(value: Any) -> Data:
    """Return a mapping, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def words(value: Any) -> list[tuple[int, str]]:
    """Return the texts of a list with their positions; nothing for anything else."""
    items = value if isinstance(value, tuple | list) else ()
    return [(i, item) for i, item in enumerate(items) if isinstance(item, str)]


def blocks(data: Data, *path: str) -> Iterator[tuple[str, Data]]:
    """Yield the names and contents of the blocks under a path."""
    for name, block in mapping(at(data, *path)).items():
        yield name, mapping(block)


def allowances(data: Data) -> Iterator[tuple[str, str, Data, Path]]:
    """Yield purpose, attribute, allowance and path of every allowed attribute."""
    for purpose, _ in blocks(data, "purposes"):
        for name, allowance in blocks(data, "purposes", purpose, "attributes"):
            yield purpose, name, allowance, ("purposes", purpose, "attributes", name)


def class_of(data: Data, attribute: str) -> Any:
    """Return the class of an attribute, or None if it isn't listed."""
    return at(data, "attributes", attribute, "class")


def one_of(name: str, names: Data) -> str:
    """Return the remedy for a name that doesn't exist."""
    return nearest(name, names, f"use one of: {', '.join(names) or 'none is listed yet'}")
