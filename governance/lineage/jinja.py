"""What the Jinja of a model, a hook or a macro asks for, by Jinja's own parser.

Belongs here: telling what is the same whenever the project is compiled from what only a run
decides, and a macro's parameters from its other words. Does not belong here: the SQL that Jinja
writes (``query``), words in text that isn't SQL yet (``hidden``).

Deny by default: what isn't known to be the same in every run counts as decided by the run
(``target``, ``flags``, ``execute``, ``env_var``, ``modules``, ``run_query``, ...).
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache

from jinja2 import Environment, TemplateError, meta, nodes

# What may be called: it answers the same to the compiler and to the run, which share the policy's
# variables and the names of all tables. Only calls count: `var` itself, or `config.get`, don't. A
# `set` has another order in every process.
CALLED = frozenset(
    {"ref", "source", "var", "config", "return", "range", "namespace", "dict", "zip"}
    | {"local_md5", "tojson", "fromjson", "toyaml", "fromyaml"}
)
BRANCH = "is_incremental"  # in `{% if is_incremental() %}` alone: both ways are judged
TABLE = "this"  # in `{{ this }}` alone
CHANCE = "random"
# What keeps, changes or returns what is written elsewhere.
KEEPING = (nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.ExprStmt)
RETURN = "return"
# Tags that begin what may be left out or repeated, begin an alternative to it, and end it.
OPENING, ALTERNATIVE, CLOSING = ("if", "for"), ("elif", "else"), ("endif", "endfor")
Path = tuple[int, ...]  # the branches in which something stands, from the outermost
OF_DBT = ("as_text", "as_bool", "as_native", "as_number")  # filters


def asked(text: str, macros: Collection[str], project: str = "") -> list[str]:
    """Return what a text asks for that only a run decides, in words; empty if nothing.

    Parameters
    ----------
    text : str
        As it was written.
    macros : collection of str
        Names of the project's own macros, each of which is judged by itself.
    project : str
        The project's name, by which its macros may be called too.
    """
    try:
        tree = _environment().parse(text)
        chance = [CHANCE for f in tree.find_all(nodes.Filter) if f.name == CHANCE or _by_chance(f)]
        _take_known(tree, {*macros, *CALLED}, project)
        return sorted({*meta.find_undeclared_variables(tree), *chance})
    except TemplateError:
        return ["what can't be parsed"]


def names_itself(text: str, macros: Mapping[str, str]) -> bool:
    """Return whether a model names its own table, or calls a macro of the project that does.

    What stands in a text within it is left out: hooks, which `config` is given as such.
    """
    return any(
        name.name == TABLE
        for tree in _reached(text, macros) for name in tree.find_all(nodes.Name)
    )  # fmt: skip


def hides_statements(hook: str, macros: Mapping[str, str]) -> bool:
    """Return whether a hook may write other statements than its SQL shows, or can't be parsed.

    By a text of Jinja, or a macro, with a `;`; by another meaning of `this`; by blocks that keep,
    change or return what is written; by what it prints besides `this` and what macros write.
    """
    trees = list(_reached(hook, macros))
    if not trees or any(tree.find(kind) for tree in trees for kind in KEEPING):
        return True
    if any(_last_name(c.node) == RETURN for tree in trees for c in tree.find_all(nodes.Call)):
        return True
    own, *called = trees
    printed = [node for output in own.find_all(nodes.Output) for node in output.nodes]
    texts = [text.value for tree in trees for text in tree.find_all(nodes.Const)]
    texts += [data.data for tree in called for data in tree.find_all(nodes.TemplateData)]
    return (
        not all(isinstance(node, nodes.TemplateData) or _is_name(node, TABLE)
                or (isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name))
                for node in printed)
        or any(";" in str(text) for text in texts)
        or any(isinstance(node, nodes.Const) or _chooses(node, macros) for tree in called
               for output in tree.find_all(nodes.Output) for node in output.nodes)
        or any(_is_name(name, TABLE) and name.ctx != "load"
               for tree in trees for name in tree.find_all(nodes.Name))
    )  # fmt: skip


def _chooses(printed: nodes.Node, macros: Collection[str]) -> bool:
    """Return whether a print does more with what a macro writes than to write it."""
    calls = printed.find_all(nodes.Call)
    return not isinstance(printed, nodes.Call) and any(_last_name(c.node) in macros for c in calls)


def _reached(text: str, macros: Mapping[str, str]) -> Iterator[nodes.Template]:
    """Yield a text, and the macros of the project that it calls, as parsed; what can't be is not.

    That is a gap.
    """
    waiting, read = [text], set[str]()
    while waiting:
        try:
            tree = _environment().parse(waiting.pop())
        except (TemplateError, RecursionError, ValueError):
            continue
        yield tree
        called = {_last_name(call.node) for call in tree.find_all(nodes.Call)}
        waiting += [macros[name] for name in (called & macros.keys()) - read]
        read |= called


def as_sql(text: str, this: str, other: str) -> list[tuple[Path, str]]:
    """Return the parts of a text by the branches in which they are written.

    With words in the place of what Jinja prints. As Jinja reads it: `{%` in a text of Jinja, say,
    begins no tag.

    Raises
    ------
    jinja2.TemplateError
        If it can't be read.
    """
    parts: list[tuple[Path, list[str]]] = [((), [])]
    printed: list[str] = []
    tag = False
    for _, kind, said in _environment().lex(text):
        if kind == "data":
            parts[-1][1].append(said)
        elif kind == "variable_begin":
            printed = []
        elif kind == "variable_end":
            parts[-1][1].append(this if printed == [TABLE] else other)
        elif kind == "block_begin":
            tag = True
        elif kind != "whitespace":
            path = parts[-1][0]
            if tag and said in (*ALTERNATIVE, *CLOSING):
                path = path[:-1]
            if tag and said in (*OPENING, *ALTERNATIVE):
                path = (*path, len(parts))
            if tag and said in (*OPENING, *ALTERNATIVE, *CLOSING):
                parts.append((path, []))
            tag = False
            printed.append(said)
    return [(path, "".join(part)) for path, part in parts]


def without_parameters(text: str) -> str:
    """Return a macro without the names of its parameters, but for those that are keywords too.

    A keyword's name may become text: ``dict(age_years=1) | first``.
    """
    try:
        tree = _environment().parse(text)
        parameters = {name.name for macro in tree.find_all(nodes.Macro) for name in macro.args}
        parameters -= {keyword.key for keyword in tree.find_all(nodes.Keyword)}
        tokens = list(_environment().lex(text))
    except TemplateError:  # and what can't be parsed is a gap
        return text
    return "".join(
        "" if kind == "name" and said in parameters else said for _, kind, said in tokens
    )


def _take_known(tree: nodes.Template, called: Collection[str], project: str) -> None:
    """Put a constant in the place of all that is the same in every run."""
    for call in tree.find_all(nodes.Call):
        of_project = isinstance(call.node, nodes.Getattr) and _is_name(call.node.node, project)
        if of_project or any(_is_name(call.node, name) for name in called):
            call.node = nodes.Const(None)
    for branch in tree.find_all(nodes.If):
        if isinstance(branch.test, nodes.Call) and _is_name(branch.test.node, BRANCH):
            branch.test = nodes.Const(True)
    for output in tree.find_all(nodes.Output):
        output.nodes = [node for node in output.nodes if not _is_name(node, TABLE)]


def _by_chance(applied: nodes.Filter) -> bool:
    """Return whether a filter is given the name of the one that picks: `map('random')`."""
    named = [a.value for a in applied.args if isinstance(a, nodes.Const)]
    return CHANCE in named


def _last_name(node: nodes.Node) -> str:
    return str(getattr(node, "name", "") or getattr(node, "attr", ""))


def _is_name(node: nodes.Node | None, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


@cache
def _environment() -> Environment:
    """Return a Jinja that reads what dbt's own reads; nothing is rendered by it."""
    made = Environment(  # noqa: S701
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"]
    )
    made.filters |= dict.fromkeys(OF_DBT, str)
    return made
