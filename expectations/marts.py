"""The checks of a mart: every rule of one purpose that its data can answer.

Belongs here: verdicts on minimisation, permission, retention, special values, completeness and the
way from landing to the mart. Does not belong here: how the figures come about (``suites`` and
``gx``, ``proof``, ``ages``, ``fill``), checks of feeds and segments.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

import duckdb

from expectations import gx, proof
from expectations.ages import Mart, check_retention, oldest_of_snapshot, unlawful
from expectations.fill import Fill, least_share, partial
from expectations.gx import Outcome
from expectations.result import Result, Status, Table, by_id, result, unjudged
from expectations.sql import one
from expectations.suites import suite, with_permission
from governance.clocks import Clocks
from governance.consent_statistics import told
from governance.findings import Finding
from governance.gate import mart_purpose
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy
from warehouse.catalogue import columns, is_number, tables
from warehouse.sql import identifier

__all__ = ["check_mart", "suite"]

BY_CATEGORY = "MAP(VARCHAR, "


@dataclass(frozen=True)
class _Mart:
    """One purpose's marts, and what has been found about them so far."""

    connection: duckdb.DuckDBPyConnection
    policy: Policy
    clocks: Clocks
    purpose: str
    absent: frozenset[str]
    tables: dict[str, dict[str, str]]  # name to columns with types
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)  # with the table's name

    @property
    def name(self) -> str:
        return f"mart_{self.purpose}"

    def found(self, kind: str, table: str | None = None) -> list[Outcome]:
        """Return what the suites found for the rules of a kind."""
        rule = f"{kind}.{self.purpose}"
        return [o for t, o in self.outcomes if o.rule == rule and table in (None, t)]


def check_mart(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    clocks: Clocks,
    purpose: str,
    *,
    findings: Sequence[Finding] = (),
    absent: Collection[str] = frozenset(),
    whole: Collection[str] = frozenset(),
) -> list[Result]:
    """Judge every rule of a purpose over its marts.

    Parameters
    ----------
    connection
        With the warehouse as its current database. Temporary tables are made and dropped; nothing
        else is written.
    findings
        What the column gate found (``governance.gate.judge_columns``); findings of other rules
        are left aside.
    absent
        Columns of the mart whose source no feed maps: left out of completeness, and listed.
    whole
        The marts of which each build writes all; of the others, rows may be of older ones.

    Returns
    -------
    list of Result
        One for each rule of the purpose in the catalogue, but those of segments.

    Raises
    ------
    UsageError
        If the policy has no such purpose.
    """
    purpose_named(policy, purpose)
    found = {
        table: columns(connection, "marts", table)
        for table in tables(connection, "marts")
        if mart_purpose(policy, table) == purpose
    }
    mart = _Mart(connection, policy, clocks, purpose, frozenset(absent), found)
    if not _keyed(mart):
        return _unjudgeable(mart, findings)
    try:
        proof.lawful(connection, policy, clocks, purpose)
        _run_suites(mart)
        return [
            _minimisation(mart, findings),
            _permission(mart),
            *check_retention(connection, policy, clocks, purpose, _dated(mart, whole)),
            *_special_values(mart),
            _completeness(mart),
            _reconciliation(mart),
        ]
    finally:
        proof.dropped(connection)


def _keyed(mart: _Mart) -> bool:
    """Tell whether the mart is there, with keys of their type; without, nothing can be asked."""
    types = mart.tables.get(mart.name, {})
    return all(types.get(key) == type_ for key, type_ in _keys(mart).items())


def _dated(mart: _Mart, whole: Collection[str]) -> dict[str, Mart]:
    """Return the marts that have the keys, which are all but those that break minimisation."""
    keys = _keys(mart).items()
    return {
        table: Mart(types, whole=table in whole)
        for table, types in mart.tables.items() if keys <= types.items()
    }  # fmt: skip


def _keys(mart: _Mart) -> dict[str, str]:
    return {"as_of": "DATE", f"{mart.purpose}_key": "UUID"}


