"""Files in clear: a test's way to search the bytes of all files, which breaks a rule elsewhere.

Belongs here: whether files are to be written so, and which of those that are there are. Does not
belong here: writing or opening them (``connect``).
"""

import os

from warehouse.errors import UsageError
from warehouse.home import Home, production

IN_CLEAR = "ASSENT_IN_CLEAR"
# In the main header of a file of DuckDB's: checksum, magic bytes, version of storage, flags.
MAGIC, FLAGS, ENCRYPTED = 8, 20, 1


def in_clear() -> bool:
    """Tell whether files are written in clear: without encryption, and without compression.

    Only so can a test search the bytes of all files for what must not be in them. The rule
    ``encryption.files`` breaks then.

    Raises
    ------
    UsageError
        In production mode.
    """
    if os.environ.get(IN_CLEAR, "") in ("", "0", "false"):
        return False
    if production():
        raise UsageError(
            f"{IN_CLEAR} leaves files unencrypted, which production mode refuses",
            f"unset {IN_CLEAR}",
        )
    return True


def files_in_clear() -> list[str]:
    """Return the names of the state's DuckDB files that aren't encrypted, as their headers say."""
    root = Home.current().root
    found = []
    for path in sorted({*root.glob("*"), *Home.current().published.glob("*")}):
        if path.is_file():
            with path.open("rb") as file:
                header = file.read(FLAGS + 1)
            if header[MAGIC : MAGIC + 4] == b"DUCK" and not header[FLAGS] & ENCRYPTED:
                found.append(str(path.relative_to(root)))
    return found
