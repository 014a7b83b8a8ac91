"""Reading ``sources.yaml``: all of its errors at once, or sources that can be used.

Belongs here: the door through which every sources file comes, and its agreement with the policy.
Does not belong here: the shape (``model``), what must hold (``source_checks``), the feeds'
content (``check``, ``load``).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from governance.policy.model import Policy
from governance.policy.positions import Document, read
from governance.policy.problems import PlacedProblem, PolicyError, Problem, key_shown, nearest
from governance.policy.words import FEEDS
from ingest.connectors.files import matching_files, relative_place, state_of
from ingest.model import CsvOptions, FeedSource, Mapping, Sources
from ingest.source_checks import policy_problems, source_problems
from warehouse.errors import PolicyGapError, UsageError
from warehouse.home import sources_path

_EXPECTED = {
    "model_type": "a block",
    "model_attributes_type": "a block",
    "dict_type": "a block",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


class SourcesError(UsageError):
    """The sources file can't be used; carries everything that is wrong with it.

    Parameters
    ----------
    file : str
        The file as its reader named it.
    problems : iterable of PlacedProblem
        All that is wrong, in the order of the file.
    """

    def __init__(self, file: str, problems: Iterable[PlacedProblem] = (), what: str = "") -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.key)))
        super().__init__(
            _listing(f"the sources file {file}", self.problems, what),
            "every key is explained in docs/sources.md",
        )


def load_sources(path: Path | str | None = None, policy: Policy | None = None) -> Sources:
    """Read and check a sources file.

    Parameters
    ----------
    path : path-like, optional
        The file; by default the sources in force (``ASSENT_SOURCES``).
    policy : Policy, optional
        If given, sources and policy also have to agree (:func:`require_agreement`).

    Raises
    ------
    SourcesError
        If the file can't be read or anything in it is wrong; it names every fault with line,
        column, key and remedy.
    """
    file = Path(path) if path is not None else sources_path()
    sources = parse_sources(_text(file), str(file))
    sources._file = file
    if policy is not None:
        require_agreement(sources, policy)
    return sources


def watched_files(sources: Sources) -> list[str]:
    """Return what changes whenever a file of a feed is new or written: feed, place, size, time."""
    folder = sources.file.absolute().parent
    return [
        f"{name}:{relative_place(path, folder)}:{state_of(path)}"
        for name, feed in sources.feeds.items()
        for path in matching_files(feed, folder)
    ]


def parse_sources(text: str, file: str = "sources.yaml") -> Sources:
    """Check the text of a sources file; see :func:`load_sources`."""
    document = _document(text, file)
    found = list(document.problems)
    try:
        sources = Sources.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems = [_shape_problem(detail) for detail in details]
        raise SourcesError(file, [*found, *map(document.placed, problems)]) from None
    found += map(document.placed, source_problems(sources))
    if found:
        raise SourcesError(file, found)
    sources._file = Path(file)
    return sources


def require_agreement(sources: Sources, policy: Policy) -> None:
    """Stop unless sources and policy agree about every mapped column.

    Raises
    ------
    PolicyGapError
        If a feed maps an attribute that the policy doesn't list.
    UsageError
        If one calls a column a direct identifier and the other doesn't.
    """
    found = list(policy_problems(sources, policy))
    if not found:
        return
    lines = "\n".join(f"  {problem}" for problem, _ in found)
    kind = PolicyGapError if any(gap for _, gap in found) else UsageError
    raise kind(f"{sources.file.name} and the policy disagree\n{lines}")


def _listing(subject: str, problems: tuple[PlacedProblem, ...], what: str) -> str:
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return "\n".join([f"{subject} {what or f'has {count}'}", *(f"  {p}" for p in problems)])


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SourcesError(str(file), what="does not exist (ASSENT_SOURCES names it)") from None
    except OSError as error:
        raise SourcesError(str(file), what=f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourcesError(str(file), what="isn't UTF-8 text") from None


def _document(text: str, file: str) -> Document:
    try:
        return read(text, file)
    except PolicyError as error:  # the reader of YAML speaks of policies
        empty = not text.strip()
        what = "" if error.problems else "is empty" if empty else "isn't plain YAML"
        raise SourcesError(file, error.problems, what) from None


def _shape_problem(detail: Any) -> Problem:
    path = tuple(step for step in detail["loc"] if step not in ("[key]", "function-before"))
    kind, value = detail["type"], detail["input"]
    model = _model_at(path)
    if kind == "extra_forbidden":
        keys = list(model.model_fields)
        near = nearest(str(path[-1]), keys, f"the keys here are: {', '.join(keys)}")
        return Problem(path, f"unknown key '{key_shown(str(path[-1]))}'", near)
    if path[:1] == ("feeds",) and len(path) == 2 and kind == "literal_error":
        return Problem(path, "no such feed", nearest(str(value), FEEDS, f"use {', '.join(FEEDS)}"))
    meaning = _meaning(model, path)
    if kind == "missing":
        return Problem(path, f"the key '{path[-1]}' is missing", f"add it. {meaning}")
    return Problem(path, _fault(detail), meaning or "compare with docs/sources.md")


def _fault(detail: Any) -> str:
    """Return what pydantic found, without the value that it may quote."""
    if detail["type"] in _EXPECTED:
        return f"expected {_EXPECTED[detail['type']]}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _model_at(path: tuple[str | int, ...]) -> type[BaseModel]:
    if path[:1] == ("feeds",) and len(path) >= 3:
        if path[2] == "csv" and len(path) > 3:
            return CsvOptions
        if path[2] == "columns" and len(path) > 4:
            return Mapping
        return FeedSource
    return Sources


def _meaning(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    for step in reversed(path):
        if step in model.model_fields:
            return model.model_fields[str(step)].description or ""
    return ""
