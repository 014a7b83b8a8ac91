"""The checks of segments: size, number, age of the model, aggregates, drift, bias.

Belongs here: verdicts on what segmentation made. Does not belong here: making it (``models``,
``orchestration``), the verdict on bias by itself (``bias_verdicts``).

They are judged as they are; a figure by which one who left could be told from yesterday's is that
of the last release.
"""

from collections.abc import Iterator, Mapping
from datetime import date

import duckdb

from expectations import bias_verdicts
from expectations.result import Result, Table, by_id, result, unjudged
from expectations.sql import one, run
from governance import aggregates
from governance.clocks import Clocks
from governance.policy.model import Policy
from governance.policy.rules import Rule
from governance.policy.words import SEGMENT_PURPOSE
from warehouse.catalogue import columns


def check_segments(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    clocks: Clocks,
    *,
    psi: Mapping[str, float] | None,
    fitted_as_of: date | None,
    postponed: str = "",
) -> list[Result]:
    """Judge every rule of segments over ``segmentation.assignments`` and ``.segments``.

    Parameters
    ----------
    connection
        With the warehouse as its current database.
    psi
        Population stability index of each feature against the fit; None if it wasn't computed.
    fitted_as_of
        The day that the model in force was fitted for; None if there is no model.
    postponed
        Why aggregates that are due aren't released yet; empty if none are.

    Returns
    -------
    list of Result
        ``size``, ``segment_count``, ``refit``, ``drift`` and ``bias`` of segmentation, and
        ``release.aggregates``; empty if the policy has no such purpose.
    """
    catalogue = by_id(policy)
    if SEGMENT_PURPOSE not in policy.purposes:
        return []
    sizes = _sizes(connection, clocks)
    return [
        _size(catalogue["size.segmentation"], sizes, _released(connection)),
        _count(catalogue["segment_count.segmentation"], sizes),
        _refit(catalogue["refit.segmentation"], clocks, fitted_as_of),
        _release(connection, catalogue["release.aggregates"], postponed),
        _drift(catalogue["drift.segmentation"], psi),
        *_bias(connection, policy, clocks),
    ]


def _bias(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks
) -> Iterator[Result]:
    """Judge bias, and show the figures of the release that is shown of the segments."""
    released = aggregates.text(connection, bias_verdicts.RELEASED)
    for found in bias_verdicts.check_bias(connection, policy, clocks):
        yield bias_verdicts.told(found, *released) if released else found


def _sizes(connection: duckdb.DuckDBPyConnection, clocks: Clocks) -> dict[int, tuple[str, int]]:
    """Return name and subjects of every segment that has a card or a subject; empty if none."""
    if not columns(connection, "segmentation", "assignments"):
        return {}
    names = "select null::integer as segment_id, null::varchar as name where false"
    if "name" in columns(connection, "segmentation", "segments"):
        names = "select segment_id, name from segmentation.segments"
    rows = run(
        connection,
        f"""
        with names as ({names}),
        sizes as (
            select segment_id, count(distinct segmentation_key) as subjects
            from segmentation.assignments where as_of = $day group by segment_id
        )
        select coalesce(n.segment_id, s.segment_id), coalesce(any_value(n.name), ''),
            coalesce(any_value(s.subjects), 0)
        from names as n full join sizes as s on n.segment_id = s.segment_id
        group by 1 order by 1
        """,
        day=clocks.as_of,
    ).fetchall()
    return {segment: (name, subjects) for segment, name, subjects in rows}


def _released(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the subjects of the smallest segment in what is shown of them, if that is."""
    if "subjects" not in columns(connection, "segmentation", "segments"):
        return None
    (least,) = one(connection, "select min(subjects) from segmentation.segments")
    return None if least is None else int(least)


def _size(rule: Rule, sizes: Mapping[int, tuple[str, int]], released: int | None) -> Result:
    if not sizes:
        return unjudged(rule)
    small = [s for s, (_, size) in sizes.items() if size < rule.limit]
    why = "; ".join(f"segment {s} has fewer than {rule.limit} subjects" for s in small)
    if not small:
        why = f"every segment has at least {rule.limit} subjects"
    if released is not None:
        why += f"; the smallest had {released} when figures were released"
    return result(rule, "broken" if small else "holds", released, why)


def _count(rule: Rule, sizes: Mapping[int, tuple[str, int]]) -> Result:
    if not sizes:
        return unjudged(rule)
    least, most = rule.limit
    fits = least <= len(sizes) <= most
    return result(rule, "holds" if fits else "broken", len(sizes), f"{len(sizes)} segments")


def _refit(rule: Rule, clocks: Clocks, fitted_as_of: date | None) -> Result:
    """Judge the age of the model; one fitted for a later day than ``as_of`` is not too old."""
    if fitted_as_of is None:
        return unjudged(rule)
    age = max(0, (clocks.as_of - fitted_as_of).days)
    why = f"the model was fitted for {fitted_as_of}"
    return result(rule, "broken" if age > rule.limit else "holds", age, why)


def _release(connection: duckdb.DuckDBPyConnection, rule: Rule, postponed: str) -> Result:
    """Judge what is shown of the segments: a release on record, near to none of the others.

    Where no figure is shown there is nothing to subtract.
    """
    if "subjects" not in columns(connection, "segmentation", "segments"):
        return unjudged(rule)
    day, figures = one(
        connection,
        "select max(as_of), count(coalesce(subjects, share)) from segmentation.segments",
    )
    more = f"; the next are {postponed}" if postponed else ""
    if not figures:
        return result(rule, "holds", None, f"no figure of the segments is shown{more}")
    number = aggregates.shown(connection)
    if number is None:
        why = f"what is shown of the segments for {day} is no release on record"
        return result(rule, "broken", "no release on record", why)
    near = aggregates.too_near(connection, number, rule.limit)
    why = near or f"those of {day} differ from each earlier release as they have to{more}"
    return result(rule, "broken" if near else "holds", f"as of {day}", why)


def _drift(rule: Rule, psi: Mapping[str, float] | None) -> Result:
    if not psi:
        return unjudged(rule, "no drift was computed" if psi is None else "no feature is compared")
    # Finer ones of two days, and an order by these, would say who came or left between them.
    rows = sorted((-round(index, 2), feature) for feature, index in psi.items())
    table = Table(("feature", "index"), [(feature, -index) for index, feature in rows])
    moved = sorted(feature for feature, index in psi.items() if not index <= rule.limit)
    why = f"moved: {', '.join(moved)}" if moved else "no feature has moved"
    return result(rule, "broken" if moved else "holds", round(max(psi.values()), 2), why,
                  features=table)  # fmt: skip
