"""What Python that serves a purpose reaches for, told from its source.

Belongs here: finding the imports and calls by which code could read rows past the door that it is
given. Does not belong here: which code serves a purpose and what it may import
(``orchestration.columns``), the verdict (``governance.gate``).

Source is read as a reviewer would read it: whoever takes a short cut is found, whoever sets out to
hide one (names put together while running) is not.
"""

import ast
from collections.abc import Collection, Iterator, Mapping

# Builtins that open files or run text.
CALLS = frozenset({"open", "eval", "exec", "compile", "__import__"})
# Methods that read a file, whatever they are called on: pandas.read_csv, Path.read_text, ...
READS = ("read_", "fromfile", "loadtxt", "genfromtxt", "memmap", "open")


def strays(
    sources: Mapping[str, str], may_import: Collection[str], *, files: Collection[str] = ()
) -> tuple[str, ...]:
    """Return what sources import or call beside what they may, in words.

    Parameters
    ----------
    sources : mapping
        Path -> text.
    may_import : collection of str
        Modules, each with everything below it.
    files : collection of str
        Paths of those that may read files.
    """
    found = []
    for path, text in sorted(sources.items()):
        tree = ast.parse(text)
        found += [
            f"{path} imports {name}" for name in _imports(tree) if not _within(name, may_import)
        ]
        if path not in files:
            found += [f"{path} calls {name}" for name in _calls(tree)]
    return tuple(dict.fromkeys(found))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = "." * node.level + (node.module or "")
            yield from (f"{whole}.{name.name}" for name in node.names)


def _within(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in CALLS:
            yield node.id
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            private = node.attr.startswith("_") and not node.attr.endswith("__") and not own
            if private or node.attr.startswith(READS):
                yield node.attr
