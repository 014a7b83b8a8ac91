"""The lineage of one column, for people: what it is made from and what is made from it.

Belongs here: finding a column by its name, the trace of it as data and as text. Does not belong
here: printing it (``orchestration``), judging it (``governance.gate``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from governance.lineage.graph import Form, Lineage, Ref
from governance.lineage.landing import Meaning, meaning
from governance.lineage.marts import MART, mart_purpose
from governance.policy.columns import allowed_columns, column_class
from governance.policy.model import Policy
from governance.policy.problems import nearest
from governance.policy.words import DELICACY
from warehouse.errors import UsageError

_UNLISTED = "not in the policy"
_FORMS = {Form.RAW: "", Form.LABEL: "", Form.PICKED: "one of many", Form.FIGURE: "aggregated"}


@dataclass(frozen=True)
class Description:
    """The lineage of the columns of one name; ``str`` gives it as text."""

    traces: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data: ``columns``, a list of traces (see :func:`trace`)."""
        return {"columns": list(self.traces)}

    def __str__(self) -> str:
        """Return all traces as indented text."""
        return "\n\n".join(text_of(traced) for traced in self.traces)


def describe(lineage: Lineage, policy: Policy, name: str) -> Description:
    """Return the lineage of a column, up and down, with classes.

    Parameters
    ----------
    lineage : Lineage
        The graph.
    policy : Policy
        Knows the classes.
    name : str
        ``model.column``, or the column alone.

    Raises
    ------
    UsageError
        If there is no such column; it names the nearest.
    """
    columns = columns_named(lineage, name)
    return Description(tuple(trace(policy, lineage, column) for column in columns))


def columns_named(lineage: Lineage, name: str) -> list[Ref]:
    """Return the columns of a name: ``model.column``, or the column alone.

    Where columns of one name are made from one another, the first is meant: its lineage shows the
    others.

    Raises
    ------
    UsageError
        If there is no such column; it names the nearest.
    """
    relation, _, column = name.strip().lower().rpartition(".")
    fits = [ref for ref in _all(lineage) if ref.column == column and _is(ref, relation)]
    if fits:
        return [ref for ref in fits if not (lineage.ancestors([ref]) - {ref}) & set(fits)]
    known = [str(ref) for ref in _all(lineage)]
    if relation in lineage.relations:
        known = [f"{relation}.{other}" for other in lineage.relations[relation].columns]
    elif not relation:
        known = sorted({ref.column for ref in _all(lineage)})
    raise UsageError(
        "no relation has such a column",
        nearest(name.lower(), known, "columns are named `model.column`, or by the column alone"),
    )


def trace(policy: Policy, lineage: Lineage, column: Ref) -> dict[str, Any]:
    """Return what a column is made from and what is made from it, with classes.

    Returns
    -------
    dict
        ``column``, ``class``, ``attribute`` (of a landed column), ``made_from`` and ``goes_into``:
        lists of the same shape, each step with its ``form``; ``counts_rows``: whether it is made
        from no column but the number of rows; ``chooses_rows_of``: models that it
        filters, joins or groups. A column met a second time isn't opened again (``seen``).
    """
    made = lineage.made(*column)
    up = _Walk(policy, lineage, lambda ref: _parents(lineage, ref))
    down = _Walk(policy, lineage, lambda ref: _children(lineage, ref))
    return {
        **_described(policy, lineage, column),
        "counts_rows": made is not None and made.aggregate and not made.refs,
        "chooses_rows_of": sorted(lineage.used_by(*column)),
        "made_from": up.steps(column),
        "goes_into": down.steps(column),
    }


def text_of(traced: dict[str, Any]) -> str:
    """Return a trace as indented text."""
    lines = [_line(traced), "  made from"]
    nothing = "the number of rows" if traced["counts_rows"] else "nothing else"
    lines += _indented(traced["made_from"], 2) or [f"    {nothing}"]
    lines.append("  goes into")
    lines += _indented(traced["goes_into"], 2) or ["    nothing else"]
    if traced["chooses_rows_of"]:
        lines += ["  chooses, joins or groups rows of"]
        lines += [f"    {model}" for model in traced["chooses_rows_of"]]
    return "\n".join(lines)


