"""What dbt has run, held to what had been judged.

Belongs here: the graph of what ran, where it isn't the one that was judged. Does not belong here:
where either is kept (``orchestration.ran``), the verdict (``governance.gate``).

A model that grows by day has two forms, and a run takes one of them: the other is judged once it
has run, as SQL, and before anything of it is published.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from governance.lineage.build import build
from governance.lineage.cache import fingerprint
from governance.lineage.graph import Lineage
from governance.lineage.manifest import models_of

OTHER = "dbt ran other SQL than was judged"
NOT_ON_RECORD = "it isn't on record what dbt ran"


def graph_of_run(
    judged: Mapping[str, Any],
    wrote: Mapping[str, Any],
    ran: Mapping[str, str],
    built: Callable[[Mapping[str, Any]], Lineage] = build,
) -> Lineage | None:
    """Return the lineage of what ran; None if it is what was judged, text for text.

    Parameters
    ----------
    judged : mapping
        The manifest that the column gate read.
    wrote : mapping
        The manifest that the run wrote.
    ran : mapping
        The SQL that dbt ran, by model; of an earlier run, if the last one left the model alone.
    built : callable
        Builds the graph of a manifest; the caller may have it kept.

    Returns
    -------
    Lineage or None
        A model is unread in it if what ran was judged in no form.
    """
    nodes = {
        key: {**node, "compiled_code": ran.get(node["name"].lower())}
        if node["resource_type"] == "model" else node
        for key, node in wrote["nodes"].items()
    }  # fmt: skip
    run = {**wrote, "nodes": nodes}
    if fingerprint(run) == fingerprint(judged):
        return None
    before = models_of(judged)
    unread: dict[str, str] = {}
    for name, node in models_of(run).items():
        by_day = node.get("config", {}).get("materialized") == "incremental"
        if not node["compiled_code"]:
            unread[name] = NOT_ON_RECORD
        elif name not in before or not (
            by_day or node["compiled_code"] == before[name].get("compiled_code")
        ):
            unread[name] = OTHER
    graph = built(run)
    return Lineage(
        replace(relation, unread=(unread[name],)) if name in unread else relation
        for name, relation in graph.relations.items()
    )
