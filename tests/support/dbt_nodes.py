"""What stands in a dbt manifest: its models, their SQL, what they read, what is tested of them.

Belongs here: finding things in the manifest as plain data. Does not belong here: what has to hold
of them (``dbt_rules``).
"""

import re
from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]
Node = dict[str, Any]


def models(manifest: Manifest) -> list[Node]:
    """Return the models."""
    return [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]


def layer(node: Node) -> str:
    """Return the layer of a model: the folder it lies in."""
    return str(node["path"]).split("/", 1)[0]


def bare(text: str) -> str:
    """Return SQL in small letters, without comments."""
    return re.sub(r"--[^\n]*|\{#.*?#\}", "", text, flags=re.DOTALL).lower()


def code(node: Node) -> str:
    """Return a model's SQL, bare."""
    return bare(node["raw_code"])


def parents(manifest: Manifest, node: Node) -> Iterator[Node]:
    """Return the models and sources that a node reads."""
    for unique_id in node["depends_on"]["nodes"]:
        yield manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]


def tests_of(manifest: Manifest, node: Node) -> list[Node]:
    """Return the data tests attached to a model."""
    return [
        n
        for n in manifest["nodes"].values()
        if n["resource_type"] == "test" and n.get("attached_node") == node["unique_id"]
    ]