def _unjudgeable(mart: _Mart, findings: Sequence[Finding]) -> list[Result]:
    """Return the verdicts where there is no mart, or one without its keys."""
    catalogue = by_id(mart.policy)
    kinds = ("permission", "retention", "special_values", "completeness", "reconciliation")
    others = [r for r in catalogue.values() if r.purpose == mart.purpose and r.kind in kinds]
    return [_minimisation(mart, findings), *(unjudged(rule) for rule in others)]


def _run_suites(mart: _Mart) -> None:
    for table, types in mart.tables.items():
        main = table == mart.name
        expected = suite(mart.policy, mart.purpose, types, absent=mart.absent if main else types)
        if set(_keys(mart)) <= set(types):
            with_permission(
                expected, mart.policy, mart.purpose,
                as_of=mart.clocks.as_of.isoformat(),
                oldest=oldest_of_snapshot(mart.policy, mart.purpose, types) if main else "",
            )  # fmt: skip
        mart.outcomes.extend(
            (table, outcome)
            for outcome in gx.run(mart.connection, expected, schema="marts", table=table)
        )


def _minimisation(mart: _Mart, findings: Sequence[Finding]) -> Result:
    """Judge whether the marts have the allowed columns, all of them, in the allowed form."""
    rule = by_id(mart.policy)[f"minimisation.{mart.purpose}"]
    faults = [*_columns_beyond(mart), *_columns_lacking(mart), *_wrong_types(mart)]
    faults += [f"{table}: not met: {o.what}" + (f" ({o.unexpected} rows)" if o.unexpected else "")
               for table, o in mart.outcomes if o.rule == rule.id and not o.met]  # fmt: skip
    of_gate = [f for f in findings if f.rule == rule.id]
    lines = [*faults, *(f"{f.place} {f.what}" for f in of_gate)]
    facts = {
        "columns": Table(
            ("table", "column", "type"),
            [(t, c, kind) for t, types in mart.tables.items() for c, kind in types.items()],
        )
    }
    if not lines:
        return result(rule, "holds", 0, "exactly the allowed columns, in the allowed form", **facts)
    status: Status = "gap" if not faults and all(f.kind == "gap" for f in of_gate) else "broken"
    return result(rule, status, len(lines), "; ".join(lines), **facts)


def _columns_beyond(mart: _Mart) -> Iterator[str]:
    allowed = {*allowed_columns(mart.policy, mart.purpose), *_keys(mart)}
    for table, types in mart.tables.items():
        for column in types:
            if column not in allowed:
                yield f"{table}.{column} is no column that '{mart.purpose}' may have"


def _columns_lacking(mart: _Mart) -> Iterator[str]:
    if mart.name not in mart.tables:
        yield f"there is no table marts.{mart.name}"
        return
    built = {column for types in mart.tables.values() for column in types}
    for column in allowed_columns(mart.policy, mart.purpose):
        if column not in built:
            yield f"{column} is allowed, but no mart of '{mart.purpose}' has it"
    for table, types in mart.tables.items():
        for key in _keys(mart):
            if key not in types:
                yield f"{table} lacks {key}"


def _wrong_types(mart: _Mart) -> Iterator[str]:
    """Find columns whose type can't be the allowed form: a band is a text, an aggregate is not."""
    body = purpose_named(mart.policy, mart.purpose)
    fixed = _keys(mart)
    for table, types in mart.tables.items():
        for column, type_ in types.items():
            forms = {body.attributes[a].form for a in body.columns.get(column, ())}
            wanted = fixed.get(column) or ("VARCHAR" if "banded" in forms else "")
            if wanted and type_ != wanted:
                yield f"{table}.{column} is of type {type_}, not {wanted}"
            elif not wanted and forms == {"aggregated"} and not _is_figure(type_):
                what = "neither a number nor a date, nor numbers by category"
                yield f"{table}.{column} is of type {type_}, {what}"


def _is_figure(type_: str) -> bool:
    """Tell whether an aggregated column may be of a type; never a text, a key, or many values."""
    if type_.startswith(BY_CATEGORY):
        return is_number(type_.removeprefix(BY_CATEGORY).removesuffix(")"))
    return is_number(type_) or type_ in ("BOOLEAN", "DATE")


