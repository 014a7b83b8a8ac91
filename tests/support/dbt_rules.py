"""Rules that hold over the whole dbt project, judged on its manifest.

Belongs here: one function per rule; each takes the manifest as plain data and returns what breaks
the rule, in words. Does not belong here: what a rule is tried upon (``test_dbt_manifest``).
"""

import re
from collections.abc import Callable

from tests.support.dbt_nodes import (
    Manifest,
    Node,
    bare,
    code,
    layer,
    models,
    parents,
    tests_of,
)

Rule = Callable[[Manifest], list[str]]

LAYERS = {"staging": "stg", "consented": "int", "marts": "mart"}
NAMES = {
    "staging": r"stg_[a-z]+(_[a-z]+)*__[a-z]+(_[a-z]+)*s",
    "consented": r"int_[a-z]+(_[a-z]+)*_[a-z]+",
    "marts": r"mart_[a-z]+(_[a-z]+)*",
}
PERMISSION = ("jurisdiction", "age_years")  # may be read by these models alone
MAY_READ_PERMISSION = re.compile(r"int_consent_\w+|int_bias_monitoring_\w+")
CUSTOMERS = "stg_customers__customers"
CROSSWALK = "stg_landing__purpose_keys"
CLOCKS = "stg_landing__clocks"
CONSENT_SUBJECTS = "int_consent_subjects"
MOST_PARENTS = 6
MOST_VIEWS = 5
LEAST_REASON = 40  # characters

# Models whose key isn't tested, each with its reason in its own `meta`.
WITHOUT_KEY_TEST = {
    "stg_transactions__transactions",
    "stg_consent_events__consent_events",
    "int_consent_events",
    "int_segmentation_baskets",
    "int_segmentation_categories",
    "int_segmentation_sampled_categories",
    "int_personalised_offers_baskets",
    "int_personalised_offers_categories",
    "int_churn_prevention_baskets",
}


def sources_only_in_staging(manifest: Manifest) -> list[str]:
    """`source()` only in staging, one for each model; nothing else reads a source."""
    found = []
    for node in models(manifest):
        sources = [p for p in parents(manifest, node) if p["resource_type"] == "source"]
        if len(sources) != (1 if layer(node) == "staging" else 0):
            found.append(f"{node['name']} reads {len(sources)} sources")
    return found


def every_source_staged_once(manifest: Manifest) -> list[str]:
    """Each source is read by exactly one staging model."""
    readers = [i for n in models(manifest) for i in n["depends_on"]["nodes"]]
    return [
        f"{source['name']} is staged {readers.count(i)} times"
        for i, source in manifest["sources"].items()
        if readers.count(i) != 1
    ]


def staging_is_one_to_one(manifest: Manifest) -> list[str]:
    """A staging model renames: no join, no filter, no grouping, no other model."""
    found = []
    for node in (n for n in models(manifest) if layer(n) == "staging"):
        words = re.findall(
            r"\b(join|where|group by|distinct|union|limit|having|qualify|unnest)\b", code(node)
        )
        found += [f"{node['name']} has '{word}'" for word in words]
        if "ref(" in code(node):
            found.append(f"{node['name']} reads another model")
        if not re.search(r"with source as .*renamed as .*select \* from renamed", code(node), re.S):
            found.append(f"{node['name']} isn't source, renamed, select")
    return found


def layers_in_order(manifest: Manifest) -> list[str]:
    """Staging feeds consented, consented feeds consented and marts; a mart feeds nothing.

    The clocks alone are read everywhere.
    """
    allowed = {"staging": set(), "consented": {"staging", "consented"}, "marts": {"consented"}}
    return [
        f"{node['name']} reads {parent['name']}"
        for node in models(manifest)
        for parent in parents(manifest, node)
        if parent["resource_type"] == "model"
        and layer(parent) not in allowed[layer(node)]
        and parent["name"] != "stg_landing__clocks"
    ]


def crosswalk_read_by_permission_alone(manifest: Manifest) -> list[str]:
    """The crosswalk from subject to purpose keys is read by `int_*` models alone."""
    return [
        f"{node['name']} reads {CROSSWALK}"
        for node in models(manifest)
        for parent in parents(manifest, node)
        if parent["name"] in (CROSSWALK, "purpose_keys")
        and not node["name"].startswith("int_")
        and node["name"] != CROSSWALK
    ]


def permission_attributes_stay(manifest: Manifest) -> list[str]:
    """Jurisdiction and age are read to decide permission, and age for the bias purpose."""
    found = []
    for node in models(manifest):
        if node["name"] == CUSTOMERS or MAY_READ_PERMISSION.fullmatch(node["name"]):
            continue
        read = {p["name"] for p in parents(manifest, node)}
        if CONSENT_SUBJECTS in read:
            found.append(f"{node['name']} reads {CONSENT_SUBJECTS}")
        said = {*re.findall(r"\w+", code(node)), *node["columns"]}
        found += [f"{node['name']} names {word}" for word in PERMISSION if word in said]
    return found


