"""pandera: the schemas of the frames that Python receives and returns, and the one adapter to it.

Belongs here: schemas built from the policy, checking a frame, saying what is wrong with it without
a value of it. Does not belong here: tables inside DuckDB (``suites``), verdicts on rules.

pandera reports the values and index that failed; nothing but their number leaves this module. It is
imported when the first schema is built.
"""

import re
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.facts import MIX, RANGES
from expectations.fill import always_defined
from governance.findings import Finding
from governance.policy.columns import allowed_columns, column_labels, purpose_named
from governance.policy.model import Policy
from governance.policy.words import SEGMENT_PURPOSE

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameSchema


@dataclass(frozen=True)
class Fault:
    """What is wrong with one column of a frame (or the frame itself, if there is no column).

    Attributes
    ----------
    rows : int or None
        How many rows are wrong; None if it isn't about rows.
    """

    column: str
    what: str
    rows: int | None = None

    def __str__(self) -> str:
        """Return column, fault and number in one line."""
        count = f" ({self.rows} rows)" if self.rows else ""
        return f"{self.column or 'the frame'} {self.what}{count}"


def features(
    policy: Policy, purpose: str, columns: Iterable[str], *, absent: Collection[str] = ()
) -> "DataFrameSchema":
    """Return the schema of a mart as a model receives it.

    Exactly those of the columns that the policy allows, each of its type and within its range; the
    index is the purpose's key, unique. Nothing else: no identifier, no other purpose's key.

    Parameters
    ----------
    columns
        The columns that the frame is meant to have, without keys.
    absent
        Columns whose source no feed maps: they may be null.

    Raises
    ------
    UsageError
        If the policy has no such purpose.
    """
    pa = _pandera()
    allowed = allowed_columns(policy, purpose)
    schema: DataFrameSchema = pa.DataFrameSchema(
        {c: _column(policy, purpose, c, absent) for c in columns if c in allowed},
        index=pa.Index(checks=_uuids(), unique=True, name=f"{purpose}_key"),
        strict=True,
        unique_column_names=True,
        name=f"features of {purpose}",
    )
    return schema


def assignments(segments: Collection[int]) -> "DataFrameSchema":
    """Return the schema of assignments: a segment for every subject, one each.

    Parameters
    ----------
    segments
        The ids of the segments of the model in force.
    """
    pa = _pandera()
    key = f"{SEGMENT_PURPOSE}_key"
    schema: DataFrameSchema = pa.DataFrameSchema(
        {
            key: pa.Column(checks=_uuids(), unique=True),
            "segment_id": pa.Column(
                checks=[_whole(), pa.Check.isin(sorted(segments), error="is no known segment")]
            ),
        },
        strict=True,
        name="assignments",
    )
    return schema


def fitted_on() -> "DataFrameSchema":
    """Return the schema of whom a model was fitted on: one row each, with the model."""
    pa = _pandera()
    schema: DataFrameSchema = pa.DataFrameSchema(
        {
            f"{SEGMENT_PURPOSE}_key": pa.Column(checks=_uuids(), unique=True),
            "model": pa.Column(checks=_each(_is_text, "is no text")),
        },
        strict=True,
        name="fitted_on",
    )
    return schema


def segments() -> "DataFrameSchema":
    """Return the schema of the table of segments: one row each, named, of some size.

    The size is null where it may not be released.
    """
    pa = _pandera()
    schema: DataFrameSchema = pa.DataFrameSchema(
        {
            "segment_id": pa.Column(checks=_whole(), unique=True),
            "name": pa.Column(checks=_each(_is_text, "is no text"), unique=True),
            "line": pa.Column(checks=_each(_is_text, "is no text")),
            "subjects": pa.Column(
                checks=[_whole(), pa.Check.ge(1, error="is empty")], nullable=True
            ),
            "share": pa.Column(
                float, checks=pa.Check.in_range(0, 1, error="is no share"), nullable=True
            ),
        },
        strict=True,
        name="segments",
    )
    return schema


def faults(schema: "DataFrameSchema", frame: "pd.DataFrame") -> list[Fault]:
    """Return what is wrong with a frame; empty if it is as its schema says.

    Parameters
    ----------
    schema
        One of this module's.
    frame
        Left as it is.
    """
    pa = _pandera()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return _faults(error.failure_cases)
    return []


