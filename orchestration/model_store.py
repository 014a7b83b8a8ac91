"""The model in force: which it is, whether it is due, and the frames it reads.

Belongs here: the pointer to the stored model, reading marts into frames. Does not belong here:
fitting (``orchestration.segments``), the format of a stored model (``models.store``).
"""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from governance.clocks import Clocks
from governance.policy.load import policy_hash
from governance.policy.words import SEGMENT_PURPOSE
from orchestration.manifest import policy
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import write_durably

if TYPE_CHECKING:
    import pandas as pd

    from models.model import SegmentModel

KEY = f"{SEGMENT_PURPOSE}_key"
MIX = "category_mix"
MIX_ROWS = 50_000
MODEL_FILE = "model.skops"


def folder(name: str = "") -> Path:
    """Return the folder of the purpose's artefacts, or of one model in it."""
    return Home.current().make().artefacts / SEGMENT_PURPOSE / name


def record() -> dict[str, Any] | None:
    """Return what is recorded of the model in force, or None before the first fit."""
    pointer = folder() / "current.json"
    if not pointer.exists():
        return None
    found: dict[str, Any] = json.loads(pointer.read_bytes())
    return found


def point_to(facts: dict[str, Any]) -> None:
    """Make a stored model the one in force; ``facts`` name its folder."""
    write_durably(folder() / "current.json", json.dumps(facts, default=str).encode())


def loaded() -> "SegmentModel":
    """Return the model in force.

    Raises
    ------
    UsageError
        If none has been fitted.
    """
    from models import store

    found = record()
    if found is None:
        raise UsageError("no model has been fitted", "materialise segmentation/model first")
    return store.load(folder(found["folder"]) / MODEL_FILE)


def fit_is_due(clocks: Clocks) -> bool:
    """Tell whether a run has to fit: no model yet, one too old, or one under another policy.

    A past ``as_of`` never replaces the model in force.
    """
    found = record()
    if found is None:
        return True
    if not clocks.current:
        return False
    age = (clocks.as_of - date.fromisoformat(found["fitted_as_of"])).days
    return age >= policy().segmentation.refit_days or found["policy_hash"] != policy_hash(policy())


def frame_of(connection: duckdb.DuckDBPyConnection, table: str, day: date) -> "pd.DataFrame":
    """Read one day of a mart, one row per subject, indexed by its key.

    Figures come as floats. The category mix, a mapping, is read for about ``MIX_ROWS`` subjects,
    chosen by a hash of their figures: it only describes segments.

    Raises
    ------
    UsageError
        If nobody is in the mart on that day.
    """
    columns = [c for c in _columns(connection, table) if c not in ("as_of", MIX)]
    figures = [c for c in columns if c != KEY]
    selected = [KEY, *(f"{c}::double as {c}" for c in figures)]
    if MIX in _columns(connection, table):
        selected.append(
            f"case when hash({', '.join(figures)}) % greatest(1, (count(*) over ()) // {MIX_ROWS})"
            f" = 0 then {MIX} end as {MIX}"
        )
    found: pd.DataFrame = connection.execute(
        f"select {', '.join(selected)} from marts.{table} where as_of = ?", [day]
    ).df()
    if found.empty:
        raise UsageError(
            f"{table} is empty on {day}: nobody with a basis had bought anything by then",
            "ask for a later day, or see `assent feeds` and `assent consent show`",
        )
    return found.set_index(KEY)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = 'warehouse'"
        " and schema_name = 'marts' and table_name = ? order by column_index",
        [table],
    ).fetchall()
    return [name for (name,) in rows]
