"""The lineage graph of a dbt project, from its manifest.

Belongs here: which name in SQL means which relation, and the order of reading. Does not belong
here: reading one model's SQL (``query``, ``hidden``), keeping the graph (``cache``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from governance.lineage.graph import Form, Lineage, Made, Ref, Relation, Use
from governance.lineage.hidden import expanded, hidden_uses, is_dynamic
from governance.lineage.jinja import asked
from governance.lineage.keeping import BASKETS, CARRIES, unjudged
from governance.lineage.landing import SOURCES
from governance.lineage.manifest import (
    Node,
    classes_of,
    hooks_of,
    macros_of,
    models_of,
    operations_of,
    stores,
    tests_of,
    unread_of,
)
from governance.lineage.marts import MART
from governance.lineage.query import read
from governance.lineage.scope import Table, UnreadableError

TEST = "test_"  # so dbt calls the macro of a generic test, which is no part of a model
DECIDED = "the SQL that runs may be another than the one that is judged"
RUNS = "it runs statements while SQL is being written"
KEEPS = "it keeps the rows that it finds (store_failures), which no erasure reaches"


def build(manifest: Mapping[str, Any], sources: Mapping[str, Sequence[str]] = SOURCES) -> Lineage:
    """Return the lineage of a compiled dbt project.

    Parameters
    ----------
    manifest : mapping
        dbt's ``manifest.json`` after ``dbt compile --full-refresh``: models with their
        ``compiled_code``.
    sources : mapping
        The columns of the source tables, by ``<schema>.<table>``.

    Returns
    -------
    Lineage
        With every source and model. What can't be read is named in ``Relation.unread``; such a
        column leads to an unknown origin, never to none.
    """
    return _Project(manifest, sources).lineage()


def run_while_compiling(manifest: Mapping[str, Any]) -> list[str]:
    """Return what of a project runs statements while SQL is being written, compiled or not."""
    macros = macros_of(manifest)
    texts = {f"macro {name}": text for name, text in macros.items()}
    for name, node in models_of(manifest).items():
        texts[f"model {name}"] = expanded(node.get("raw_code", ""), macros)
    return [name for name, text in texts.items() if is_dynamic(text)]


class _Project:
    """Reads models when they are first asked for: what they read from comes first."""

    def __init__(self, manifest: Mapping[str, Any], sources: Mapping[str, Sequence[str]]) -> None:
        self.manifest = manifest
        self.sources = {name.lower(): tuple(columns) for name, columns in sources.items()}
        self.models = models_of(manifest)
        self.by_place = dict(self._places())
        nodes = (*self.models.values(), *manifest.get("sources", {}).values())
        self.databases = {str(node["database"]).lower() for node in nodes if node.get("database")}
        self.done: dict[str, Relation] = {}
        self.begun: set[str] = set()

    def lineage(self) -> Lineage:
        for name, known in self.sources.items():
            ends = dict.fromkeys((column.lower() for column in known), Made())
            self.done[name] = Relation(name, "source", ends)
        for name in self.models:
            self.model(name)
        columns = {name: relation.columns for name, relation in self.done.items()}
        macros = macros_of(self.manifest)
        relations = [self._with_hidden(r, columns, macros) for r in self.done.values()]
        return Lineage([*relations, *self._operations(columns, macros)])

    def model(self, name: str) -> Relation:
        """Read a model, once."""
        if name not in self.done:
            self.begun.add(name)
            self.done[name] = self._read(name)
        return self.done[name]

    def _read(self, name: str) -> Relation:
        node = self.models[name]
        try:
            table = str(node.get("alias") or name).lower()
            if table != name and MART in (table[: len(MART)], name[: len(MART)]):
                raise UnreadableError(f"its table has another name, '{table}'")
            if node.get("language", "sql") != "sql":
                raise UnreadableError("it is a Python model, and only SQL can be followed")
            if not node.get("compiled_code"):
                raise UnreadableError("it isn't compiled")
            reads = set[str]()
            result = read(node["compiled_code"], partial(self._table, reads))
        except (UnreadableError, RecursionError) as error:
            why = str(error) if isinstance(error, UnreadableError) else "it is nested too deeply"
            return Relation(name, "model", {}, unread=(why,))
        return Relation(
            name, "model", result.columns, result.uses, classes=classes_of(node),
            reads=frozenset(reads),
        )  # fmt: skip

    def _table(self, reads: set[str], parts: tuple[str, ...]) -> Table | None:
        name = self.by_place.get(parts[-2:])
        if name is None or (self.databases and not {*parts[:-2]} <= self.databases):
            return None
        reads.add(name)
        if name in self.begun and name not in self.done:
            if name != BASKETS:
                raise UnreadableError(CARRIES)
            columns = tuple(self.models[name].get("columns", ()))
        else:
            relation = self.done[name] if name in self.done else self.model(name)
            columns = tuple(relation.columns)
            if relation.unread:
                return Table("", {}, unknown=name)
        refs = {
            column: Made({Ref(name, column): Form.RAW}, copied=True)
            for column in (column.lower() for column in columns)
        }
        return Table("", refs)

    def _places(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Return the names under which SQL may name a relation, the surest ones last."""
        for name in self.models:
            yield (name,), name
        for name in self.sources:
            yield tuple(name.split(".")), name
        for node in self.manifest.get("sources", {}).values():
            name = f"{node['source_name']}.{node['name']}".lower()
            table = str(node.get("identifier") or node["name"]).lower()
            if name in self.sources:
                yield (str(node["schema"]).lower(), table), name
        for name, node in self.models.items():
            table = str(node.get("alias") or name).lower()
            yield (str(node["schema"]).lower(), table), name

    def _with_hidden(
        self, relation: Relation, columns: Mapping[str, Any], macros: Mapping[str, str]
    ) -> Relation:
        node = self.models.get(relation.name)
        if node is None:
            return relation
        found = hidden_uses(
            node.get("raw_code", ""),
            hooks_of(node),
            macros,
            columns,
            {relation.name, *self._depends_on(node)},
        )
        uses = tuple(dict.fromkeys([*relation.uses, *found.uses]))
        texts = (node.get("raw_code") or "", *hooks_of(node))
        unread = (*relation.unread, *found.unread, *self._asked(*texts))
        unread += tuple(unjudged(relation.name, node, macros))
        return replace(relation, uses=uses, unread=tuple(dict.fromkeys(unread)))

    def _asked(self, *texts: str) -> tuple[str, ...]:
        """Return why texts in Jinja may write other SQL when they run, if they may."""
        metadata = self.manifest.get("metadata", {})
        own = {name for name in macros_of(self.manifest) if not name.startswith(TEST)}
        found = {what for t in texts for what in asked(t, own, metadata.get("project_name", ""))}
        return (f"its Jinja asks for {', '.join(sorted(found))}: {DECIDED}",) if found else ()

    def _depends_on(self, node: Node) -> Iterator[str]:
        for unique_id in node.get("depends_on", {}).get("nodes", ()):
            kind, *_, name = unique_id.split(".")
            if kind == "model":
                yield name
            elif unique_id in self.manifest.get("sources", {}):
                source = self.manifest["sources"][unique_id]
                yield f"{source['source_name']}.{source['name']}"

    def _operations(
        self, columns: Mapping[str, Any], macros: Mapping[str, str]
    ) -> Iterator[Relation]:
        for node in operations_of(self.manifest):
            near = set(self._depends_on(node))
            found = hidden_uses("", [node.get("raw_code", "")], macros, columns, near)
            uses: tuple[Use, ...] = found.uses
            unread = (*found.unread, *self._asked(node.get("raw_code", "")))
            yield Relation(node["name"], "operation", {}, uses, unread)
        others = unread_of(self.manifest)
        tests = {n["name"]: n.get("raw_code", "") for n in tests_of(self.manifest)}
        tests |= {name: text for name, text in macros.items() if name.startswith(TEST)}
        others |= {name: RUNS for name, text in tests.items() if is_dynamic(text)}
        others |= {
            node["name"]: KEEPS for node in tests_of(self.manifest) if stores(node)
        }  # fmt: skip
        for name in sorted(macros.keys() - tests.keys() - others.keys()):
            if why := self._asked(macros[name]):
                others[name] = why[0]
        for name, said in others.items():
            # Named apart, so that none takes the place of a model.
            yield Relation(f"dbt/{name}", "operation", {}, unread=(said,))
