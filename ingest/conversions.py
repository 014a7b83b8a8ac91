"""Conversions: SQL that turns one value into the type that landing wants, or into null.

Belongs here: what can become a text, a number or a time, and how; time zones. Does not belong
here: which column is converted (``projection``), what a failed conversion means.
"""

import re
from dataclasses import dataclass

from governance.limits import seen_sql, trimmed_sql
from ingest.connectors.source import Source
from ingest.contract import TEXT, TIME, WHOLE, Column
from ingest.exact import float_text_sql
from ingest.expressions import columns_of, parsed, safe_sql
from ingest.model import Mapping
from warehouse.errors import UsageError
from warehouse.sql import identifier, quoted

_WHOLE = re.compile(r"^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
# A time of day, then a zone or an offset, which a cast to TIMESTAMP would drop without a word.
# Without the time of day, -01 may be a day of the month.
_OFFSET = r"(?i)\d:\d\d(:\d\d(\.\d+)?)?\s*([a-z].*|[+-]\d\d(:?\d\d)*)$"
_UTC = frozenset(
    ["UTC", "Etc/UTC", "UCT", "Etc/UCT", "GMT", "Etc/GMT", "GMT0", "Etc/GMT0", "Greenwich",
     "Etc/Greenwich", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"]
)  # fmt: skip
# Directives of strptime that say more than the day.
_DAYTIME = re.compile(r"%-?[HIMSfgncX]")
_PUT_BACK_BY = (60, 30, 120)  # minutes: everywhere, on Lord Howe, at Troll
_KINDS = {
    TEXT: ("text", "whole number", "number", "time", "truth value", "uuid", "nothing"),
    TIME: ("text", "time", "nothing"),
}
_NUMBER_KINDS = ("text", "whole number", "number", "nothing")


class WrongTypeError(UsageError):
    """A mapped column is of a type that can't become ours."""


@dataclass(frozen=True)
class Raw:
    """A company's value as it is.

    Attributes
    ----------
    sql
        Its expression over the source; blank texts and NaN are null in it.
    type
        DuckDB's type of it.
    inputs
        For an expression, the condition that something it reads is null, or all of it where the
        column's absence speaks; else empty.
    """

    sql: str
    type: str
    inputs: str = ""


def kind_of(type_: str) -> str:
    """Return what a DuckDB type holds, in plain words."""
    if type_ in ("VARCHAR", "JSON") or type_.startswith("ENUM"):
        return "text"
    if _WHOLE.match(type_):
        return "whole number"
    if type_ in ("FLOAT", "DOUBLE") or re.match(r"^DECIMAL\(\d+,\d+\)$", type_):
        return "number"
    if re.match(r"^(DATE|TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE)$", type_):
        return "time"
    return {"BOOLEAN": "truth value", "UUID": "uuid", '"NULL"': "nothing"}.get(type_, "other")


def raw_sql(column: Column, mapping: Mapping, source: Source, expression_type: str) -> Raw:
    """Return the raw value of one of our columns.

    Raises
    ------
    WrongTypeError
        If its type can't become ours.
    """
    if mapping.constant is not None:
        sql = str(mapping.constant) if isinstance(mapping.constant, int) else ""
        return Raw(sql, "INTEGER") if sql else Raw(quoted(mapping.constant), "VARCHAR")
    if mapping.expression:
        _require_kind(column, expression_type, source, "the expression", bool(mapping.format))
        sql = safe_sql(mapping.expression, source.columns)
        reads = columns_of(parsed(mapping.expression))
        empty = [
            f"{_blank_is_null(identifier(name), source.columns[name], column)} is null"
            for name in reads
        ]
        inputs = (" and " if column.absence_speaks else " or ").join(empty)
        return Raw(_blank_is_null(sql, expression_type, column), expression_type, f"({inputs})")
    name = str(mapping.column)
    type_ = source.columns[name]
    _require_kind(column, type_, source, f"the column '{name}'", bool(mapping.format))
    return Raw(_blank_is_null(identifier(name), type_, column), type_)


def _require_kind(column: Column, type_: str, source: Source, what: str, dated: bool) -> None:
    kind = kind_of(type_)
    allowed = _KINDS.get(column.type, _NUMBER_KINDS)
    if kind in allowed or (dated and kind == "whole number"):
        return
    said = kind if kind != "other" else type_.split("(")[0].lower()
    raise WrongTypeError(
        f"{source.name}: {what} holds a {said}, which can't become {column.name} ({column.type})",
        "map another column, or convert it with an `expression`",
    )


def _blank_is_null(sql: str, type_: str, column: Column) -> str:
    if type_ in ("FLOAT", "DOUBLE"):
        return f"nullif({sql}, 'nan')"
    if kind_of(type_) != "text":
        return sql
    text = sql if type_ == "VARCHAR" else f"cast({sql} as varchar)"
    trims = column.word or column.name == "customer_id"
    return f"nullif({trimmed_sql(text)}, '')" if trims else f"nullif({text}, '')"


def text_sql(raw: str, type_: str, column: Column) -> str:
    """Return a text; numbers with nothing behind the point lose it.

    A float from which on neighbours are one number, and an id with an unseen character inside, may
    be anybody's: they can't be read.
    """
    kind = kind_of(type_)
    if kind == "number":
        return float_text_sql(raw, type_)
    if column.name == "customer_id" and kind == "text":
        return f"case when {seen_sql(raw)} then {raw} end"
    text = raw if kind == "text" else f"try_cast({raw} as varchar)"
    return f"translate(lower({text}), '- ', '__')" if column.word else text


def number_sql(raw: str, raw_type: str, type_: str) -> str:
    """Return a number of our type; null if it doesn't fit."""
    number = f"try_cast({raw} as {type_})"
    if kind_of(raw_type) == "text":  # DuckDB takes 1_000 for 1000
        number = f"case when not contains({raw}, '_') then {number} end"
    if type_ != WHOLE:
        return number
    # A cast to a whole number rounds: whoever is 15.6 would be 16.
    return f"case when {number} = try_cast({raw} as double) then {number} end"


def may_be_day(type_: str, format_: str | None) -> bool:
    """Tell whether values of a type, in a format, may be days without a time."""
    if format_:
        return not _DAYTIME.search(format_.replace("%%", ""))
    return type_ == "DATE" or kind_of(type_) == "text"


def time_sql(
    raw: str,
    type_: str,
    format_: str | None,
    zone: str,
    earlier: str = "",
    *,
    day_ends: bool = False,
) -> str:
    """Return a time in UTC without a zone.

    Parameters
    ----------
    raw, type_
        The value and its DuckDB type. The session's time zone has to be UTC.
    format_
        How a text is written (strptime); by default ISO 8601, with or without an offset.
    zone
        The zone of times that don't name one. One that a clock skipped moves an hour on, as ICU
        does.
    earlier
        Condition on which a time that occurs twice, because a clock was put back, counts as the
        earlier one; by default it is the later.
    day_ends
        Whether a day without a time is its last microsecond; by default it is its midnight.
    """

    def local(time: str) -> str:
        return to_utc(time, zone, earlier)

    def ended(time: str, *, if_: str) -> str:
        if not day_ends or not may_be_day(type_, format_):
            return time
        end = f"try({time} + interval 1 day - interval 1 microsecond)"
        return f"case when {if_} then {end} else {time} end"

    if format_:
        text = raw if kind_of(type_) == "text" else f"cast({raw} as varchar)"
        time = ended(f"try_strptime({text}, {quoted(format_)})", if_="true")
        return f"timezone('UTC', {time})" if re.search("%[zZ]", format_) else local(time)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {raw})"
    if kind_of(type_) != "text":
        return local(ended(f"try_cast({raw} as timestamp)", if_="true"))
    day = f"not contains({raw}, ':')"  # every time of day has one
    with_offset = f"timezone('UTC', {ended(f'try_cast({raw} as timestamptz)', if_=day)})"
    if zone in _UTC:
        return with_offset  # the session's zone is UTC
    naive = local(ended(f"try_cast({raw} as timestamp)", if_=day))
    return f"case when regexp_matches({raw}, {quoted(_OFFSET)}) then {with_offset} else {naive} end"


def to_utc(local: str, zone: str, earlier: str = "") -> str:
    """Return a local time as UTC without a zone; of two, the earlier on that condition."""
    if zone in _UTC:
        return local
    later = f"timezone('UTC', timezone({quoted(zone)}, {local}))"
    if not earlier:
        return later
    branches = "".join(
        f" when {earlier} and timezone({quoted(zone)}, timezone('UTC', {before})) = {local}"
        f" then {before}"
        for before in (f"{later} - interval {minutes} minute" for minutes in _PUT_BACK_BY)
    )
    return f"case{branches} else {later} end"


def is_utc(zone: str) -> bool:
    """Tell whether a zone is UTC under one of its names."""
    return zone in _UTC
