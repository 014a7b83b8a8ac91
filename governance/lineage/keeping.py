"""Models that keep what earlier builds wrote: which may, and in what form.

Belongs here: incremental models, models that read themselves, what is made from either. Does not
belong here: how old rows are (``expectations.ages``), rows of transactions (``governance.dated``).

What an earlier build wrote may be past its retention by now, or from before a consent that doesn't
cover it. So only two kinds of tables keep rows: marts, whose rows are of an `as_of` and judged by
it, and the one table of baskets, whose rows have a day and which each purpose reads anew.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from governance.lineage.jinja import names_itself
from governance.lineage.manifest import Node, models_of
from governance.lineage.marts import MART

BASKETS = "int_transactions_baskets"
# A row is written whole, or left with its `as_of`. None is dbt-duckdb's own choice: delete+insert.
WHOLE_ROWS = (None, "append", "delete+insert")

KEEPS = (
    "it is incremental, which only marts may be, as nobody judges rows of earlier builds in others:"
    " make it a view or a table"
)
CARRIES = "it reads itself: of what it carries on from earlier builds nobody knows how old it is"


def unjudged(name: str, node: Node, macros: Mapping[str, str]) -> Iterator[str]:
    """Return why nobody could judge what a model keeps of earlier builds, if so."""
    if name == BASKETS:
        return
    if _by_day(node):
        strategy = node["config"].get("incremental_strategy")
        if not name.startswith(MART):
            yield KEEPS
        elif strategy not in WHOLE_ROWS:
            yield (
                f"it is incremental by '{strategy}', and a row of today might keep older values:"
                " take 'append' or 'delete+insert'"
            )
    if names_itself(node.get("raw_code") or "", macros):
        yield CARRIES


def built_whole(manifest: Mapping[str, Any]) -> set[str]:
    """Return the models of which no row is of an older `as_of` than that of their build.

    A mart that is incremental has such rows, and so may what is made from it.
    """
    models = models_of(manifest)
    names = {node["unique_id"]: name for name, node in models.items()}
    keeping = [name for name, node in models.items() if name.startswith(MART) and _by_day(node)]
    older = set(keeping)
    while keeping:
        kept = keeping.pop()
        children = {
            name for name, node in models.items()
            if kept in map(names.get, node.get("depends_on", {}).get("nodes", ()))
        }  # fmt: skip
        keeping += children - older
        older |= children
    return set(models) - older


def _by_day(node: Node) -> bool:
    return bool(node.get("config", {}).get("materialized") == "incremental")
