"""A YAML file as plain data, with the line and column of every key.

Belongs here: reading YAML, positions, faults of YAML itself (syntax, duplicate keys, aliases,
tags). Does not belong here: what the keys mean. Lists become tuples, so that the models can be
strict and frozen.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from governance.policy.problems import Path, PlacedProblem, PolicyError, Problem, dotted

_TEXT = "tag:yaml.org,2002:str"
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class Place(NamedTuple):
    """A position in the file, counted from 1."""

    line: int
    column: int


class Document:
    """One parsed file.

    Attributes
    ----------
    data : object
        The content as plain data (dict, tuple, str, int, float, bool, date, None).
    problems : list of PlacedProblem
        Faults of the YAML that still let the rest be read.

    Raises
    ------
    PolicyError
        If the text is no YAML document.
    """

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[PlacedProblem] = []
        self._places: dict[Path, Place] = {}
        self._met: set[int] = set()
        self._yaml = YAML(typ="safe", pure=True)
        try:
            root = self._yaml.compose(text)
            self.data = self._plain(root, ()) if root is not None else None
        except MarkedYAMLError as error:
            raise PolicyError(file, (_syntax_problem(error),)) from None
        except YAMLError:
            raise PolicyError(
                file, what="holds characters that YAML forbids", mend="save it as plain UTF-8 text"
            ) from None
        except RecursionError:
            raise PolicyError(
                file, what="is nested too deeply", mend="compare it with the shipped policy.yaml"
            ) from None
        if self.data is None:
            raise PolicyError(file, what="is empty", mend="start from the shipped policy.yaml")

    def placed(self, problem: Problem) -> PlacedProblem:
        """Return a problem with the position of its key, or of the nearest key above it."""
        path = problem.path
        while path and path not in self._places:
            path = path[:-1]
        place = self._places.get(path, Place(1, 1))
        what, mend = _printable(problem.what), _printable(problem.mend)
        return PlacedProblem(*place, dotted(problem.path), what, mend)

    def _note(self, node: Node, path: Path, what: str, mend: str) -> None:
        mark = node.start_mark
        self.problems.append(
            PlacedProblem(mark.line + 1, mark.column + 1, dotted(path), what, mend)
        )

    def _plain(self, node: Node, path: Path) -> Any:
        self._places.setdefault(path, _start(node))
        if id(node) in self._met:
            self._note(node, path, "the value is repeated by an alias (*)", "write it out")
            return None
        self._met.add(id(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _COLLECTIONS:
            self._note(node, path, "a tag (!) isn't allowed", "remove it")
        if isinstance(node, SequenceNode):
            return tuple(self._plain(item, (*path, i)) for i, item in enumerate(node.value))
        return self._mapping(node, path) if isinstance(node, MappingNode) else None

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or key.tag != _TEXT:
                self._note(key, path, "a key has to be text", "put it in quotes")
                continue
            step = (*path, str(key.value))
            if key.value in entries:
                first = self._places[step].line
                self._note(
                    key, step, f"the key stands twice; first in line {first}", "leave one of them"
                )
                continue
            self._places[step] = _start(key)
            entries[str(key.value)] = self._plain(value, step)
        return entries

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        plain = (node.style is None, node.style is not None)
        if node.tag != self._yaml.resolver.resolve(ScalarNode, node.value, plain):
            self._note(node, path, "a tag (!) isn't allowed", "remove it")
            return None
        try:
            return self._yaml.constructor.construct_object(node)
        except ValueError:
            self._note(node, path, "no such date or number", "correct it, or put text in quotes")
            return None


@lru_cache(maxsize=4)  # every command asks the sources for their clock, many then for all
def read(text: str, file: str) -> Document:
    """Return a file as parsed, once for each text; see :class:`Document`."""
    return Document(text, file)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _start(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_problem(error: MarkedYAMLError) -> PlacedProblem:
    """Return a fault of syntax without the snippet that the library would quote."""
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    what = error.problem or "not YAML"
    if "\\t" in what:
        return PlacedProblem(*place, "YAML", "a tab", "indent with spaces")
    return PlacedProblem(*place, "YAML", what, "check indentation, colons, brackets and quotes")
