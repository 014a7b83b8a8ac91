"""The graph kept in a file, so that it is read out of SQL only when something has changed.

Belongs here: the key of a graph and its file. Does not belong here: building it (``build``). The
file holds names of tables and columns, no data.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from governance.lineage.graph import Lineage
from governance.lineage.landing import SOURCES
from governance.lineage.manifest import (
    classes_of,
    hooks_of,
    macros_of,
    models_of,
    operations_of,
    stores,
    tests_of,
    unread_of,
)
from warehouse.journal import write_durably

_OF_A_MODEL = (
    "database", "schema", "alias", "language", "compiled_code", "raw_code", "depends_on",
)  # fmt: skip
_CONFIGURED = ("materialized", "incremental_strategy")


def fingerprint(manifest: Mapping[str, Any], sources: Mapping[str, Sequence[str]] = SOURCES) -> str:
    """Return the key of a project's graph: 64 hexadecimal digits (SHA-256).

    It covers all that :func:`governance.lineage.build.build` reads, and how it reads it.
    """
    said = {
        "models": {
            name: [
                *(node.get(key) for key in _OF_A_MODEL),
                list(node.get("columns", ())),
                classes_of(node),
                hooks_of(node),
                *(node.get("config", {}).get(key) for key in _CONFIGURED),
            ]
            for name, node in models_of(manifest).items()
        },
        "unread": unread_of(manifest),
        "places": [
            [source.get(key) for key in ("database", "schema", "identifier", "name")]
            for source in manifest.get("sources", {}).values()
        ],
        "tests": [
            [node.get("name"), node.get("raw_code"), stores(node)] for node in tests_of(manifest)
        ],
        "operations": [node.get("raw_code") for node in operations_of(manifest)],
        "macros": macros_of(manifest),
        "sources": {name: list(columns) for name, columns in sources.items()},
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def cached(path: Path, key: str, make: Callable[[], Lineage]) -> Lineage:
    """Return the graph of a key: the kept one if it has that key, else a new one, then kept.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    key : str
        What the graph depends on; see :func:`fingerprint`.
    make : callable
        Makes the graph.
    """
    kept = _kept(path)
    if kept is not None and kept.get("key") == key:
        return Lineage.from_dict(kept["relations"])
    lineage = make()
    kept = {"key": key, "relations": lineage.as_dict()}
    write_durably(path, json.dumps(kept).encode())  # two processes may make it at once
    return lineage


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):  # none yet, or cut short: it is made again
        return None
    return kept if isinstance(kept, dict) else None


@cache
def _code() -> str:
    """Return the hash of this package: another way of reading makes another graph."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    text = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(text + version("sqlglot").encode()).hexdigest()
