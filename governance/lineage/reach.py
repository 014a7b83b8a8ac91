"""What Python that serves a purpose reaches for, told from its source.

Belongs here: finding the imports and calls by which code could read rows past the door that it is
given. Does not belong here: which code serves a purpose and what it may import
(``orchestration.columns``), the verdict (``governance.gate``).

Source is read as a reviewer would read it: whoever takes a short cut is found, whoever sets out to
hide one (names put together while running) is not.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

# Builtins that open files or run text, or lead to what an object or a module keeps to itself.
CALLS = frozenset(
    {"open", "eval", "exec", "compile", "breakpoint", "vars", "getattr", "setattr", "delattr"}
    | {"globals", "locals"}
)
# What reads or writes a file, unpickles or runs text, whatever it is a name of: pandas.read_csv,
# Path.read_text, numpy.load, scipy.io.loadmat, Path.write_text, print_png. By how the names begin.
FILES = (
    "read_", "open", "save", "fetch_", "eval", "query", "write", "dump_", "print_",
    "load_", "loadtxt", "loadmat", "loadarff",
    "fromfile", "tofile", "fromregex", "genfromtxt", "memmap", "DataSource", "Npz", "FileIO",
    "HDFStore", "Excel", "imread", "imsave", "mmread", "mmwrite", "whosmat", "netcdf", "wavfile",
    "Fortran", "hb_read", "hb_write", "readsav", "pickle", "joblib",
)  # fmt: skip
# Of names of files, too, rows could be made. Not `rename` and `replace`: a frame has these as well.
FILES_BY_NAME = frozenset({"load", "dump", "touch", "mkdir", "symlink_to", "hardlink_to"})
NO_FILES = frozenset({"writeable"})  # whether an array may be changed
# Of what begins with `to_` the others write files: to_csv, to_pickle, to_parquet.
OUT, INTO_VALUES = (
    "to_",
    frozenset(
        {"to_numpy", "to_dict", "to_list", "to_frame", "to_series", "to_numeric", "to_datetime"}
    ),
)
# Attributes by which a running function's variables, and its callers', are reached.
FRAMES = frozenset({"gi_frame", "cr_frame", "tb_frame", "f_back", "f_locals", "f_globals"})
# The others lead from an object to all that it holds: __dict__, __closure__, __globals__, ...
DUNDERS = frozenset({"__name__", "__sklearn_tags__"})


def strays(
    sources: Mapping[str, str],
    may_import: Collection[str],
    *,
    may_call: Mapping[str, Collection[str]] | None = None,
    others: Collection[str] = (),
) -> tuple[str, ...]:
    """Return what sources import or call beside what they may, in words, with the line.

    Parameters
    ----------
    sources : mapping
        Path -> text.
    may_import : collection of str
        Modules, each with everything below it; or single names of a module.
    may_call : mapping
        Path -> what it may call all the same, as it is written there: ``skops.io.load``.
    others : collection of str
        Tables of other purposes, which it may not name.
    """
    found = []
    for path, text in sorted(sources.items()):
        own = (may_call or {}).get(path, ())
        told = _told(text, frozenset(may_import), frozenset(own), frozenset(others))
        found += [f"{path}, line {line}, {what}" for line, what in told]
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=64)  # code seldom changes while a process judges it
def _told(
    text: str, may_import: frozenset[str], own: frozenset[str], others: frozenset[str]
) -> list[tuple[int, str]]:
    """Return what one source is told for, by line."""
    tree = ast.parse(text)
    told = [
        (line, f"imports {name}")
        for line, name in _imports(tree)
        if _is_private(name) or name.endswith(".*") or not _within(name, may_import)
        or (_of_files(name.rpartition(".")[2]) and name not in may_import)
    ]  # fmt: skip
    told += [(line, f"calls {name}") for line, name, whole in _calls(tree) if whole not in own]
    told += [(line, f"asks for {name}") for line, name in _names(tree, others)]
    return sorted(told)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{whole}.{name.name}") for name in node.names)


def _within(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _is_private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def _calls(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and (node.id in CALLS or _is_dunder(node.id)):
            yield node.lineno, node.id, node.id
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            private = node.attr.startswith("_") and not node.attr.endswith("__") and not own
            inward = private or _is_dunder(node.attr) or node.attr in FRAMES
            if inward or _of_files(node.attr):
                yield node.lineno, node.attr, ast.unparse(node)


def _names(tree: ast.Module, tables: Collection[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.rpartition(".")[2]
            if name in tables:
                yield node.lineno, name


def _of_files(name: str) -> bool:
    if name in FILES_BY_NAME or (name.startswith(FILES) and name not in NO_FILES):
        return True
    return name.startswith(OUT) and name not in INTO_VALUES


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in DUNDERS
