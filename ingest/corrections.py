"""Reading what a customer asks to have corrected, and holding it to the contract.

Belongs here: which columns may be corrected, and which values they may have. Does not belong here:
correcting them (``governance.rights.rectification``), what becomes of a feed that says the old
value again (``heeding``).
"""

import json
from typing import Any

from governance.limits import require_short
from ingest.contract import CUSTOMERS, WHOLE, Column
from warehouse.errors import UsageError

COLUMNS = {c.name: c for c in CUSTOMERS.columns if c.name != "customer_id"}


def read(text: str) -> dict[str, str | None]:
    """Return corrections as text by column, each as its column would hold it.

    Parameters
    ----------
    text
        A JSON object: column to value; null, where there is none.

    Raises
    ------
    UsageError
        If it is something else, or a value can't stand in its column (which isn't repeated).
    """
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said:
        raise UsageError(
            "the corrections are no JSON object", 'write {"column": "value", ...}', rule="changes"
        )
    return {name: _value(name, value) for name, value in said.items()}


def _value(name: str, value: Any) -> str | None:
    column = COLUMNS.get(name)
    if column is None:
        raise UsageError(
            "the corrections name a column that customers don't have",
            f"use: {', '.join(COLUMNS)}; a transaction is corrected in its feed",
            rule="changes",
        )
    if value is None and not column.absence_speaks:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _unfit(column)
    text = str(value).strip()
    require_short(text)
    if column.type == WHOLE and not (text.isascii() and text.isdigit()):
        raise _unfit(column)  # nobody of 15.6 is 16
    fitting = str(int(text)) if column.type == WHOLE else text
    if not fitting or not _possible(column, fitting):
        raise _unfit(column)
    return fitting


def _possible(column: Column, text: str) -> bool:
    if not column.between:
        return True
    low, high = column.between
    return low <= int(text) <= high


def _unfit(column: Column) -> UsageError:
    return UsageError(
        f"that can't be the value of {column.name}", f"it is {column.type.lower()}: "
        f"{column.description[0].lower()}{column.description[1:]}", rule="changes",
    )  # fmt: skip