def _permission(mart: _Mart) -> Result:
    """Judge whether every subject of every mart may be in it, with the data behind them."""
    rule = by_id(mart.policy)[f"permission.{mart.purpose}"]
    outcomes = mart.found("permission")
    failed = [o for o in outcomes if o.failed] or len(outcomes) < len(mart.tables)
    within = sum(o.unexpected or 0 for o in outcomes)
    behind = unlawful(mart.connection, mart.purpose)
    least = mart.policy.thresholds.bias.smallest_group
    found = {(reason, "yes" if permitted else "no"): subjects
             for reason, permitted, subjects in proof.reasons(mart.connection)}  # fmt: skip
    rows = [(*what, told(subjects, least)) for what, subjects in few_together(found, least).items()]
    facts = {"subjects by basis": Table(("what decided", "permitted", "subjects"), rows)}
    if failed:
        return result(rule, "broken", None, "nobody could tell who is in the mart", **facts)
    if within or behind:
        rows_of = {"its marts": within} | behind if within else behind
        counted = ", ".join(f"{rows} rows of {name}" for name, rows in rows_of.items())
        why = (
            f"{counted} are of subjects without a basis at both clocks, or from before a consent"
            " that doesn't cover them, by landing itself"
        )
        return result(rule, "broken", sum(rows_of.values()), why, **facts)
    return result(rule, "holds", 0, "every subject has a basis at both clocks, by a second "
                  "derivation from landing", **facts)  # fmt: skip


def few_together(found: dict[tuple[str, str], int], least: int) -> dict[tuple[str, str], int]:
    """Return counts of subjects by reason and answer, those of a few as ``others``.

    A row that comes or goes with one subject would tell what it said.

    >>> few_together({("consent", "yes"): 90, ("withdrawn", "no"): 1, ("held", "no"): 2}, 10)
    {('consent', 'yes'): 90, ('others', 'no'): 3}
    """
    told_apart: dict[tuple[str, str], int] = {}
    for (reason, answer), subjects in found.items():
        what = (reason if subjects >= least else "others", answer)
        told_apart[what] = told_apart.get(what, 0) + subjects
    return told_apart


def _special_values(mart: _Mart) -> Iterator[Result]:
    rule = by_id(mart.policy).get(f"special_values.{mart.purpose}")
    if rule is None:
        return
    outcomes = mart.found("special_values")
    bad = [o for o in outcomes if not o.met]
    found = sum(o.unexpected or 0 for o in bad)
    facts = {"looked at": ", ".join(o.what.split(" ", 1)[0] for o in outcomes) or "no text column"}
    if bad:
        yield result(rule, "broken", found, "; ".join(f"not met: {o.what}" for o in bad), **facts)
    else:
        yield result(rule, "holds", 0, "no text and no category reveals a special category",
                     **facts)  # fmt: skip


def _completeness(mart: _Mart) -> Result:
    """Judge the least filled of the columns that have a source."""
    rule = by_id(mart.policy)[f"completeness.{mart.purpose}"]
    outcomes = mart.found("completeness", mart.name)
    fills = [
        Fill(o.column or "", o.rows or 0, (o.rows or 0) - (o.unexpected or 0), 0) for o in outcomes
    ]
    fills += partial(mart.connection, mart.policy, mart.purpose, mart.absent)
    judged = [(f, f.share, least_share(mart.policy, mart.purpose, f.column)) for f in fills]
    facts = {
        "columns": Table(
            ("column", "share filled", "at least"),
            [(f.column, None if share is None else _shown(share, least), least)
             for f, share, least in sorted(judged, key=lambda j: j[0].column)],
        ),
        "without a source": ", ".join(sorted(mart.absent)) or "none",
    }  # fmt: skip
    if any(o.failed for o in outcomes):
        return result(rule, "broken", None, "what is filled could not be counted", **facts)
    shares = [(f.column, s, least) for f, s, least in judged if s is not None]
    if not shares:
        why = "the mart has no row to judge" if judged else "no column of the mart has a source"
        return unjudged(rule, why, **facts)
    short = [
        f"{c} is filled by {_shown(s, least)}, less than {least:g}"
        for c, s, least in shares
        if s < least
    ]
    # Of all columns the one with the least to spare speaks for them, with its own limit.
    column, share, least = min(shares, key=lambda judged: judged[1] - judged[2])
    status: Status = "broken" if short else "holds"
    why = "; ".join(short) or f"every column with a source is filled; {column} has least to spare"
    return Result(rule.id, status, _shown(share, least), least, why, facts)