def class_of(policy: Policy, lineage: Lineage, column: Ref) -> str:
    """Return the class of any column: what a model's YAML says, else that of :func:`made_class`.

    A test holds the YAML to the policy, and to what columns are made from.
    """
    found = lineage.relations.get(column.relation)
    return (found and found.classes.get(column.column)) or made_class(policy, lineage, column)


def made_class(policy: Policy, lineage: Lineage, column: Ref) -> str:
    """Return the class of what a column is made from: the most delicate of its origins.

    Where it comes through a column of a mart, or is one, what the policy says that this is made
    from counts too.
    """
    classes = [_class_of_origin(policy, ref) for ref in lineage.forms_of({column: Form.RAW})]
    for relation, name in lineage.ancestors([column]):
        purpose = mart_purpose(policy, relation) if relation.startswith(MART) else None
        if purpose and name in allowed_columns(policy, purpose):
            classes.append(column_class(policy, purpose, name))
    return min(classes, key=(_UNLISTED, *DELICACY).index, default="other")


def _class_of_origin(policy: Policy, origin: Ref) -> str:
    meant = meaning(origin)
    if isinstance(meant, Meaning):
        return "pseudonym" if meant is Meaning.KEY else "other"
    attribute = policy.attributes.get(meant or origin.column)
    return attribute.class_ if attribute else _UNLISTED


class _Walk:
    """Walks the graph in one direction and opens every column once."""

    def __init__(
        self,
        policy: Policy,
        lineage: Lineage,
        follow: Callable[[Ref], list[tuple[Ref, Form]]],
    ) -> None:
        self.policy, self.lineage, self.follow = policy, lineage, follow
        self.seen: set[Ref] = set()

    def steps(self, column: Ref) -> list[dict[str, Any]]:
        return [self._step(ref, form) for ref, form in self.follow(column)]

    def _step(self, ref: Ref, form: Form) -> dict[str, Any]:
        step = {**_described(self.policy, self.lineage, ref), "form": _FORMS[form]}
        more = bool(self.follow(ref))
        if ref in self.seen:
            return {**step, "seen": more, "steps": []}
        self.seen.add(ref)
        return {**step, "seen": False, "steps": self.steps(ref)}


def _described(policy: Policy, lineage: Lineage, ref: Ref) -> dict[str, Any]:
    meant = meaning(ref)
    return {
        "column": str(ref),
        "class": class_of(policy, lineage, ref),
        "attribute": meant if isinstance(meant, str) else None,
    }


def _parents(lineage: Lineage, ref: Ref) -> list[tuple[Ref, Form]]:
    made = lineage.made(*ref)
    return sorted(made.refs.items()) if made else []


def _children(lineage: Lineage, ref: Ref) -> list[tuple[Ref, Form]]:
    return [
        (child, lineage.relations[child.relation].columns[child.column].refs[ref])
        for child in sorted(lineage.downstream(*ref))
    ]


def _line(step: dict[str, Any]) -> str:
    notes = [step["class"]]
    if step["attribute"]:
        notes.insert(0, f"attribute {step['attribute']}")
    if step.get("form"):
        notes.append(step["form"])
    return f"{step['column']} ({', '.join(notes)}){' ...' if step.get('seen') else ''}"


def _indented(steps: list[dict[str, Any]], depth: int) -> list[str]:
    lines = []
    for step in steps:
        lines.append("  " * depth + _line(step))
        lines += _indented(step["steps"], depth + 1)
    return lines


def _all(lineage: Lineage) -> Iterator[Ref]:
    for relation in lineage.relations.values():
        for column in relation.columns:
            yield Ref(relation.name, column)


def _is(ref: Ref, relation: str) -> bool:
    return not relation or ref.relation == relation or ref.relation.endswith(f".{relation}")