def permission_leaves_as_a_yes_or_no(manifest: Manifest) -> list[str]:
    """A regime or an age is a column of the staged customers and int_consent_subjects alone."""
    return [
        f"{node['name']} has the column {column}"
        for node in models(manifest)
        for column in node["columns"]
        if column in (*PERMISSION, "regime", "under_age", "needs_consent")
        and node["name"] not in (CUSTOMERS, CONSENT_SUBJECTS)
    ]


def primary_keys_tested(manifest: Manifest) -> list[str]:
    """Every model has a test of its key, or says in `meta` why not."""
    found = []
    for node in models(manifest):
        tested = {t["test_metadata"]["name"] for t in tests_of(manifest, node)}
        reason = node["config"]["meta"].get("primary_key", "")
        has_key = bool(tested & {"unique", "unique_combination"})
        if not has_key and (node["name"] not in WITHOUT_KEY_TEST or len(reason) < LEAST_REASON):
            found.append(f"{node['name']} has no test of its key, and no reason")
        if has_key and reason:
            found.append(f"{node['name']} has both a test of its key and a reason for none")
    return found


def every_model_tested(manifest: Manifest) -> list[str]:
    """Every model has a data test; a view that joins lines to permission may have a unit test.

    Its rows would have to be computed to be tested, at the cost of the mart that is made from them.
    """
    tried = {u["model"] for u in manifest["unit_tests"].values()}
    return [
        f"{n['name']} has no test"
        for n in models(manifest)
        if not tests_of(manifest, n)
        and not (n["name"].endswith("_categories") and n["name"] in tried)
    ]


def everything_described(manifest: Manifest) -> list[str]:
    """Every model, column, source, table and unit test has a description."""
    found = [f"{n['name']}" for n in models(manifest) if not n["description"]]
    for node in models(manifest):
        found += [f"{node['name']}.{c}" for c, m in node["columns"].items() if not m["description"]]
        if not node["columns"]:
            found.append(f"{node['name']} documents no column")
    for source in manifest["sources"].values():
        if not source["description"] or not source["source_description"]:
            found.append(f"source {source['name']}")
    found += [f"{u['name']}" for u in manifest["unit_tests"].values() if not u["description"]]
    return [f"no description: {name}" for name in found]


def staged_columns_documented(manifest: Manifest) -> list[str]:
    """The columns that a staging model selects are those that its YAML documents."""
    found = []
    for node in (n for n in models(manifest) if layer(n) == "staging"):
        body = re.search(r"renamed as \(\s*select(.*?)from source", code(node), re.S)
        written = [c.split()[-1] for c in body.group(1).split(",")] if body else []
        if sorted(written) != sorted(node["columns"]):
            odd = sorted({*written} ^ {*node["columns"]})
            found.append(f"{node['name']}: SQL and YAML differ in {', '.join(odd)}")
    return found


def names_by_layer(manifest: Manifest) -> list[str]:
    """Names begin with their layer's prefix and say what the rows are."""
    return [
        f"{node['name']} in {layer(node)}"
        for node in models(manifest)
        if layer(node) not in NAMES or not re.fullmatch(NAMES[layer(node)], node["name"])
    ]


def names_are_unique_files(manifest: Manifest) -> list[str]:
    """Asset = table = file: alias, name and file name agree, the schema is the layer."""
    return [
        node["name"]
        for node in models(manifest)
        if not (
            node["alias"] == node["name"]
            and node["path"] == f"{layer(node)}/{node['name']}.sql"
            and node["schema"] == layer(node)
            and node["database"] == "warehouse"
        )
    ]


def contracts_enforced(manifest: Manifest) -> list[str]:
    """Consented models and marts have an enforced contract, each column a type."""
    found = []
    for node in (n for n in models(manifest) if layer(n) != "staging"):
        if not node["config"]["contract"]["enforced"]:
            found.append(f"{node['name']} has no contract")
        found += [
            f"{node['name']}.{name} has no type"
            for name, column in node["columns"].items()
            if not column["data_type"]
        ]
    return found


def marts_alone_are_public(manifest: Manifest) -> list[str]:
    """Marts are public, everything before them private."""
    return [
        f"{node['name']} is {node['access']}"
        for node in models(manifest)
        if node["access"] != ("public" if layer(node) == "marts" else "private")
    ]


def exposures_on_marts(manifest: Manifest) -> list[str]:
    """An exposure reads marts, which are tables; it says who answers for it."""
    found = []
    for exposure in manifest["exposures"].values():
        for parent in parents(manifest, exposure):
            kind = parent["config"].get("materialized")
            if parent.get("access") != "public" or kind not in ("table", "incremental"):
                found.append(f"{exposure['name']} reads {parent['name']}")
        if not exposure["owner"].get("name") or not exposure["description"]:
            found.append(f"{exposure['name']} has no owner or no description")
    return found


