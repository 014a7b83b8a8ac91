"""What a compiled model doesn't show: hooks, and SQL that only some runs have.

Belongs here: finding the columns that such text names. Does not belong here: compiled SQL
(``query``), what only a run decides (``jinja``). The text is Jinja and can't be parsed as SQL, so
it is read with caution: every word in it, in a comment too, that is the name of a column in reach
counts as a use of that column. A macro's parameter names no column: what it stands for is said
where the macro is called, and counts there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from jinja2 import TemplateError
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

from governance.lineage.graph import Ref, Use
from governance.lineage.jinja import BRANCH, Path, as_sql, hides_statements, without_parameters

_CALL = re.compile(r"\{\{-?\s*(?:\w+\.)?(\w+)\s*\((.*?)\}\}", re.DOTALL)
_TAG = re.compile(r"\{%-?\s*(if|elif|else|endif)\b(.*?)-?%\}", re.DOTALL)
_REF = re.compile(r"\bref\(\s*['\"](\w+)['\"]")
_VARIES = re.compile(rf"\b{BRANCH}\b")
# Reads data while SQL is being written: what it writes isn't known before the run.
_DYNAMIC = re.compile(
    r"\b(run_query|statement|get_column_values|load_result|set_sql_header)\s*\(|\badapter\."
    r"|\b(context|builtins)\b"
)
_QUALIFIED = re.compile(r"(?=\b(\w+)\.(\w+))")  # overlapping: database.schema.table
_BY_PLACE = re.compile(r"#\s*\d")  # a column that no word names
_ITSELF = "the_model_itself"
_PRINTED = "x"
_HARMLESS: tuple[list[str], ...] = ([], ["select"], ["analyze"])
_DEEPEST = 8  # of macros within macros


@dataclass(frozen=True)
class Found:
    """What hidden text uses, and why some of it can't be judged."""

    uses: tuple[Use, ...]
    unread: tuple[str, ...] = ()


def hidden_uses(
    raw: str,
    hooks: Iterable[str],
    macros: Mapping[str, str],
    columns: Mapping[str, Iterable[str]],
    near: Iterable[str],
) -> Found:
    """Return what a model's hooks and run-time branches use.

    Parameters
    ----------
    raw : str
        The model as it was written, in Jinja.
    hooks : iterable of str
        What runs before and after it.
    macros : mapping
        The project's own macros: name -> text.
    columns : mapping
        All relations, each with its columns.
    near : iterable of str
        The relations that may be meant without being named: the model and what it depends on.
    """
    uses: list[Use] = []
    unread: list[str] = []
    near = set(near)
    written = expanded(raw, macros)
    for hook in hooks:
        text = expanded(hook, macros)
        uses += _named(text, "hook", columns, near)
        if hides_statements(hook, macros) or not _only_deletes(text):
            unread.append("a hook does more than delete rows of its own model (`{{ this }}`)")
        if _by_place(text):
            unread.append("a hook names columns by their place (#1)")
    for branch in run_time_branches(written):
        uses += _named(branch, "in some runs", columns, near)
        if _by_place(branch):
            unread.append("a branch of some runs names columns by their place (#1)")
    return Found(tuple(dict.fromkeys(uses)), tuple(dict.fromkeys(unread)))


def is_dynamic(text: str) -> bool:
    """Return whether text runs statements while SQL is being written."""
    return bool(_DYNAMIC.search(text))


def expanded(text: str, macros: Mapping[str, str], depth: int = 0) -> str:
    """Return text with the project's own macros in place of their calls, whose arguments follow."""
    if depth >= _DEEPEST:
        return text

    def body(call: re.Match[str]) -> str:
        macro = macros.get(call[1])
        if macro is None:
            return call[0]
        # A comment: the words count, and no statement begins with them.
        return f"{expanded(without_parameters(macro), macros, depth + 1)}{{# {call[2]} #}}"

    return _CALL.sub(body, text)


def run_time_branches(text: str) -> Iterator[str]:
    """Return the branches whose condition may differ between compiling and running."""
    open_ifs: list[tuple[bool, int]] = []
    for tag in _TAG.finditer(text):
        word, condition = tag[1], tag[2]
        if word == "if":
            open_ifs.append((bool(_VARIES.search(condition)), tag.end()))
        elif word == "elif" and open_ifs:
            open_ifs[-1] = (open_ifs[-1][0] or bool(_VARIES.search(condition)), open_ifs[-1][1])
        elif word == "endif" and open_ifs:
            varies, start = open_ifs.pop()
            if varies:
                yield text[start : tag.start()]


def _named(
    text: str, clause: str, columns: Mapping[str, Iterable[str]], near: set[str]
) -> Iterator[Use]:
    said = text.lower().replace('"', "")
    words = set(re.findall(r"\w+", said))
    named = {f"{schema}.{table}" for schema, table in _QUALIFIED.findall(said)}
    for relation in sorted({*near, *named, *_REF.findall(text)}):
        for column in sorted(words & set(columns.get(relation, ()))):
            yield Use(clause, frozenset({Ref(relation, column)}))


def _by_place(text: str) -> bool:
    return any(_BY_PLACE.search(part) for _, part in _sql(text))


def _sql(text: str) -> list[tuple[Path, str]]:
    try:
        return as_sql(text, _ITSELF, _PRINTED)
    except TemplateError:  # a gap by itself; every word counts
        return [((), text)]


def _only_deletes(text: str) -> bool:
    """Return whether no statement does more than delete rows of the model itself.

    Those of another might be gone before the checks look at them. A part goes on with a statement
    only if that began in a branch in which the part stands, too: else it may begin one. Read as
    DuckDB reads it: a string may hold `--`.
    """
    if _ITSELF in text:
        return False
    begun: Path | None = None
    for path, part in _sql(text):
        try:
            tokens = sqlglot.tokenize(part, read="duckdb")
        except TokenError:
            return False
        statements: list[list[str]] = [[]]
        for token in tokens:
            if token.token_type is TokenType.SEMICOLON:
                statements.append([])
            else:
                statements[-1].append(token.text.lower())
        goes_on = begun is not None and path[: len(begun)] == begun
        if not all(map(_is_harmless, statements[goes_on:])):
            return False
        if not goes_on or len(statements) > 1:
            begun = path if statements[-1] else None
    return True


def _is_harmless(words: list[str]) -> bool:
    return words[:1] in _HARMLESS or words[:3] == ["delete", "from", _ITSELF]
