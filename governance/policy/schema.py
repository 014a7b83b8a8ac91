"""The JSON Schema of the policy, and plain words for what it says about a key.

Belongs here: walking the schema by path, naming types. Does not belong here: the shape itself
(``model``), pages (``document``).
"""

from functools import cache
from typing import Any

from governance.policy.model import Policy
from governance.policy.problems import Path

Node = dict[str, Any]

_PATTERNS = {
    "^[a-z][a-z0-9_]*$": "name (lower-case letters, digits and _, beginning with a letter)",
    "^[A-Z]{2}$": "two capital letters",
    "^[1-9][0-9]{0,2} (months?|days?|business days?)$": "period (such as 1 month, 45 days,"
    " 10 business days)",
    "^[A-Z]{2}(-[A-Z0-9]{1,3})?$": "country or subdivision (such as DE, US-CA)",
}


@cache
def json_schema() -> Node:
    """Return the JSON Schema (draft 2020-12) of ``policy.yaml``."""
    schema = Policy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def resolved(node: Node) -> Node:
    """Return a node with its reference followed; what stands beside the reference wins."""
    if "$ref" not in node:
        return node
    target = json_schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return {**target, **{k: v for k, v in node.items() if k != "$ref"}}


def branches(node: Node) -> list[Node]:
    """Return the alternatives of a node, without the empty one."""
    node = resolved(node)
    found = node.get("anyOf") or node.get("oneOf")
    if not found:
        return [node]
    return [leaf for part in found if part.get("type") != "null" for leaf in branches(part)]


def node_at(path: Path) -> Node | None:
    """Return the schema of the key under a path, or None if there is no such key."""
    node = json_schema()
    for step in path:
        found = next((n for part in branches(node) if (n := _step(part, step))), None)
        if found is None:
            return None
        node = found
    return node


def _step(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        items = node.get("prefixItems", [])
        found = items[step] if step < len(items) else node.get("items")
    else:
        found = node.get("properties", {}).get(step) or _entry(node)
    return found if isinstance(found, dict) else None


def _entry(node: Node) -> Any:
    """Return the schema of the entries of a mapping whose keys are free."""
    for pattern in node.get("patternProperties", {}).values():
        return pattern
    return node.get("additionalProperties")


def keys_at(path: Path) -> list[str]:
    """Return the keys that may stand under a path."""
    node = node_at(path)
    if node is None:
        return []
    return [key for part in branches(node) for key in part.get("properties", {})]


def type_words(node: Node) -> str:
    """Return the type of a node in plain words."""
    parts = branches(node)
    if len(parts) > 1:
        return " or ".join(type_words(part) for part in parts)
    node = parts[0]
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    words = {
        "string": _text_words,
        "integer": _number_words,
        "number": _number_words,
        "boolean": lambda _: "true or false",
        "array": _list_words,
        "object": _mapping_words,
    }
    return words[node["type"]](node)


def _text_words(node: Node) -> str:
    if node.get("format") == "date":
        return "date (YYYY-MM-DD, without quotes)"
    return _PATTERNS.get(node.get("pattern", ""), "text")


def _number_words(node: Node) -> str:
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    found = [f"{word} {node[key]:g}" for key, word in bounds.items() if key in node]
    kind = "whole number" if node["type"] == "integer" else "number"
    return f"{kind} ({' and '.join(found)})" if found else kind


def _list_words(node: Node) -> str:
    if "prefixItems" in node:
        return f"[{', '.join(map(type_words, node['prefixItems']))}]"
    return f"list of: {type_words(node['items'])}"


def _mapping_words(node: Node) -> str:
    if "properties" in node:
        return "block"
    return f"mapping of names to: {type_words(_entry(node))}"
