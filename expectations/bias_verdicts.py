"""The verdict on bias, and the figures of it that a release shows.

Belongs here: which protected columns are judged, whether a limit is broken, what may be told of it.
Does not belong here: the measures (``bias``), counting (``governance.bias_bridge``), when figures
are released (``governance.aggregates``).

Segments are judged at every run, by exact counts, and only the verdict is told, with the cell and
the limit that it breaks: whoever subtracted the figures of two days would read the group and the
segment of the one person who left between them. Figures are those of the last release, like all
that is shown of segments, of counts rounded to as many subjects as releases have to differ by.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb

from expectations.bias import Judged, Measure, measured
from expectations.result import Result, Table, by_id, result, unjudged
from governance import status
from governance.bias_bridge import Counts, counted
from governance.clocks import Clocks
from governance.policy.model import Policy
from governance.policy.rules import Rule
from governance.policy.words import BIAS_PURPOSE
from warehouse.catalogue import columns

RELEASED = "bias.json"  # the figures of bias, among the texts of a release
UNBUILT = f"mart_{BIAS_PURPOSE} hasn't been built and judged for this run"


def check_bias(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    clocks: Clocks,
    *,
    assignments: str | None = None,
) -> Iterator[Result]:
    """Judge ``bias.segmentation.<column>`` for every protected column; without figures.

    Parameters
    ----------
    clocks
        Those of the assignments.
    assignments
        A relation with other assignments, such as those of a candidate
        (``governance.bias_bridge.counted``).
    """
    counts = _counts(connection, policy, clocks, assignments)
    unknown = bool(counts) and not _everybody_is_there(connection, policy, clocks)
    for rule in _rules(policy):
        if rule.about in counts and unknown:
            yield replace(unjudged(rule, UNBUILT), checked=False)
        elif rule.about in counts:
            yield judge(rule, counts[rule.about])
        elif rule.id == "bias.segmentation":
            yield unjudged(rule, f"{rule.about}, so nobody can tell")
        else:
            yield unjudged(rule)


def figures(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, *, assignments: str
) -> str:
    """Return the figures of every protected column for a release, as JSON for :func:`told`.

    Parameters are those of :func:`check_bias`. There are none if nobody can tell.
    """
    counts = _counts(connection, policy, clocks, assignments)
    if counts and not _everybody_is_there(connection, policy, clocks):
        counts = {}
    found = {
        rule.id: figures_of(rule, counts[rule.about], policy.thresholds.release_difference)
        for rule in _rules(policy)
        if rule.about in counts
    }
    return json.dumps(found, indent=1)


def told(found: Result, as_of: date, released: str) -> Result:
    """Return what a check has found with the figures that were released, and their day."""
    said = json.loads(released).get(found.rule)
    if said is None or not found.checked:
        return found
    judged = said["observed"] if found.status in ("holds", "broken") else None
    return replace(
        found,
        observed=judged and {"as_of": as_of.isoformat(), **judged},
        why=f"{found.why}; as released for {as_of}: {said['words']}",
        details={
            "figures as of": as_of.isoformat(),
            **{name: _table(detail) for name, detail in said["details"].items()},
        },
    )


def _table(detail: Any) -> Any:
    return Table(*detail) if isinstance(detail, list) else detail


def _rules(policy: Policy) -> list[Rule]:
    return [rule for rule in by_id(policy).values() if rule.kind == "bias"]


def _counts(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, assignments: str | None
) -> dict[str, Counts]:
    """Count by every protected column that the mart has; empty without assignments."""
    mart = columns(connection, "marts", f"mart_{BIAS_PURPOSE}")
    judged = [rule.about for rule in _rules(policy) if rule.about in mart]
    if not judged or not (assignments or columns(connection, "segmentation", "assignments")):
        return {}
    return counted(connection, as_of=clocks.as_of, columns=judged, assignments=assignments)


def _everybody_is_there(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks
) -> bool:
    """Tell whether a check has found in the mart of bias_monitoring whoever it should hold.

    If it wasn't built for the run, everybody would be unknown, and no segment ever unfair.
    """
    found = {v.rule: v for v in status.verdicts(connection, policy, clocks)}
    return found[f"reconciliation.marts.{BIAS_PURPOSE}"].passes


def judge(rule: Rule, counts: Counts) -> Result:
    """Judge one protected column; the verdict names what breaks a limit, and no figure.

    Parameters
    ----------
    rule
        ``bias.segmentation.<column>``, whose limit holds ``representation_ratio`` (least,
        greatest), ``predictability``, ``coverage``, ``smallest_group`` and ``confidence``.
    """
    limits = rule.limit
    counts = counts.pooled(limits["smallest_group"])
    if why := _untold(counts, limits):
        return unjudged(rule, why)
    found = measured(counts, limits)
    if not any(cell.ratio for cell in found.cells):
        return unjudged(rule, "every group is too small to be judged")
    if faults := list(_faults(found, limits)):
        return result(rule, "broken", None, "; ".join(faults))
    return result(rule, "holds", None, "no interval lies beyond a limit")


def figures_of(rule: Rule, counts: Counts, nearest: int) -> dict[str, Any]:
    """Return the figures of one protected column, of counts to the nearest so many subjects.

    Groups are those that are judged. Rounded, no cell tells of a few, neither by itself nor beside
    another release, of which a segment may differ by enough while a group in it differs by one.

    Returns
    -------
    dict
        ``observed`` (as of a verdict), ``words``, and ``details``: name to text, or to heads and
        rows of a table.
    """
    limits = rule.limit
    exact = counts.pooled(limits["smallest_group"])
    counts = exact.rounded(nearest)
    known = f"{counts.coverage:.0%} of subjects with a known value"
    details: dict[str, Any] = {f"{rule.about}: coverage": known}
    why = _untold(exact, limits)
    found = Judged([], {}) if why or not counts.members() else measured(counts, limits)
    ratios = [cell.ratio for cell in found.cells if cell.ratio]
    areas = [area for area in found.areas.values() if area]
    if not ratios:
        return {"observed": None, "words": known, "details": details}
    details |= {f"{rule.about}: {measure}": table for measure, table in _tables(found).items()}
    observed = {
        "representation_ratio": [round(min(ratios).value, 4), round(max(ratios).value, 4)],
        "predictability": round(max((area.value for area in areas), default=0.5), 4),
        "coverage": round(counts.coverage, 4),
        "judged": f"{len(ratios)} of {len(found.cells)} pairs of group and segment",
    }
    return {
        "observed": observed,
        "words": _words(len(found.cells), ratios, areas),
        "details": details,
    }


def _untold(counts: Counts, limits: Mapping[str, Any]) -> str:
    """Say why a column can't be judged at all; empty if it can."""
    if counts.coverage < limits["coverage"]:
        return f"the value is known of less than {limits['coverage']:.0%} of subjects"
    if least := counts.least_segment(limits["smallest_group"]):
        # What is measured of the others would tell what the few are.
        return f"segment {least} has fewer than {limits['smallest_group']} subjects"
    return ""


