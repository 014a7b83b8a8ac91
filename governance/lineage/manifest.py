"""What lineage reads of dbt's manifest: models, the project's macros, hooks, operations.

Belongs here: look-ups in the manifest's JSON. Does not belong here: reading SQL (``query``).
"""

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]

# Kinds of nodes that are read, or that dbt only compiles.
READ = ("model", "operation", "test", "unit_test", "analysis")
DBT_OWN = ("dbt", "dbt_duckdb")  # packages that come with dbt
# What dbt looks for by a prefix; how schemas are named says nothing about columns.
OVERRIDES, SCHEMA_NAME = ("materialization_", "default__", "duckdb__"), "generate_schema_name"


def models_of(manifest: Mapping[str, Any]) -> dict[str, Node]:
    """Return the models of a manifest by name."""
    nodes = manifest.get("nodes", {}).values()
    return {node["name"].lower(): node for node in nodes if node["resource_type"] == "model"}


def classes_of(node: Node) -> dict[str, str]:
    """Return the classes that a model's YAML gives its columns."""
    columns = node.get("columns", {}).items()
    meta = {name: column.get("config", {}).get("meta", {}) for name, column in columns}
    return {name.lower(): said["class"] for name, said in meta.items() if said.get("class")}


def macros_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of the project's own macros by name."""
    project = manifest.get("metadata", {}).get("project_name")
    macros = manifest.get("macros", {}).values()
    return {m["name"]: m["macro_sql"] for m in macros if m.get("package_name") == project}


def unread_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what dbt runs besides models, tests and operations, with why it can't be judged."""
    project = manifest.get("metadata", {}).get("project_name")
    macros = manifest.get("macros", {}).values()
    theirs = {m["name"] for m in macros if m.get("package_name") != project} - {SCHEMA_NAME}
    own = [n for n in macros_of(manifest) if n in theirs or n.startswith(OVERRIDES)]
    found = dict.fromkeys(own, "it takes the place of a macro of dbt: what it writes isn't read")
    nodes = [*manifest.get("nodes", {}).values(), *manifest.get("functions", {}).values()]
    packages = {str(part.get("package_name")) for part in (*macros, *nodes)}
    found |= dict.fromkeys(
        packages - {project, *DBT_OWN},
        "it is an installed package, and only the project's own code is read",
    )
    for node in nodes:
        if node["resource_type"] not in READ:
            found[node["name"]] = f"it is a {node['resource_type']}, and only models are followed"
    return found


def tests_of(manifest: Mapping[str, Any]) -> list[Node]:
    """Return the data tests."""
    nodes = manifest.get("nodes", {}).values()
    return [node for node in nodes if node["resource_type"] == "test"]


def stores(test: Node) -> bool:
    """Tell whether a data test keeps the rows that it finds, as a table."""
    return bool(test.get("config", {}).get("store_failures"))


def hooks_of(node: Node) -> list[str]:
    """Return what runs before and after a model."""
    config = node.get("config", {})
    hooks = [*config.get("pre-hook", ()), *config.get("post-hook", ())]
    hooks += [config["sql_header"]] if config.get("sql_header") else []
    return [hook["sql"] if isinstance(hook, Mapping) else str(hook) for hook in hooks]


def operations_of(manifest: Mapping[str, Any]) -> list[Node]:
    """Return what runs before or after a whole run of the project itself."""
    project = manifest.get("metadata", {}).get("project_name")
    nodes = manifest.get("nodes", {}).values()
    return [
        node
        for node in nodes
        if node["resource_type"] == "operation" and node.get("package_name") == project
    ]
