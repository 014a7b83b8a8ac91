"""The shape of ``sources.yaml``: one frozen model per block.

Belongs here: keys, types, bounds, defaults and a description of each key. Does not belong here:
what must hold between keys (``source_checks``), reading the file (``sources``).
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    field_validator,
)

from governance.limits import FUTURE_TOLERANCE_MINUTES
from governance.policy.words import FeedName
from warehouse import clock
from warehouse.errors import UsageError
from warehouse.home import production

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Part(BaseModel):
    """What all blocks have in common: no unknown keys, no conversions, no change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Mapping(Part):
    """Where one of our columns comes from: exactly one of column, expression, constant."""

    column: Text | None = Field(default=None, description="The company's column")
    format: Text | None = Field(
        default=None,
        description="How a time is written in it, in the codes of strptime (`%d/%m/%Y %H:%M`)",
    )
    expression: Text | None = Field(
        default=None, description="One SQL expression over the company's columns"
    )
    constant: Text | int | None = Field(default=None, description="The same value for every row")


def _as_mapping(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


ColumnMapping = Annotated[Mapping, BeforeValidator(_as_mapping)]


class CsvOptions(Part):
    """How CSV files are written, where they differ from RFC 4180 in UTF-8 with a header."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        default=",", description="What separates the columns"
    )
    encoding: Literal["utf-8", "utf-16", "latin-1"] = Field(
        default="utf-8", description="The encoding of the file"
    )
    header: bool = Field(
        default=True,
        description="Whether the first line names the columns; otherwise they are column1, "
        "column2, ...",
    )
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        default='"', description="What surrounds a value that holds a delimiter or a new line"
    )
    null: tuple[str, ...] = Field(
        default=(), description="Words that stand for no value, besides an empty one"
    )


class FeedSource(Part):
    """One feed: where it is, what may be assumed about it, how its columns map to ours."""

    connector: Literal["files", "postgres", "python"] = Field(description="How the rows are read")
    provenance: Text = Field(description="Where the company got the data")
    time_zone: Text = Field(
        description="The time zone (IANA name) of times that don't name one themselves"
    )
    identifiers: tuple[Text, ...] = Field(
        description="Which of our mapped columns identify a person directly; they go to the vault"
    )
    columns: Annotated[dict[Text, ColumnMapping], Field(min_length=1)] = Field(
        description="Our columns, each with the company's column or how it is made"
    )
    natural_key: tuple[Text, ...] | None = Field(
        default=None,
        description="Our columns that identify a row; by default customer_id (customers), "
        "customer_id, request_id and type (rights_requests), else all mapped columns",
    )
    corrections: Literal["latest_arrival", "refuse"] = Field(
        default="latest_arrival",
        description="What happens to a row seen again with other values: the latest arrival "
        "counts, or it is quarantined",
    )
    delivery: Literal["whole_days", "continuous"] = Field(
        default="continuous",
        description="Whether a day arrives whole; otherwise the newest event's day is not complete",
    )
    greatest_bad_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="More bad rows than this share of a reading stop the load"
    )
    negative_value: Literal["allowed", "fault"] = Field(
        default="fault",
        description="Whether value, quantity and discount may be negative (returns)",
    )
    future_tolerance_minutes: Annotated[int, Field(ge=0, le=1440)] = Field(
        default=FUTURE_TOLERANCE_MINUTES,
        description="How much later than its arrival a time may be",
    )
    entry_point: Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+$")] | None = Field(
        default=None, description="python: the function that returns the rows, as module:function"
    )
    paths: tuple[Text, ...] = Field(
        default=(), description="files: paths or globs, relative to sources.yaml"
    )
    format: Literal["parquet", "csv", "jsonl"] | None = Field(
        default=None, description="files: their format; a csv or jsonl file may be gzipped (.gz)"
    )
    csv: CsvOptions | None = Field(default=None, description="files: how CSV files are written")
    connection_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")] | None = Field(
        default=None,
        description="postgres: the environment variable that holds the connection string",
    )
    table: Annotated[str, StringConstraints(pattern=r"^[^.]+\.[^.]+$")] | None = Field(
        default=None, description="postgres: the table, as schema.table"
    )
    query: Text | None = Field(default=None, description="postgres: a query instead of a table")


class Sources(Part):
    """All feeds of one installation."""

    version: Literal[1] = Field(description="The version of this file's shape")
    clock: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="Demo only: pretend that it is this moment (UTC: ends in Z)"
    )
    label: Text | None = Field(
        default=None, description="One line shown with whatever is made from the feeds"
    )
    feeds: dict[FeedName, FeedSource] = Field(description="The feeds, by name")

    _file: Path = PrivateAttr(default=Path("sources.yaml"))

    @field_validator("clock", mode="before")
    @classmethod
    def _text_only(cls, value: Any) -> Any:
        # Without quotes YAML makes it a moment without a zone: which zone would be a guess.
        if value is not None and not isinstance(value, str):
            raise ValueError("write it in quotes, as '2018-01-01T05:00:00Z'")
        return value

    @property
    def file(self) -> Path:
        """The file that was read."""
        return self._file

    def now(self) -> datetime:
        """Return the present moment, which a demo's ``clock`` may set.

        ``ASSENT_NOW`` goes before ``clock``.

        Raises
        ------
        UsageError
            If ``clock`` is set in production mode.
        """
        if self.clock is None:
            return clock.now()
        if production():
            raise UsageError(
                f"{self._file.name} sets the clock, which production mode refuses",
                "remove the key 'clock'",
            )
        return clock.now() if os.environ.get(clock.VARIABLE) else self.clock
