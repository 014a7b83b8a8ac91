"""Why DuckDB doesn't open a file, told to whoever asked for it.

Belongs here: what its messages mean: a wrong key, no memory, another process, damage. Does not
belong here: opening (``connect``), what other faults mean (``errors``).
"""

import re
from pathlib import Path

import duckdb

from warehouse import keys
from warehouse.clear import IN_CLEAR, in_clear
from warehouse.errors import HELD, AssentError, UsageError, damaged


class HeldError(UsageError):
    """Another process holds the file."""

    rule = HELD


def explained(path: Path, key_name: str, error: duckdb.Error, *, published: bool) -> AssentError:
    """Turn DuckDB's message, which may quote the statement, into one clear line.

    Parameters
    ----------
    path, key_name, published
        The file, its key, and whether a run writes it anew.
    error
        What DuckDB raised when it was attached.
    """
    name, message = path.name, str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return UsageError(f"there isn't enough memory to open {name}",
                          "give more with ASSENT_MEMORY (for instance 8GB)")  # fmt: skip
    if in_clear() and "encrypted" in message.lower():
        return UsageError(f"{name} is encrypted, but {IN_CLEAR} is set", f"unset {IN_CLEAR}")
    if "encryption key" in message.lower() or "cannot open encrypted" in message.lower():
        return keys.unfitting(path, key_name, published=published)
    if "set lock on file" in message.lower():
        return HeldError(
            f"another process holds {name}", "wait for it to end; `assent status` reads the rest"
        )
    refused = re.search(
        r'(Cannot open|Could not (?:read from|write|truncate)) file "[^"]*": (.+)', message
    )
    if refused:  # by the operating system
        done = "opened" if "write" not in refused[1] else "written"
        return UsageError(
            f"{path} can't be {done}: {refused[2]}",
            "check its owner and mode, and that its disk has room and can be written",
        )
    return damaged({name: published})
