"""Reading what a customer asks to have corrected, and holding it to the contract.

Belongs here: which columns may be corrected, and which values they may have. Does not belong here:
correcting them (``governance.rights.rectification``), what becomes of a feed that says the old
value again (``heeding``).
"""

import unicodedata
from typing import Any

from governance import said_once
from governance.limits import BLANKS, require_short
from governance.said_once import SaidTwiceError
from ingest.contract import CUSTOMERS, TEXT, WHOLE, Column
from warehouse.errors import UsageError

COLUMNS = {c.name: c for c in CUSTOMERS.columns if c.name != "customer_id"}

_KINDS = {TEXT: "a text, in quotes", WHOLE: "a whole number"}
_NO_TEXT = ("Cc", "Cs")  # control characters, such as NUL, and halves of characters


def read(content: bytes) -> dict[str, str | None]:
    """Return corrections as text by column, each as its column would hold it.

    Parameters
    ----------
    content
        A JSON object, in UTF-8: column to value; null, where there is none (but of an age).

    Raises
    ------
    UsageError
        If it is something else, or a value can't stand in its column (which isn't repeated).
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            "the corrections aren't valid UTF-8", "write them anew in it", rule="changes"
        ) from None
    try:
        said = said_once.read(text)
    except SaidTwiceError:
        raise UsageError(
            "the corrections name a column twice", "write each once", rule="changes"
        ) from None
    except (ValueError, RecursionError):
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
    if value is None:
        if column.absence_speaks:
            raise UsageError(
                f"{column.name} can't be corrected to nothing: without it, a child would count as"
                " grown up", "say what is right",
                rule="changes",
            )  # fmt: skip
        return None
    if column.type == WHOLE and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _unfit(column)
    text = value.strip(BLANKS)
    require_short(text)
    if not text or any(unicodedata.category(c) in _NO_TEXT for c in text if c not in "\t\r\n"):
        raise _unfit(column)
    if column.type != WHOLE:
        return text
    if not (text.isascii() and text.isdigit() and _possible(column, text)):
        raise _unfit(column)  # nobody of 15.6 is 16
    return str(int(text))


def _possible(column: Column, text: str) -> bool:
    if not column.between:
        return True
    low, high = column.between
    return low <= int(text) <= high


def _unfit(column: Column) -> UsageError:
    return UsageError(
        f"that can't be the value of {column.name}", f"it is {_KINDS[column.type]}: "
        f"{column.description[0].lower()}{column.description[1:]}", rule="changes",
    )  # fmt: skip