def _shown(share: float, least: float) -> float:
    """Return a share as it is shown: to two places, or those of its limit, and never rounded up.

    Finer ones of two days, and counts, would tell what somebody who left between them had.
    """
    places = max(2, -int(Decimal(str(least)).as_tuple().exponent))
    return float(Decimal(str(share)).quantize(Decimal(1).scaleb(-places), ROUND_FLOOR))


def _reconciliation(mart: _Mart) -> Result:
    """Judge whether every subject and every amount of landing went where it should."""
    rule = by_id(mart.policy)[f"reconciliation.marts.{mart.purpose}"]
    connection, clocks = mart.connection, mart.clocks
    proof.usable(connection, mart.policy, clocks, mart.purpose)
    subjects = proof.account(connection, clocks, mart.purpose)
    values = _values(mart)
    off = max(values.values()) - min(values.values()) if values else Decimal(0)
    rows = [
        *(("subjects: " + part.replace("_", " "), count)
          for part, count in zip(subjects._fields, subjects, strict=True)),
        # The amounts themselves would tell, of two runs, what somebody who left had spent.
        *((f"value: {part}, less that of landing", str(value - values["landing"]))
          for part, value in values.items() if part != "landing"),
    ]  # fmt: skip
    facts = {"account": Table(("part", "count or amount"), rows)}
    if _superseded(mart, subjects.mart):
        return unjudged(rule, "the mart keeps newer snapshots, not this past day's", **facts)
    parts = subjects.with_rows + subjects.without_rows + subjects.refused
    faults = [
        text
        for wrong, text in (
            (subjects.lost, f"{subjects.lost} permitted subjects with usable rows aren't in it"),
            (subjects.extra, f"{subjects.extra} subjects are in it without a usable row"),
            (subjects.landed != parts, "landing's subjects and their parts differ in number"),
            (off, f"amounts differ by {off}"),
        )
        if wrong
    ]
    observed = {
        "subjects": subjects.lost + subjects.extra + abs(subjects.landed - parts),
        "amount": str(off),
    }
    return result(rule, "broken" if faults else "holds", observed,
                  "; ".join(faults) or "subjects and amounts of landing add up to the mart",
                  **facts)  # fmt: skip


def _superseded(mart: _Mart, rows: int) -> bool:
    """Tell whether a past day has no row because the mart keeps as many newer snapshots."""
    (newer,) = one(
        mart.connection,
        f"select count(distinct as_of) from marts.{mart.name} where as_of > $as_of",
        as_of=mart.clocks.as_of,
    )
    kept = purpose_named(mart.policy, mart.purpose).snapshots
    return not mart.clocks.current and not rows and newer >= kept


def _values(mart: _Mart) -> dict[str, Decimal]:
    """Return one total, exactly: of landing, of the rows behind the mart, of the mart."""
    totals = {"landing": f"select sum(value) from {proof.USABLE}"}
    relation = f"int_{mart.purpose}_baskets"
    if "value" in columns(mart.connection, "consented", relation):
        totals[relation] = f"select sum(value) from consented.{relation}"
    if "value_total" in mart.tables[mart.name]:
        totals[mart.name] = f"select sum(value_total) from marts.{mart.name} where as_of = $as_of"
    if len(totals) == 1 or proof.behaviour_days(mart.policy, mart.purpose) is None:
        return {}
    parts = ", ".join(f"coalesce(({query}), 0)::decimal(38, 2) as {identifier(part)}"
                      for part, query in totals.items())  # fmt: skip
    row = one(mart.connection, f"select {parts} where $as_of::date is not null",
              as_of=mart.clocks.as_of)  # fmt: skip
    return dict(zip(totals, row, strict=True))
