"""Which assets the column gate and the rights know of; Dagster loads no others.

Belongs here: whether somebody has told what an asset holds, whether its code is read or ours, and
whether what it returns would be stored.
Does not belong here: what columns are made from (``orchestration.columns``), reading code
(``governance.lineage.reach``).

What an asset leaves anywhere but in a known table, an erasure wouldn't find. So one that was merely
added to the definitions keeps them from loading: nothing runs then, by whatever way it was started.
An asset that runs nothing here (a mention of what is made elsewhere) is left alone, and so are
checks, jobs and sensors: they hold nothing.
"""

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import dagster as dg

from governance.findings import RULE, Finding
from orchestration.columns import code_modules, names_of_python_assets
from orchestration.manifest import lineage, policy
from orchestration.metadata import asset_key
from orchestration.values import NoValues
from warehouse.errors import PolicyGapError

# Of ours, the modules whose assets read more than the door hands out: they are what is known.
OURS = frozenset(
    f"orchestration.{name}"
    for name in ("consent_statistics", "door", "land", "published", "transform")
)
DBT = "orchestration.transform"  # its assets are models, each of which the gate judges

STORES_NOTHING = "io_manager"  # Dagster's default place of values, which ours refuses to be
DEFINED = "orchestration/definitions.py"
NO_PLACE = (
    f"give no io manager but `{STORES_NOTHING}`, which is NoValues() in {DEFINED}: rows are kept by"
    ' the door (docs/checks.md, "Adding a Python asset")'
)
REMEDY = (
    'take it out of orchestration/definitions.py, or tell about it as docs/checks.md, "Adding a'
    ' Python asset", says'
)


class AssetsUntoldError(PolicyGapError):
    """The definitions have assets that nobody told about (exit status 1)."""

    def __init__(self, findings: list[Finding]) -> None:
        gaps = f"{len(findings)} gap{'s' if len(findings) != 1 else ''}"
        lines = [f"the column gate is closed: {gaps}", *(f"  {finding}" for finding in findings)]
        super().__init__("\n".join(lines), "until then nothing runs; `assent check` judges anew")
        self.findings = findings


def require_told(defs: dg.Definitions) -> None:
    """Refuse definitions with an asset that nobody told about.

    Raises
    ------
    AssetsUntoldError
        Naming each, with the module that it is made in.
    """
    if findings := untold(defs):
        raise AssetsUntoldError(findings)


def untold(defs: dg.Definitions) -> list[Finding]:
    """Return the assets of definitions that can't be judged, as gaps."""
    graph = defs.resolve_asset_graph()
    known = _known_keys()
    read = code_modules() | OURS
    found = _of_the_place(defs)
    brought = _brought(defs)
    for key in sorted(graph.get_all_asset_keys()):
        definition = graph.get(key).assets_def
        if not definition.is_executable:
            continue
        modules = set(_modules(definition))
        why = []
        if key not in known and modules != {DBT}:
            why.append("nobody has told what it is made from, so that no erasure would find it")
        if strange := sorted(modules - read):
            why.append(f"its code is in {', '.join(strange)}, which the gate doesn't read")
        if why:
            what = f"can't be judged: {', and '.join(why)}"
            found.append(Finding("gap", RULE, "", ".".join(key.path), (), what, REMEDY))
        if places := sorted(_places(definition) | brought.get(key, set())):
            what = f"would have values stored in clear, where no erasure looks: {', '.join(places)}"
            found.append(Finding("gap", RULE, "", ".".join(key.path), (), what, NO_PLACE))
    return found


def _of_the_place(defs: dg.Definitions) -> list[Finding]:
    """Return a gap if what assets return is stored by anything but what stores nothing."""
    place = (defs.resources or {}).get(STORES_NOTHING)
    if isinstance(place, NoValues):
        return []
    kind = "no io manager of ours" if place is None else type(place).__name__
    what = f"has {kind} as `{STORES_NOTHING}`, which would store values of assets in clear"
    return [Finding("gap", RULE, "", DEFINED, (), what, NO_PLACE)]


def _places(definition: dg.AssetsDefinition) -> set[str]:
    """Return the io managers of an asset, of all its steps, by which values would be stored."""
    steps = definition.node_def.iterate_op_defs()
    keys = {output.io_manager_key for step in steps for output in step.output_defs}
    return keys - {STORES_NOTHING}


def _brought(defs: dg.Definitions) -> dict[dg.AssetKey, set[str]]:
    """Return what assets bring in the default's place: it wins over that of the definitions."""
    made = [a for a in defs.assets or () if isinstance(a, dg.AssetsDefinition)]
    own = f"{STORES_NOTHING} of its own"
    return {key: {own} for a in made if STORES_NOTHING in a.resource_defs for key in a.keys}


def _known_keys() -> set[dg.AssetKey]:
    """Return the assets that lineage knows of; dbt's are its models, whatever their names are."""
    graph = lineage()
    names = {n for n, r in graph.relations.items() if r.kind in ("source", "python")}
    return {asset_key(name) for name in names | names_of_python_assets(policy())}


def _modules(definition: dg.AssetsDefinition) -> Iterator[str]:
    """Return the modules whose functions make an asset, of all its steps."""
    for op in definition.node_def.iterate_op_defs():
        compute: Any = op.compute_fn
        yield from _modules_of(getattr(compute, "decorated_fn", compute), set())


def _modules_of(function: Any, seen: set[int]) -> Iterator[str]:
    """Return the module of a function, and of those that it was made around, as the door is."""
    if id(function) in seen:
        return
    seen.add(id(function))
    if isinstance(function, functools.partial):
        yield from _modules_of(function.func, seen)
        return
    yield function.__module__ if _is_function(function) else type(function).__module__
    for inner in _closed_over(function):
        if _is_function(inner):
            yield from _modules_of(inner, seen)


def _is_function(found: object) -> bool:
    """Tell whether something is written in Python, so that a module has its code."""
    return (
        inspect.isfunction(found) or inspect.ismethod(found) or isinstance(found, functools.partial)
    )


def _closed_over(function: object) -> Iterator[object]:
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # empty yet
            yield cell.cell_contents