def marts_exposed(manifest: Manifest) -> list[str]:
    """Every mart has a consumer."""
    read = {i for e in manifest["exposures"].values() for i in e["depends_on"]["nodes"]}
    return [
        f"nobody reads {node['name']}"
        for node in models(manifest)
        if layer(node) == "marts" and node["unique_id"] not in read
    ]


def few_parents(manifest: Manifest) -> list[str]:
    """No model reads seven others or more."""
    found = []
    for node in models(manifest):
        count = len({p["name"] for p in parents(manifest, node)})
        if count > MOST_PARENTS:
            found.append(f"{node['name']} reads {count} models")
    return found


def short_chains_of_views(manifest: Manifest) -> list[str]:
    """At most five views are chained before something is a table."""

    def length(node: Node) -> int:
        if node["resource_type"] == "source" or node["config"]["materialized"] != "view":
            return 0
        return 1 + max((length(parent) for parent in parents(manifest, node)), default=0)

    return [
        f"{node['name']} ends a chain of {length(node)} views"
        for node in models(manifest)
        if length(node) > MOST_VIEWS
    ]


def sql_alone(manifest: Manifest) -> list[str]:
    """No Python model, and no snapshot, seed or operation that a rule here wouldn't see."""
    odd = [n for n in manifest["nodes"].values() if n["resource_type"] not in ("model", "test")]
    python = [n for n in models(manifest) if n["language"] != "sql"]
    return [f"{n['name']} is a {n['resource_type']} in {n['language']}" for n in odd + python]


def nothing_from_outside(manifest: Manifest) -> list[str]:
    """No model or macro asks for an environment variable, a file or another database."""
    outside = re.compile(
        r"\bread_\w+\s*\(|\bglob\s*\(|\battach\b|\binstall\b|\bload\s+\w+|\bcopy\b"
        r"|\bgetenv\b|\bvault\b|\bsalts\b|\b(httpfs|sqlite_scan|postgres_scan)\b"
    )
    texts = [(n["name"], n["raw_code"]) for n in manifest["nodes"].values() if n.get("raw_code")]
    texts += [
        (m["name"], m["macro_sql"])
        for m in manifest["macros"].values()
        if m["package_name"] == "assent"
    ]
    found = []
    for name, text in texts:
        found += [f"{name} has '{match.group()}'" for match in outside.finditer(bare(text))]
        if "env_var" in text:  # rendered in a comment of SQL too
            found.append(f"{name} has 'env_var'")
    return found


def tests_block(manifest: Manifest) -> list[str]:
    """Every data test is of severity error."""
    return [
        n["name"]
        for n in manifest["nodes"].values()
        if n["resource_type"] == "test" and n["config"]["severity"].lower() != "error"
    ]


def rows_joined_to_permission(manifest: Manifest) -> list[str]:
    """Whatever a mart reads, but the clocks, comes from permission."""
    return [
        f"{node['name']} reads {parent['name']}"
        for node in models(manifest) if layer(node) == "marts"
        for parent in parents(manifest, node)
        if parent["name"] != CLOCKS and not comes_from_permission(manifest, parent)
    ]  # fmt: skip


def comes_from_permission(manifest: Manifest, node: Node) -> bool:
    """Tell whether a model joins its rows to permission, or reads none but such models."""
    above = [p for p in parents(manifest, node) if p["name"] != CLOCKS]
    if "int_consent_permitted" in {node["name"], *(p["name"] for p in above)}:
        return True
    consented = layer(node) == "consented" and bool(above)
    return consented and all(comes_from_permission(manifest, p) for p in above)


def one_purpose_per_mart(manifest: Manifest) -> list[str]:
    """A mart reads the rows of its own purpose, and carries its own key alone."""
    found = []
    for node in (n for n in models(manifest) if layer(n) == "marts"):
        keys = [c for c in node["columns"] if c.endswith("_key")]
        purpose = keys[0].removesuffix("_key") if keys else ""
        if len(keys) != 1 or purpose not in node["name"]:
            found.append(f"{node['name']} has the keys {keys}")
        found += [
            f"{node['name']} reads {parent['name']}"
            for parent in parents(manifest, node)
            if not parent["name"].startswith((f"int_{purpose}_", "int_consent_", "stg_landing__"))
        ]
    return found


RULES: tuple[Rule, ...] = (
    sources_only_in_staging,
    every_source_staged_once,
    staging_is_one_to_one,
    layers_in_order,
    crosswalk_read_by_permission_alone,
    permission_attributes_stay,
    permission_leaves_as_a_yes_or_no,
    primary_keys_tested,
    every_model_tested,
    everything_described,
    staged_columns_documented,
    names_by_layer,
    names_are_unique_files,
    contracts_enforced,
    marts_alone_are_public,
    exposures_on_marts,
    marts_exposed,
    few_parents,
    short_chains_of_views,
    sql_alone,
    nothing_from_outside,
    tests_block,
    rows_joined_to_permission,
    one_purpose_per_mart,
)
