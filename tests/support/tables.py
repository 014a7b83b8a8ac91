"""The content of an installation as plain values that can be compared with another's.

Belongs here: tables, published files and the model; whole, or without what differs by design: keys,
which are made from random salts, and moments of the run. Does not belong here: a test.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from governance.sealed import unsealed
from tests.support.installation import Installation

SCHEMAS = ("landing", "consented", "marts", "segmentation", "governance")
# Keys made from keys, numbers and moments of a run, whether it was due to fit a model, and which
# list of the erased (`kept`) it went by.
OF_THE_RUN = {"row_key", "code_version", "load_id", "counted_in", "built_through_load", "loaded_at",
              "quarantined_at", "known_until", "fit", "of", "steps", "publication"}  # fmt: skip


def contents(one: Installation, *, whole: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Return every table of the warehouse and of the published files, rows in order.

    Keys and moments of the run are left out, unless they are asked for (`whole`).
    """
    found = {}
    with one.warehouse() as connection:
        found |= _tables(connection, "warehouse", SCHEMAS, whole)
    for path in sorted(one.home.published.glob("*.duckdb")):
        with one.published(path.stem) as connection:
            tables = _tables(connection, "published", ("main",), whole)
            found |= {f"published/{path.stem}/{name}": rows for name, rows in tables.items()}
    return found


def _tables(
    connection: duckdb.DuckDBPyConnection, database: str, schemas: tuple[str, ...], whole: bool
) -> dict[str, list[tuple[Any, ...]]]:
    rows = connection.execute(
        "select schema_name, table_name, list(column_name order by column_index)"
        " from duckdb_columns() where database_name = ? and list_contains(?, schema_name)"
        " and (? or data_type <> 'UUID' and not list_contains(?, column_name))"
        " group by all order by all",
        [database, list(schemas), whole, sorted(OF_THE_RUN)],
    ).fetchall()
    return {
        f"{schema}.{table}": _rows(connection, f"{schema}.{table}", columns)
        for schema, table, columns in rows
    }


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]
) -> list[tuple[Any, ...]]:
    kept = ", ".join(f'"{name}"' for name in columns)
    return connection.execute(f"select {kept} from {table} order by all").fetchall()


def state(one: Installation, *, whole: bool = False) -> dict[str, Any]:
    """Return what an installation holds, by the name of the table or file, and its model."""
    held = contents(one, whole=whole) | papers(one)
    assert len([name for name in held if name.startswith("published/")]) > 5
    assert len([name for name in held if name.startswith("artefacts/")]) > 5
    return held | {"model": model(one)}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of what differs between two states; a failure then shows no row."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def unsealed_of(one: Installation, path: Path) -> bytes:
    """Return what a sealed file of an installation, which has been entered, holds."""
    return unsealed(path.read_bytes(), path.relative_to(one.home.artefacts).as_posix())


def papers(one: Installation) -> dict[str, bytes]:
    """Return every file of facts and every artefact but the packed model, by its path, unsealed."""
    files = [
        path
        for folder in (one.home.evidence, one.home.artefacts)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".skops" not in path.suffixes
    ]
    with one.entered():
        return {
            str(path.relative_to(one.root)): (
                unsealed_of(one, path) if path.suffix == ".sealed" else path.read_bytes()
            )
            for path in files
        }


def model(one: Installation) -> Any:
    """Return the parameters of the model in force."""
    from models import store

    folder = json.loads((one.home.artefacts / "segmentation" / "current.json").read_bytes())[
        "folder"
    ]
    path = one.home.artefacts / "segmentation" / folder / "model.skops.sealed"
    with one.entered():
        return store.parameters(store.loaded(unsealed_of(one, path)))
