"""The lineage graph: relations, their columns, what each is made from and what chooses their rows.

Belongs here: the graph, walking it, its form as JSON. Does not belong here: SQL (``query``), dbt's
manifest (``build``), the policy (``governance.gate``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal, NamedTuple

UNKNOWN = "?"  # the relation of a column that no relation in reach has
Kind = Literal["source", "model", "python", "operation"]


class Ref(NamedTuple):
    """A column of a relation: of a model (``mart_segmentation``) or a source (``landing.x``)."""

    relation: str
    column: str

    def __str__(self) -> str:
        """Return ``relation.column``."""
        return f"{self.relation}.{self.column}"


class Form(IntEnum):
    """How far a value is from the column that it is made from, the nearest first.

    ``LABEL`` names a group (it occurs inside one model only); ``PICKED`` is one value out of many
    (least, greatest, most frequent); ``FIGURE`` says something about many values (count, sum).
    """

    RAW = 0
    LABEL = 1
    PICKED = 2
    FIGURE = 3


@dataclass(frozen=True)
class Made:
    """What a value is made from.

    Attributes
    ----------
    refs : mapping of Ref to Form
        The columns it is made from, each in the nearest form in which it occurs.
    aggregate : bool
        Whether other rows are involved: an aggregate, a window, a query within the expression.
        ``count(*)`` is one without any columns.
    copied : bool
        Whether it is the value of a column as it stands; in a union, of one in each part.
    """

    refs: Mapping[Ref, Form] = field(default_factory=dict)
    aggregate: bool = False
    copied: bool = False


def combined(parts: Iterable[Made]) -> Made:
    """Return what a value is made from that mixes others."""
    refs: dict[Ref, Form] = {}
    aggregate, parts = False, list(parts)
    for part in parts:
        aggregate = aggregate or part.aggregate
        for ref, form in part.refs.items():
            refs[ref] = min(form, refs.get(ref, form))
    return Made(refs, aggregate, copied=bool(parts) and all(part.copied for part in parts))


@dataclass(frozen=True)
class Use:
    """Columns that choose, join or group rows together, in one condition (``clause`` says where).

    The conditions of one ``and`` are uses of their own.
    """

    clause: str
    refs: frozenset[Ref]


@dataclass(frozen=True)
class Relation:
    """A source, a model, a Python asset, or an operation that dbt runs beside the models.

    Attributes
    ----------
    columns : mapping
        Its columns, in order; those of a source are made from nothing.
    uses : tuple of Use
        What else it reads: filters, joins, groups.
    unread : tuple of str
        Why something in it can't be read, if so; what can't be read can't be judged.
    purpose : str
        The purpose that a Python asset serves.
    reads : frozenset of str
        The relations that its SQL names, be it without a column (``count(*)``).
    classes : mapping
        The class that a dbt model's YAML gives a column. It is for people; nothing is judged by it.
    """

    name: str
    kind: Kind
    columns: Mapping[str, Made]
    uses: tuple[Use, ...] = ()
    unread: tuple[str, ...] = ()
    purpose: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()


class Lineage:
    """The graph of all columns.

    Parameters
    ----------
    relations : iterable of Relation
        Sources, models, Python assets.
    """

    def __init__(self, relations: Iterable[Relation]) -> None:
        self.relations: dict[str, Relation] = {r.name: r for r in relations}

    def made(self, relation: str, column: str) -> Made | None:
        """Return what a column is made from; None where the graph ends."""
        found = self.relations.get(relation)
        if found is None or found.kind == "source":
            return None
        return found.columns.get(column)

    def upstream(self, model: str, column: str) -> frozenset[Ref]:
        """Return the columns that a column is directly made from."""
        made = self.made(model, column)
        return frozenset(made.refs) if made else frozenset()

    def downstream(self, relation: str, column: str) -> frozenset[Ref]:
        """Return the columns that are directly made from a column."""
        return frozenset(self._children.get(Ref(relation, column), ()))

    def forms(self, model: str, column: str) -> dict[Ref, Form]:
        """Return the origins of a column, each in the nearest form in which it arrives.

        An origin is where the graph ends: a column of a source, or one that isn't known.
        """
        return self.forms_of({Ref(model, column): Form.RAW})

    def forms_of(self, refs: Mapping[Ref, Form]) -> dict[Ref, Form]:
        """Return the origins of several columns together; see :meth:`forms`."""
        nearest: dict[Ref, Form] = {}
        waiting = list(refs.items())
        while waiting:
            ref, form = waiting.pop()
            if nearest.get(ref, Form.FIGURE + 1) <= form:
                continue
            nearest[ref] = form
            made = self.made(*ref)
            if made:
                waiting += [(parent, max(form, step)) for parent, step in made.refs.items()]
        return {ref: form for ref, form in sorted(nearest.items()) if self.made(*ref) is None}

    def origins(self, model: str, column: str) -> frozenset[Ref]:
        """Return the columns of sources (or unknown ones) that a column is made from at last."""
        return frozenset(self.forms(model, column))

    def is_copy(self, column: Ref, of: Ref) -> bool:
        """Tell whether a column is another, or a copy of it and nothing else by all models between.

        No origin: the other one may be of a model.
        """
        waiting, seen = [column], set[Ref]()
        while waiting:
            ref = waiting.pop()
            if ref != of and ref not in seen:
                made = self.made(*ref)
                if made is None or not made.copied:
                    return False
                waiting += made.refs
            seen.add(ref)
        return of in seen

    def uses(self, model: str) -> tuple[Use, ...]:
        """Return what a model reads besides the values of its columns: filters, joins, groups."""
        found = self.relations.get(model)
        return found.uses if found else ()

    def used_by(self, relation: str, column: str) -> frozenset[str]:
        """Return the models whose rows a column chooses, joins or groups."""
        return frozenset(self._users.get(Ref(relation, column), ()))

    def model_columns(self, model: str) -> dict[str, list[Ref]]:
        """Return every column of a relation with the columns it is directly made from."""
        found = self.relations[model]
        return {name: sorted(made.refs) for name, made in found.columns.items()}

    def parents(self, model: str) -> frozenset[str]:
        """Return the relations that a relation reads, for values or for the choice of rows."""
        found = self.relations.get(model)
        if found is None:
            return frozenset()
        read = {ref.relation for made in found.columns.values() for ref in made.refs}
        return found.reads | read | {ref.relation for use in found.uses for ref in use.refs}

    def ancestors(self, refs: Iterable[Ref]) -> set[Ref]:
        """Return columns and all that they are made from, at any distance."""
        return _reached(refs, lambda ref: self.upstream(*ref))

    def descendants(self, refs: Iterable[Ref]) -> set[Ref]:
        """Return columns and all that is made from them, at any distance."""
        return _reached(refs, lambda ref: self.downstream(*ref))

    def with_python(
        self, node: str, columns: Mapping[str, Sequence[tuple[str, str]]], *, purpose: str,
        unread: Sequence[str] = (),
    ) -> "Lineage":  # fmt: skip
        """Return a graph with a Python asset in it.

        Parameters
        ----------
        node : str
            Name of the asset; one of that name is replaced.
        columns : mapping
            Each of its columns (features, results) with the columns it is made from.
        purpose : str
            The purpose that it serves, to which its inputs are held.
        unread : sequence of str
            Why it may read more than it says, if so.
        """
        made = {name: Made({Ref(*ref): Form.RAW for ref in refs}) for name, refs in columns.items()}
        added = Relation(node, "python", made, unread=tuple(unread), purpose=purpose)
        return Lineage([*self.relations.values(), added])

    def as_dict(self) -> dict[str, Any]:
        """Return the graph as JSON-able data."""
        return {name: _plain(relation) for name, relation in self.relations.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Lineage":
        """Return the graph that :meth:`as_dict` wrote."""
        return cls(_relation(name, block) for name, block in data.items())

    def __eq__(self, other: object) -> bool:
        """Compare by what the graphs hold."""
        return isinstance(other, Lineage) and self.relations == other.relations

    __hash__ = None  # type: ignore[assignment]

    def _made_of(self, ref: Ref) -> Made:
        return self.made(*ref) or Made()

    @cached_property
    def _children(self) -> dict[Ref, list[Ref]]:
        found: dict[Ref, list[Ref]] = {}
        for child, made in self._all_made():
            for parent in made.refs:
                found.setdefault(parent, []).append(child)
        return found

    @cached_property
    def _users(self) -> dict[Ref, set[str]]:
        found: dict[Ref, set[str]] = {}
        for relation in self.relations.values():
            for use in relation.uses:
                for ref in use.refs:
                    found.setdefault(ref, set()).add(relation.name)
        return found

    def _all_made(self) -> Iterator[tuple[Ref, Made]]:
        for relation in self.relations.values():
            for column, made in relation.columns.items():
                yield Ref(relation.name, column), made


def _reached(start: Iterable[Ref], step: Any) -> set[Ref]:
    reached: set[Ref] = set()
    waiting = list(start)
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += step(ref)
    return reached


def _plain(relation: Relation) -> dict[str, Any]:
    return {
        "kind": relation.kind,
        "columns": {
            name: {
                "aggregate": made.aggregate,
                "copied": made.copied,
                "refs": [[*ref, int(form)] for ref, form in sorted(made.refs.items())],
            }
            for name, made in relation.columns.items()
        },
        "uses": [[use.clause, [list(ref) for ref in sorted(use.refs)]] for use in relation.uses],
        "unread": list(relation.unread),
        "purpose": relation.purpose,
        "classes": dict(relation.classes),
        "reads": sorted(relation.reads),
    }


def _relation(name: str, block: Mapping[str, Any]) -> Relation:
    columns = {
        column: Made(
            {Ref(model, source): Form(form) for model, source, form in made["refs"]},
            made["aggregate"],
            made["copied"],
        )
        for column, made in block["columns"].items()
    }
    uses = tuple(
        Use(clause, frozenset(Ref(*ref) for ref in refs)) for clause, refs in block["uses"]
    )
    return Relation(
        name, block["kind"], columns, uses, tuple(block["unread"]), block["purpose"],
        block["classes"], frozenset(block["reads"]),
    )  # fmt: skip
