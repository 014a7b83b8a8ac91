"""DuckDB's extensions, from Python packages of their own: nothing is downloaded.

Belongs here: where the binary of one is. Does not belong here: loading it (``connect``).
"""

from pathlib import Path

import duckdb

from warehouse.errors import UsageError


def extension(name: str) -> Path:
    """Return the binary of a DuckDB extension from its Python package (never downloaded)."""
    import importlib

    package = importlib.import_module(f"duckdb_extension_{name}")
    root = Path(str(package.__file__)).parent / "extensions"
    found = sorted(root.glob(f"v{duckdb.__version__}/*.duckdb_extension"))
    if not found:
        raise UsageError(
            f"the DuckDB extension '{name}' doesn't fit DuckDB {duckdb.__version__}",
            f"install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}",
        )
    return found[0]