def _words(pairs: int, ratios: Sequence[Measure], areas: Sequence[Measure]) -> str:
    """Say what was judged: an estimate may lie beyond a limit to which its interval reaches."""
    shown = [("least ratio", min(ratios)), ("greatest", max(ratios))]
    shown += [("greatest AUC", max(areas))] if areas else []
    said = ", ".join(f"{name} {m.value:.2f} ({m.low:.2f} to {m.high:.2f})" for name, m in shown)
    small = pairs - len(ratios)
    rest = f"; {small} pairs are too small to be judged" if small else ""
    return f"{said}, of {len(ratios)} pairs of group and segment{rest}"


def _faults(found: Judged, limits: Mapping[str, Any]) -> Iterator[str]:
    least, greatest = limits["representation_ratio"]
    for segment, group, ratio in found.cells:
        if ratio and (ratio.high < least or ratio.low > greatest):
            beyond = f"less than {least:g}" if ratio.high < least else f"more than {greatest:g}"
            yield (
                f"'{group}' is represented in segment {segment} {beyond} times as much as overall"
            )
    for group, area in found.areas.items():
        if area and area.low > limits["predictability"]:
            yield f"segments predict '{group}' with an AUC above {limits['predictability']:g}"


def _tables(found: Judged) -> dict[str, tuple[Sequence[str], list[tuple[object, ...]]]]:
    """Return both measures as heads and rows; cells that aren't judged show nothing of counts."""
    return {
        "representation": (
            ("segment", "group", "ratio", "from", "to"),
            [(cell.segment, cell.group, *_shown(cell.ratio)) for cell in found.cells],
        ),
        "predictability": (
            ("group", "AUC", "from", "to"),
            [(group, *_shown(area)) for group, area in found.areas.items()],
        ),
    }


def _shown(measure: Measure | None) -> tuple[object, ...]:
    return ("not judged", "", "") if measure is None else tuple(round(part, 3) for part in measure)
