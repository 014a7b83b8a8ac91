"""The door: by which alone the Python assets of a purpose read rows and leave results.

Belongs here: opening the warehouse for such an asset, handing it frames of the purpose's own marts
as far as the policy allows their columns, keeping its tables. No connection and no SQL passes
through, so an asset doesn't reach landing, the crosswalk or another purpose's mart; nor does any
attribute of what is handed out lead to one. Does not belong
here: what is made of a frame (``orchestration.segments``), what is fair (``expectations``).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import dagster as dg
import duckdb

from governance import aggregates, evidence, status
from governance import clocks as clock_row
from governance.clocks import Clocks
from governance.gate import judge_columns, judge_features, judge_mart, refuse
from governance.policy.words import FITTED_ON, SEGMENT_PURPOSE
from governance.unkeyed import require_unkeyed
from models.features import MIX
from orchestration import fairness
from orchestration.columns import share_sql
from orchestration.common import BY_DAY, OWNERS, about, same_day, unrepeated
from orchestration.feeds import absent_columns
from orchestration.manifest import lineage, policy
from orchestration.metadata import columns_of
from orchestration.values import refuse_value
from orchestration.writer import Writer
from warehouse import catalogue
from warehouse.errors import UsageError
from warehouse.sql import identifier

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameSchema

    from models.recipe import Recipe

MIX_ROWS = 50_000

Mixes = Literal["none", "some", "whole"]
Compute = Callable[["Door"], dg.MaterializeResult]

# The connection behind each door: beside it, so that no attribute of a door is one.
_BEHIND: "WeakKeyDictionary[Door, duckdb.DuckDBPyConnection]" = WeakKeyDictionary()


class Door:
    """What a Python asset of one purpose may do with the warehouse.

    Attributes
    ----------
    purpose : str
        The purpose that the asset serves.
    clocks : Clocks
        Those of the run.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, purpose: str, clocks: Clocks) -> None:
        _BEHIND[self] = connection
        self.purpose = purpose
        self.clocks = clocks

    @property
    def key(self) -> str:
        """The column that keys the purpose's marts."""
        return f"{self.purpose}_key"

    def days(self, mart: str) -> list[date]:
        """Return the days that a mart of the purpose holds, the latest first."""
        self._columns(mart)
        rows = (
            _BEHIND[self]
            .execute(f"select distinct as_of from marts.{identifier(mart)} order by as_of desc")
            .fetchall()
        )
        return [day for (day,) in rows]

    def frame(
        self, mart: str, day: date, *, shares: Sequence[str] = (), mix: Mixes = "none"
    ) -> "pd.DataFrame":
        """Read one day of a mart: one row per subject, by its key as text; figures as floats.

        Without the columns that no feed is a source of.

        Parameters
        ----------
        mart
            One of the purpose's.
        shares
            Features ``mix:<category>`` to read as columns: a category's share of the mix, 0 without
            spend on it, null without a mix.
        mix
            For whom to read the mix itself, a mapping, too: ``some`` are, of many subjects, about
            ``MIX_ROWS``, chosen by a hash of their figures, with null for the others. That is for
            describing segments; a model can't take its shares from it.

        Raises
        ------
        RuleBrokenError
            If it is no mart of the purpose, has a column that the policy doesn't allow, or holds
            values that such a column can't have.
        UsageError
            If nobody is in the mart on that day.
        """
        columns = self._columns(mart)
        figures = [c for c in columns if c != MIX and c not in absent_columns(self.purpose)]
        # A key as text: a million UUID objects would take longer than everything else.
        selected = [f"{self.key}::varchar as {self.key}"]
        selected += [f"{c}::double as {c}" for c in map(identifier, figures)]
        selected += [f"{share_sql(name)} as {identifier(name)}" for name in shares]
        rows = f"from marts.{identifier(mart)} where as_of = ?"
        found: pd.DataFrame = (
            _BEHIND[self].execute(f"select {', '.join(selected)} {rows}", [day]).df()
        )
        if found.empty:
            raise UsageError(
                f"{mart} is empty on {day}: nobody with a basis had bought anything by then",
                "ask for a later day, or see `assent feeds` and `assent consent show`",
            )
        found = found.set_index(self.key)
        self._judge_values(mart, found[figures])
        if mix != "none" and MIX in columns:
            one_in = max(1, len(found) // MIX_ROWS) if mix == "some" else 1
            drawn = f"hash({', '.join(map(identifier, figures))}) % {one_in} = 0"
            found[MIX] = self._mixes(f"{rows} and {drawn}", day)
        return found

    def _mixes(self, rows: str, day: date) -> "pd.Series":
        """Read mixes by key, through Arrow: a frame of maps would take ten times as long."""
        import pandas as pd

        table = (
            _BEHIND[self]
            .execute(f"select {self.key}::varchar as key, {MIX} as mix {rows}", [day])
            .to_arrow_table()
        )
        mixes = [None if mix is None else dict(mix) for mix in table.column("mix").to_pylist()]
        return pd.Series(mixes, index=table.column("key").to_pylist(), dtype=object)

    def require_unkeyed(self, where: str, text: str) -> None:
        """Refuse a text that would be kept in clear and names anybody (``governance.unkeyed``)."""
        require_unkeyed(_BEHIND[self], where, text)

    def tell(self, name: str, facts: dict[str, Any]) -> None:
        """Leave facts where anyone may read them (``governance.evidence``), if they name nobody.

        Raises
        ------
        RuleBrokenError
            If a key of a subject is among them; what was told before stays.
        """
        self.require_unkeyed(f"evidence/{name}.json", f"{name}\n{json.dumps(facts, default=str)}")
        evidence.show(name, facts, past=self.clocks.past)

    def judge(self, *, excused: bool) -> "Callable[[Recipe, pd.Series], str] | None":
        """Return who says whether a candidate's segments are fair (``orchestration.fairness``)."""
        return fairness.judge_of(_BEHIND[self], policy(), self.clocks, excused=excused)

    def released(
        self, model: str, segments: "pd.Series", describe: Callable[[], Mapping[str, str]]
    ) -> aggregates.Standing:
        """Return what may be shown of the segments as groups (``governance.aggregates``).

        Parameters
        ----------
        model
            The model in force.
        segments
            The segment of every subject, by key.
        describe
            Makes what a release shows beside bias: name of a file to its content.
        """
        frame = segments.rename("segment_id").reset_index()
        _BEHIND[self].register("assigned", frame)
        key = f"{self.key}::uuid as {self.key}"
        members = f"select segment_id::integer as segment_id, {key} from assigned"
        try:
            return aggregates.stand(
                _BEHIND[self], policy(), self.clocks, model, members,
                lambda: {**describe(), **self._bias(members)},
            )  # fmt: skip
        finally:
            _BEHIND[self].unregister("assigned")

    def _bias(self, members: str) -> dict[str, str]:
        return fairness.released(_BEHIND[self], policy(), self.clocks, members)

    def keep(
        self,
        table: str,
        frame: "pd.DataFrame",
        columns: dict[str, str],
        *,
        fits: "DataFrameSchema",
        judged: Sequence[str] = (),
        as_of: date | None = None,
    ) -> dict[str, Any]:
        """Replace a table of results by a frame; return its metadata.

        Parameters
        ----------
        columns
            Name and type of each column to keep; ``as_of`` comes before them.
        fits
            What the frame has to be.
        judged
            Kinds of rules whose verdicts are on what is replaced, and so are forgotten.
        as_of
            The day that it is of; that of the run, if it is no other.

        Raises
        ------
        RuleBrokenError
            If the frame is anything else.
        """
        if judged:
            status.forget(_BEHIND[self], policy(), self.purpose, judged, self.clocks, about())
        self._replace(table, frame, columns, fits, as_of or self.clocks.as_of)
        return self.described(table)

    def note_fitted(self, model: str, frame: "pd.DataFrame") -> None:
        """Note whom a model is of, those in a frame by key: receipts of erasures tell it."""
        from expectations import schemas

        on = frame.index.to_frame(index=False).assign(model=model)
        columns = {self.key: "uuid", "model": "varchar"}
        self._replace(FITTED_ON, on, columns, schemas.fitted_on(), self.clocks.as_of)

    def _replace(
        self, table: str, frame: "pd.DataFrame", columns: dict[str, str],
        fits: "DataFrameSchema", as_of: date,
    ) -> None:  # fmt: skip
        self._refuse(f"{self.purpose}/{table}", fits, frame)
        _BEHIND[self].execute(f"create schema if not exists {self.purpose}")
        selected = [f"{identifier(name)}::{kind} as {name}" for name, kind in columns.items()]
        _BEHIND[self].register("kept", frame)
        try:
            _BEHIND[self].execute(
                f"create or replace table {self.purpose}.{identifier(table)} as"
                f" select ?::date as as_of, {', '.join(selected)} from kept",
                [as_of],
            )
        finally:
            _BEHIND[self].unregister("kept")

    def described(self, asset: str) -> dict[str, Any]:
        """Return the columns of an asset of the purpose as metadata."""
        return columns_of(_BEHIND[self], f"{self.purpose}.{asset}")

    def _columns(self, mart: str) -> list[str]:
        """Return the columns of a mart beside its keys, if all of it may be read."""
        refuse(judge_mart(policy(), self.purpose, mart))
        found = catalogue.columns(_BEHIND[self], "marts", mart)
        columns = [name for name in found if name not in ("as_of", self.key)]
        refuse(judge_features(policy(), self.purpose, columns))
        return columns

    def _judge_values(self, mart: str, figures: "pd.DataFrame") -> None:
        """Refuse figures of another type or range than their columns can have.

        The mix is judged where it is made: as a column of the mart.
        """
        from expectations import schemas

        schema = schemas.features(
            policy(), self.purpose, figures.columns, absent=absent_columns(self.purpose)
        )
        self._refuse(mart, schema, figures)

    def _refuse(self, place: str, schema: "DataFrameSchema", frame: "pd.DataFrame") -> None:
        from expectations import schemas

        refuse(schemas.findings(self.purpose, place, schemas.faults(schema, frame)))


def asset(
    name: str, *, purpose: str = SEGMENT_PURPOSE, **described: Any
) -> Callable[[Compute], dg.AssetsDefinition]:
    """Make an asset of a function that is given the door of its purpose, and nothing else.

    What it tells is kept in clear by Dagster, so no key of a subject may be in it.

    Parameters
    ----------
    described
        As ``dagster.asset`` takes it.
    """

    def made(compute: Compute) -> dg.AssetsDefinition:
        @dg.asset(
            key=[purpose, name], group_name="segmentation", owners=OWNERS, **BY_DAY, **described
        )
        def opened(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
            with writer.warehouse() as connection, unrepeated():
                # A run of Python alone has met no gate yet (``orchestration.transform``).
                refuse(judge_columns(policy(), lineage()))
                clocks = same_day(context, clock_row.read(connection))
                told = compute(Door(connection, purpose, clocks))
                return _unkeyed(connection, f"{purpose}/{name}", told)

        definition: dg.AssetsDefinition = opened
        return definition

    return made


def _unkeyed(
    connection: duckdb.DuckDBPyConnection, asset: str, told: dg.MaterializeResult
) -> dg.MaterializeResult:
    """Return what an asset tells, if no key of a subject is in its metadata or tags.

    A generator is none: what it would tell, it would tell later, and nobody would have looked.
    """
    if told is not None and not isinstance(told, dg.MaterializeResult):
        refuse_value(asset)
    # By its text: whatever a value holds, at any depth, is in there.
    require_unkeyed(connection, f"the metadata of {asset}", repr(told))
    return told
