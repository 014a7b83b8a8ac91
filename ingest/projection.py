"""From a company's columns to ours: the typed projection of a feed and the faults of its rows.

Belongs here: SQL text, and nothing runs it here. One :class:`Projection` is built for a feed and
one of its sources; loading, checking and correcting all take their SQL from it, so that they agree
about what a bad row is. Does not belong here: counting (``survey``), writing (``load``).

The values are computed in two steps: ``raw`` (the company's columns and expressions, as they are)
and ``typed`` (our columns; null where a raw value can't be converted, so that no cast ever fails
and quotes a value).
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

import duckdb

from governance.limits import EARLIEST, LONGEST_ID, LONGEST_TEXT
from governance.policy.model import Policy
from governance.policy.words import OF_HOLD
from ingest.connectors.source import (
    MALFORMED,
    POSITION,
    Source,
    described,
    has_key,
    read_by,
    reading,
)
from ingest.contract import TEXT, TIME, Column, Contract
from ingest.conversions import may_be_day, number_sql, raw_sql, text_sql, time_sql
from ingest.expressions import safe_sql
from ingest.heeding import NOTHING, Heed
from ingest.model import FeedSource
from ingest.undone import of_age
from warehouse.sql import quoted


@dataclass(frozen=True)
class Fault:
    """One way in which a row can be bad: an SQL condition that is never null."""

    reason: str
    column: str | None
    condition: str


@dataclass(frozen=True)
class Rules:
    """What decides about a row besides its own feed's declaration.

    Attributes
    ----------
    now
        The moment of arrival, UTC without a zone.
    purposes
        The purposes that the policy knows.
    of_age
        The age from which on nobody counts as a child.
    """

    now: datetime
    purposes: tuple[str, ...]
    of_age: int

    @classmethod
    def of(cls, now: datetime, policy: Policy) -> "Rules":
        """Return the rules of a policy at a moment."""
        return cls(now, tuple(policy.purposes), of_age(policy))


class Projection:
    """The SQL of one feed over one source.

    Parameters
    ----------
    contract, feed
        What our columns are, and how the feed maps to them.
    source
        The opened source.
    rules
        What decides about a row.
    expression_types
        DuckDB's type of each column that is mapped by an expression.

    Raises
    ------
    WrongTypeError
        If a mapped column is of a type that can't become ours.
    """

    def __init__(
        self,
        contract: Contract,
        feed: FeedSource,
        source: Source,
        rules: Rules,
        expression_types: dict[str, str] | None = None,
    ) -> None:
        self.contract, self.feed, self.source, self.rules = contract, feed, source, rules
        types = expression_types or {}
        self._raw = {
            name: raw_sql(contract.column(name), mapping, source, types.get(name, ""))
            for name, mapping in feed.columns.items()
        }
        self.faults = tuple(self._found_faults())
        self.heed = NOTHING

    def heeding(self, heed: Heed) -> "Projection":
        """Return the same, with what rights say of the rows."""
        again = copy(self)
        again.heed = heed
        if heed.holds:
            again.faults = (*self.faults, Fault(OF_HOLD, "request_id", "of_hold"))
        return again

    def typed(self, *, numbered: bool = False) -> str:
        """Return the relation of typed columns, raw ones (``raw_<name>``) beside them.

        With ``numbered``, it has the position of each row too. Rows that rights stop aren't in it.
        """
        return self.heed.rows(self.delivered(numbered=numbered), list(self._raw))

    def delivered(self, *, numbered: bool = False) -> str:
        """Return the same with every row that the source holds, as it says it."""
        source = self.source.numbered if numbered else self.source.relation
        kept = [POSITION] if numbered else []
        kept += [MALFORMED] if self.source.marks_malformed else []
        kept += [has_key(key) for column in self._widened for key in self._keys(column)]
        raw = [f"{raw.sql} as raw_{name}" for name, raw in self._raw.items()]
        raw += [f"{raw.inputs} as no_{name}" for name, raw in self._raw.items() if raw.inputs]
        step = f"(select {', '.join([*kept, *raw])} from {source})"
        raw_names = [f"raw_{name}" for name in self._raw]
        raw_names += [f"no_{name}" for name, raw in self._raw.items() if raw.inputs]
        typed = [f"{self._typed(column)} as {column.name}" for column in self.contract.columns]
        days = self._days
        typed += [f"{self._time(c, day_ends=True)} as latest_{c.name}" for c in days]
        step = f"(select {', '.join([*kept, *raw_names, *typed])} from {step})"
        if self._said_by:
            moments = ", ".join(f"{self._moment(c)} as {c.name}" for c in self._said_by)
            leaving = f" exclude ({', '.join(f'latest_{c.name}' for c in days)})" if days else ""
            step = f"(select *{leaving} replace ({moments}) from {step})"
        defaults = [c for c in self.contract.columns if c.default]
        if not defaults:
            return step
        replaced = ", ".join(f"{self._with_default(c)} as {c.name}" for c in defaults)
        return f"(select * replace ({replaced}) from {step})"

    @property
    def _widened(self) -> list[Column]:
        """The mapped columns that a row of this source can lack, and allow more by that."""
        if not self.source.marks_keys:
            return []
        return [c for c in self.contract.columns if c.absence_widens and self._keys(c)]

    def _keys(self, column: Column) -> tuple[str, ...]:
        mapping = self.feed.columns.get(column.name)
        return read_by(mapping) if mapping else ()

    def _with_default(self, column: Column) -> str:
        # Only where nothing was given: what can't be read stays null, and is a fault.
        if column.name not in self._raw:
            return column.default
        raw = f"raw_{column.name}"
        return f"case when {raw} is null then {column.default} else {column.name} end"

    def _typed(self, column: Column) -> str:
        if column.name not in self._raw:
            return f"null::{column.type}"
        raw = f"raw_{column.name}"
        kind = self._raw[column.name].type
        if column.type == TIME:
            return self._time(column)
        if column.type == TEXT:
            return text_sql(raw, kind, column)
        return number_sql(raw, kind, column.type)

    def _time(self, column: Column, *, day_ends: bool = False) -> str:
        name, mapping = column.name, self.feed.columns[column.name]
        earlier = self.contract.allows if name == self.contract.time and not day_ends else ""
        return time_sql(f"raw_{name}", self._raw[name].type, mapping.format, self.feed.time_zone,
                        earlier, day_ends=day_ends)  # fmt: skip

    @property
    def _said_by(self) -> list[Column]:
        """The mapped times of words that allow or deny."""
        times = [c for c in self.contract.columns if c.type == TIME and c.name in self._raw]
        return times if self.contract.allows else []

    @property
    def _days(self) -> list[Column]:
        """Those of them that may hold a day without a time."""
        return [
            column
            for column in self._said_by
            if may_be_day(self._raw[column.name].type, self.feed.columns[column.name].format)
        ]

    def _moment(self, column: Column) -> str:
        """Return the earliest instant that a word's time may mean if it allows, else the latest.

        A word that allows wasn't said after it became known, if a clock is only a little fast. The
        latest is no later than the word became known, nor than now; but never before its own day.
        """
        name, arrival = column.name, self.contract.arrival
        earliest = latest = name
        bounds = [f"latest_{name}", self._now]
        if name == self.contract.time and arrival in self._raw:
            earliest = (
                f"case when {name} between {arrival} and {arrival} + {self._tolerance}"
                f" then {arrival} else {name} end"
            )
            bounds.append(f"latest_{arrival}" if self.contract.column(arrival) in self._days
                          else arrival)  # fmt: skip
        if column in self._days:
            latest = f"greatest({name}, least({', '.join(bounds)}))"
        return (
            f"case when {name} is not null then case when {self.contract.allows} then {earliest}"
            f" else {latest} end end"
        )

    @property
    def _tolerance(self) -> str:
        return f"interval {self.feed.future_tolerance_minutes} minute"

    @property
    def _now(self) -> str:
        return f"timestamp {quoted(self.rules.now.isoformat(sep=' '))}"

    @property
    def bad(self) -> str:
        """The condition, over typed columns, that a row has some fault."""
        return "(" + " or ".join(fault.condition for fault in self.faults) + ")"

    def case(self, attribute: str) -> str:
        """Return the expression of the first fault's ``reason`` or ``column``."""
        branches = " ".join(
            f"when {fault.condition} then {_literal(getattr(fault, attribute))}"
            for fault in self.faults
        )
        return f"case {branches} end"

    def _found_faults(self) -> Iterator[Fault]:
        if self.source.marks_malformed:
            yield Fault("malformed_row", None, MALFORMED)
        for column in self.contract.columns:
            if column.name in self._raw:
                yield from self._conversion_faults(column)
        for column in self.contract.columns:
            if column.name in self._raw:
                yield from self._value_faults(column)

    def _conversion_faults(self, column: Column) -> Iterator[Fault]:
        name, raw = column.name, self._raw[column.name]
        if column.required:
            nothing_given = f" and no_{name}" if raw.inputs else ""
            yield Fault(f"missing_{name}", name, f"(raw_{name} is null{nothing_given})")
            yield Fault(f"unparseable_{name}", name, f"({name} is null)")
        elif column.absence_speaks and raw.inputs:
            yield Fault(
                f"unparseable_{name}",
                name,
                f"(case when raw_{name} is null then not no_{name} else {name} is null end)",
            )
        elif raw.type != column.type:
            yield Fault(f"unparseable_{name}", name, f"(raw_{name} is not null and {name} is null)")
        if column in self._widened:
            lacks = " and ".join(f"not {has_key(key)}" for key in self._keys(column))
            allows = f"coalesce({self.contract.allows}, false)"
            yield Fault(f"missing_{name}", name, f"({allows} and {lacks})")
        if column.type == TEXT:
            longest = LONGEST_ID if name == "customer_id" else LONGEST_TEXT
            yield Fault(f"too_long_{name}", name, f"coalesce(strlen({name}) > {longest}, false)")

    def _value_faults(self, column: Column) -> Iterator[Fault]:
        name = column.name
        if column.choices:
            words = ", ".join(map(quoted, column.choices))
            yield Fault(
                f"unknown_{name}", name, f"coalesce({name} not in ({words}), false)"
            )  # fmt: skip
        if name == "purpose":
            words = ", ".join(map(quoted, self.rules.purposes)) or "''"
            yield Fault("unknown_purpose", name, f"coalesce({name} not in ({words}), false)")
        if column.between:
            low, high = column.between
            yield Fault(
                f"impossible_{name}",
                name,
                f"coalesce({name} not between {low} and {high}, false)",
            )
        if column.never_negative and self.feed.negative_value == "fault":
            yield Fault(f"negative_{name}", name, f"coalesce({name} < 0, false)")
        if column.type == TIME:
            yield from self._time_faults(name)

    def _time_faults(self, name: str) -> Iterator[Fault]:
        yield Fault(
            f"impossible_{name}", name, f"coalesce({name} < timestamp {quoted(EARLIEST)}, false)"
        )
        late = f"{name} > {self._now} + {self._tolerance}"
        arrival = self.contract.arrival
        if name == self.contract.time and arrival in self._raw:
            # The feed says itself when it learned of the event: that can't be before the event.
            late += f" or {name} > {arrival} + {self._tolerance}"
        yield Fault("after_arrival", name, f"coalesce({late}, false)")

    def key(self) -> Sequence[str]:
        """Return our columns that identify a row, as ``sources.yaml`` or the contract says."""
        declared = self.feed.natural_key
        if declared is None and set(self.contract.natural_key) <= set(self.feed.columns):
            declared = self.contract.natural_key
        if declared:
            return declared
        return [c.name for c in (self.contract.column("customer_id"), *self.contract.landed)
                if c.name in self.feed.columns]  # fmt: skip


def _literal(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def projected(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    feed: FeedSource,
    source: Source,
    rules: Rules,
) -> Projection:
    """Return the projection of a feed over an opened source, with its expressions understood.

    Raises
    ------
    UsageError
        If an expression doesn't fit the columns that it reads.
    WrongTypeError
        If a mapped column is of a type that can't become ours.
    """
    types = {}
    for name, mapping in feed.columns.items():
        if mapping.expression:
            sql = safe_sql(mapping.expression, source.columns)
            with reading(
                f"{source.name}: the expression of {name}",
                "it doesn't fit the types of its columns: add casts, e.g. cast(x as integer)",
            ):
                types[name] = described(connection, f"(select {sql} as x from {source.relation})")[
                    "x"
                ]
    return Projection(contract, feed, source, rules, types)