def findings(
    purpose: str, asset: str, found: Iterable[Fault], *, rule: str = "minimisation"
) -> list[Finding]:
    """Return faults as findings, for ``governance.gate.refuse``: they name the rule.

    Parameters
    ----------
    asset
        The Python asset whose frame it is.
    rule
        Kind of the rule that the frame breaks.
    """
    mend = "mend the query or the model that makes it, or ask the privacy officer to change columns"
    return [
        Finding(
            "violation",
            f"{rule}.{purpose}",
            fault.column,
            asset,
            (),
            str(Fault("", fault.what, fault.rows)).removeprefix("the frame "),
            mend,
        )
        for fault in found
    ]


def _pandera() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandera.pandas as pa

    return pa


def _column(policy: Policy, purpose: str, column: str, absent: Collection[str]) -> Any:
    pa = _pandera()
    nullable = column in absent or not always_defined(policy, purpose, column)
    labels = column_labels(policy, purpose, column)
    if labels:
        known = pa.Check.isin(list(labels), error="is no band of the policy")
        return pa.Column(checks=known, nullable=nullable)
    if column == MIX:
        shares = _each(_is_mix, "holds no shares that add up to 1")
        return pa.Column(checks=shares, nullable=nullable)
    forms = {
        purpose_named(policy, purpose).attributes[name].form
        for name in allowed_columns(policy, purpose)[column]
    }
    if forms != {"aggregated"}:
        return pa.Column(nullable=nullable)
    return pa.Column(checks=[_numbers(), *_range(column)], nullable=nullable)


def _range(column: str) -> Iterable[Any]:
    pa = _pandera()
    least, greatest = RANGES.get(column, (None, None))
    if least is not None:
        yield pa.Check.ge(least, error=f"is less than {least:g}")
    if greatest is not None:
        yield pa.Check.le(greatest, error=f"is greater than {greatest:g}")


def _numbers() -> Any:
    """Return the check that values are numbers and finite; a text is never a feature."""

    def finite(values: "pd.Series") -> "pd.Series":
        import numpy as np
        import pandas as pd

        if not pd.api.types.is_numeric_dtype(values):
            return pd.Series(data=False, index=values.index)
        return pd.Series(np.isfinite(values.to_numpy(dtype=float)), index=values.index)

    return _pandera().Check(finite, error="is no finite number")


def _whole() -> Any:
    def whole(values: "pd.Series") -> bool:
        import pandas as pd

        return bool(pd.api.types.is_integer_dtype(values))

    return _pandera().Check(whole, error="is no whole number")


def _each(fits: Callable[[Any], bool], error: str) -> Any:
    """Return a check of every value by itself."""

    def check(values: "pd.Series") -> "pd.Series":
        import pandas as pd

        return pd.Series([fits(value) for value in values], index=values.index, dtype=bool)

    return _pandera().Check(check, error=error)


def _uuids() -> Any:
    """Return the check that keys are pseudonyms: no text that could be an identifier."""
    written = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
    return _each(
        lambda value: isinstance(value, str) and written(value) is not None, "is no pseudonym"
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_mix(value: Any) -> bool:
    """Tell whether a category mix holds shares that add up to 1."""
    if not isinstance(value, dict):
        return False
    parts = list(value.values())
    return all(0 <= part <= 1 for part in parts) and abs(sum(parts) - 1) < 1e-3


def _faults(failure_cases: "pd.DataFrame") -> list[Fault]:
    """Count failures by column and check, and forget the values and the index."""
    found: dict[tuple[str, str], int | None] = {}
    for context, column, check, case, index in failure_cases[
        ["schema_context", "column", "check", "failure_case", "index"]
    ].itertuples(index=False):
        # Of these two, the failure case is the name of a column, not a value.
        named = check in ("column_in_schema", "column_in_dataframe")
        place = str(case) if named else "" if context == "DataFrameSchema" else str(column or "key")
        key = (place, _worded(str(check)))
        counted = index is not None and index == index
        found[key] = (found.get(key) or 0) + 1 if counted else found.get(key)
    return [Fault(column, what, rows) for (column, what), rows in sorted(found.items())]


def _worded(check: str) -> str:
    words = {
        "column_in_schema": "is no column that may be in it",
        "column_in_dataframe": "is missing",
        "dataframe_column_labels_unique": "has a column twice",
        "not_nullable": "is null",
        "field_uniqueness": "occurs more than once",
    }
    if check.startswith("field_name"):
        return "is not what keys the frame"
    if check.startswith("dtype"):
        return "is of another type"
    return words.get(check, check)
