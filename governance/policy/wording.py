"""Faults of shape in plain words.

Belongs here: turning the model's validation errors into problems with a remedy. Does not belong
here: finding them (``model``), their positions (``positions``).
"""

from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from governance.policy.problems import Path, Problem, key_shown, nearest, shown
from governance.policy.schema import Node, branches, keys_at, node_at, type_words

_KEY = "[key]"  # the model's mark for a fault in a key rather than in its value
_OURS = "policy"  # raised by the model for what ``checks`` reports itself
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (tuple, "a list"),
    (dict, "a block"),
    (date, "a date"),
)


def shape_problems(error: ValidationError) -> list[Problem]:
    """Return the faults of shape, each with its remedy; no value of the file is repeated."""
    details = error.errors(include_url=False, include_context=False)
    return [_problem(detail) for detail in details if detail["type"] != _OURS]


def _problem(detail: ErrorDetails) -> Problem:
    path = _path(detail["loc"])
    if path and path[-1] == _KEY:
        return Problem(
            path[:-1],
            "the name can't be used",
            "use lower-case letters, digits and _, beginning with a letter; at most 40",
        )
    if detail["type"] == "extra_forbidden":
        return _unknown_key(path, detail["input"])
    if detail["type"] == "missing" and isinstance(path[-1], str):
        return Problem(path, f"the key '{path[-1]}' is missing", f"add it: {_meaning(path)}")
    return _wrong_value(path, detail)


def _unknown_key(path: Path, value: Any) -> Problem:
    key, known = str(path[-1]), keys_at(path[:-1])
    remedy = f"remove it; the keys here are: {', '.join(known)}"
    if value is None and " " in key:  # {description: Lives here, or there} is two keys to YAML
        remedy = "a text with a comma, inside of { }, has to stand in quotes"
    return Problem(path, f"unknown key '{key_shown(key)}'", nearest(key, known, remedy))


def _wrong_value(path: Path, detail: ErrorDetails) -> Problem:
    if detail["type"] == "missing":  # an item of a list of fixed length
        path = path[:-1]
    node = node_at(path) or {}
    value = detail["input"]
    expected = type_words(node) if node else "something else"
    if detail["type"] == "literal_error" and isinstance(value, str):
        options = [str(o) for o in node.get("enum", [])]
        return Problem(
            path, f"'{shown(value)}' can't stand here", nearest(value, options, f"use {expected}")
        )
    quotes = expected == "text" and isinstance(value, int | float | date)
    remedy = "put it in quotes" if quotes else f"write {_meaning(path)}"
    return Problem(path, f"expected {expected}, found {_found(value, node)}", remedy)


def _path(loc: tuple[str | int, ...]) -> Path:
    """Return the path of keys: without the model's mark for which kind of bands was tried."""
    bands = 4  # purposes.<name>.attributes.<name>.bands
    if len(loc) > bands + 1 and loc[0] == "purposes" and loc[bands] == "bands":
        return (*loc[: bands + 1], *loc[bands + 2 :])
    return loc


def _meaning(path: Path) -> str:
    node = node_at(path)
    if node is None:
        return "what docs/policy.md explains"
    said = node.get("description")
    return f"{type_words(node)}: {said}" if said else type_words(node)


def _found(value: Any, node: Node) -> str:
    """Return what stands there: its kind, or if that is right what else is wrong with it."""
    parts = branches(node) if node else []
    numeric = any(part.get("type") in ("integer", "number") for part in parts)
    if numeric and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if value and isinstance(value, tuple | list) and any("prefixItems" in part for part in parts):
        return f"a list of {len(value)}"
    return _kind(value)


def _kind(value: Any) -> str:
    found = next((words for kind, words in _KINDS if isinstance(value, kind)), "nothing")
    return f"{found} (empty)" if isinstance(value, str | tuple | dict) and not value else found
