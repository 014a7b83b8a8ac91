"""The model in force: which it is, whether it is due, and the frames it reads.

Belongs here: the pointer to the stored model, reading marts into frames. Does not belong here:
fitting (``orchestration.segments``), the format of a stored model (``models.store``).
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from governance.clocks import Clocks
from governance.policy.load import policy_hash
from governance.policy.words import SEGMENT_PURPOSE
from orchestration.manifest import policy
from warehouse import catalogue
from warehouse.connect import identifier, quoted
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import write_durably

if TYPE_CHECKING:
    import pandas as pd

    from models.model import SegmentModel

KEY = f"{SEGMENT_PURPOSE}_key"
MIX = "category_mix"
MIX_ROWS = 50_000
MIX_PREFIX = "mix:"  # as in models.features, which is imported where it is used
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


def place() -> Path:
    """Return the folder of the model in force.

    Raises
    ------
    UsageError
        If none has been fitted.
    """
    found = record()
    if found is None:
        raise UsageError("no model has been fitted", "materialise segmentation/model first")
    return folder(found["folder"])


def point_to(facts: dict[str, Any]) -> None:
    """Make a stored model the one in force; ``facts`` name its folder.

    The folder of the model that it replaces is kept as ``previous``.
    """
    before = record() or {}
    again = before.get("folder") == facts["folder"]
    replaced = before.get("previous" if again else "folder")
    kept = facts | {"previous": replaced} if replaced else facts
    write_durably(folder() / "current.json", json.dumps(kept, default=str).encode())


def loaded() -> "SegmentModel":
    """Return the model in force; see :func:`place`."""
    from models import store

    return store.load(place() / MODEL_FILE)


def previous() -> "SegmentModel | None":
    """Return the model that was in force before this one, if it is kept."""
    from models import store

    name = (record() or {}).get("previous")
    if not name or not (folder(name) / MODEL_FILE).exists():
        return None
    return store.load(folder(name) / MODEL_FILE)


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


def frame_of(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    day: date,
    *,
    shares: Sequence[str] = (),
    mix: bool = False,
) -> "pd.DataFrame":
    """Read one day of a mart, one row per subject, indexed by its key as text; figures as floats.

    Parameters
    ----------
    shares
        Features ``mix:<category>`` to read as columns: a category's share of the mix, 0 without
        spend on it, null without a mix.
    mix
        Whether to read the mix itself, a mapping, too; of many subjects for about ``MIX_ROWS``,
        chosen by a hash of their figures, null for the others: it only describes segments.

    Raises
    ------
    UsageError
        If nobody is in the mart on that day.
    """
    columns = catalogue.columns(connection, "marts", table)
    figures = [c for c in columns if c not in ("as_of", KEY, MIX)]
    # A key as text: a million UUID objects would take longer than everything else.
    selected = [f"{KEY}::varchar as {KEY}", *(f"{c}::double as {c}" for c in figures)]
    selected += [f"{share_sql(name)} as {identifier(name)}" for name in shares]
    rows = f"from marts.{table} where as_of = ?"
    found: pd.DataFrame = connection.execute(f"select {', '.join(selected)} {rows}", [day]).df()
    if found.empty:
        raise UsageError(
            f"{table} is empty on {day}: nobody with a basis had bought anything by then",
            "ask for a later day, or see `assent feeds` and `assent consent show`",
        )
    found = found.set_index(KEY)
    if mix and MIX in columns:
        some = f"hash({', '.join(figures)}) % {max(1, len(found) // MIX_ROWS)} = 0"
        found[MIX] = _mixes(connection, f"{rows} and {some}", day)
    return found


def _mixes(connection: duckdb.DuckDBPyConnection, rows: str, day: date) -> "pd.Series":
    """Read mixes by key, through Arrow: DuckDB makes a frame of maps at a tenth of the speed."""
    import pandas as pd

    table = connection.execute(
        f"select {KEY}::varchar as {KEY}, {MIX} {rows}", [day]
    ).to_arrow_table()
    mixes = [None if mix is None else dict(mix) for mix in table.column(MIX).to_pylist()]
    return pd.Series(mixes, index=table.column(KEY).to_pylist(), dtype=object)


def share_sql(name: str) -> str:
    """Return the SQL of a share of the category mix, over the columns of the mart."""
    category = quoted(name.removeprefix(MIX_PREFIX))
    return f"case when cardinality({MIX}) > 0 then coalesce({MIX}[{category}], 0)::double end"
