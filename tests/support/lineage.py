"""Manifests for the tests of lineage and gate: small ones by hand, and ones with other SQL.

Belongs here: making manifests and editing the SQL in them. Does not belong here: what is tested.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]


def manifest(
    models: Mapping[str, str],
    *,
    hooks: Mapping[str, Sequence[str]] | None = None,
    macros: Mapping[str, str] | None = None,
    raw: Mapping[str, str] | None = None,
    needs: Mapping[str, Sequence[str]] | None = None,
) -> Manifest:
    """Make a manifest.

    Parameters
    ----------
    models
        Name -> compiled SQL; models lie in the schema ``m``.
    hooks
        Name of a model -> what runs after it.
    macros
        The project's own macros: name -> text.
    raw
        Name of a model -> the model as it was written.
    needs
        Name of a model -> models that it depends on.
    """
    nodes = {
        f"model.assent.{name}": {
            "name": name,
            "resource_type": "model",
            "package_name": "assent",
            "schema": "m",
            "alias": name,
            "language": "sql",
            "compiled_code": sql,
            "raw_code": (raw or {}).get(name, sql),
            "columns": {},
            "config": {
                "pre-hook": [],
                "post-hook": [{"sql": h} for h in (hooks or {}).get(name, ())],
            },
            "depends_on": {"nodes": [f"model.assent.{n}" for n in (needs or {}).get(name, ())]},
        }
        for name, sql in models.items()
    }
    return {
        "metadata": {"project_name": "assent"},
        "nodes": nodes,
        "sources": {},
        "macros": {
            f"macro.assent.{name}": {"name": name, "package_name": "assent", "macro_sql": text}
            for name, text in (macros or {}).items()
        },
    }


def edited(manifest: Manifest, model: str, *changes: tuple[str, str]) -> Manifest:
    """Return a copy of a manifest with other SQL in one model; each change has to apply."""
    other = copy.deepcopy(manifest)
    node = other["nodes"][f"model.assent.{model}"]
    for old, new in changes:
        assert old in node["compiled_code"], f"{model} has no {old!r}"
        node["compiled_code"] = node["compiled_code"].replace(old, new)
    return other
