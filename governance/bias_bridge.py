"""The bias bridge: the one place where segments meet protected attributes.

Belongs here: joining the assignments of the purpose segmentation with the mart of bias_monitoring
over the crosswalk, inside DuckDB, and counting. Counts leave, by segment and group; nothing about a
single subject does, and no joined table is ever made. Does not belong here: what is fair
(``expectations.bias``), the limits (the policy), estimators (``models``).

The two marts have different keys for a subject, so that nobody can join them with published data
alone. The crosswalk ``landing.purpose_keys`` is read by ``int_*`` models and by this module; beside
them only by what lists the subjects of landing (``governance.consent``), by what holds marts to it
(``expectations.proof``), by what finds whose basis has lapsed (``governance.lapse``), by what
misses a lost vault (``governance.identity``), by what takes over releases that a restored state
lacks (``governance.released``) and by what finds purposes that the policy no longer has
(``governance.removal``); tested.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb

from governance.policy.words import BIAS_PURPOSE, SEGMENT_PURPOSE
from warehouse.sql import identifier, quoted

ASSIGNMENTS = "segmentation.assignments"
SMALLER = "smaller groups"


@dataclass(frozen=True)
class Counts:
    """How the subjects of one protected column fall into segments.

    Attributes
    ----------
    column : str
        The column of the mart of bias_monitoring.
    known : mapping
        Subjects by (segment, group), for those whose attribute is known.
    unknown : mapping
        Subjects by segment, for the others: nobody said, or the purpose may not know.
    """

    column: str
    known: dict[tuple[int, str], int] = field(default_factory=dict)
    unknown: dict[int, int] = field(default_factory=dict)

    @property
    def segments(self) -> list[int]:
        """All segments, in order."""
        return sorted({segment for segment, _ in self.known} | set(self.unknown))

    @property
    def groups(self) -> list[str]:
        """All groups, in order."""
        return sorted({group for _, group in self.known})

    def members(self, segment: int | None = None, group: str | None = None) -> int:
        """Return subjects with a known attribute, of one segment or all, of one group or all."""
        return sum(
            count
            for (in_segment, in_group), count in self.known.items()
            if segment in (None, in_segment) and group in (None, in_group)
        )

    @property
    def coverage(self) -> float:
        """The share of subjects whose attribute is known; 0 if there are no subjects."""
        total = self.members() + sum(self.unknown.values())
        return self.members() / total if total else 0.0

    def least_segment(self, least: int) -> int | None:
        """Return a segment of fewer subjects, known or unknown, if there is one."""
        few = (s for s in self.segments if self.members(s) + self.unknown.get(s, 0) < least)
        return next(few, None)

    def pooled(self, least: int) -> "Counts":
        """Return the same counts with groups of fewer than ``least`` subjects taken together.

        What differs by capitals or blanks alone is one group, called as most of it are. A value
        that few have may be about one person, and is named nowhere.
        """
        spellings: dict[str, Counter[str]] = {}
        for (_, group), count in self.known.items():
            spellings.setdefault(_folded(group), Counter())[group] += count
        names = {
            folded: min(found, key=lambda name: (-found[name], name))
            if found.total() >= least else SMALLER
            for folded, found in spellings.items()
        }  # fmt: skip
        known: Counter[tuple[int, str]] = Counter()
        for (segment, group), count in self.known.items():
            known[segment, names[_folded(group)]] += count
        return Counts(self.column, dict(known), self.unknown)

    def rounded(self, to: int) -> "Counts":
        """Return the same counts, each as the nearest multiple of ``to`` subjects."""

        def nearest(count: int) -> int:
            return (count + to // 2) // to * to

        return Counts(
            self.column,
            {cell: nearest(count) for cell, count in self.known.items()},
            {segment: nearest(count) for segment, count in self.unknown.items()},
        )


def _folded(group: str) -> str:
    return " ".join(group.casefold().split())


def counted(
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    columns: Sequence[str],
    assignments: str | None = None,
) -> dict[str, Counts]:
    """Count the subjects of every segment by group, for each protected column.

    Parameters
    ----------
    connection
        With the warehouse as its current database.
    as_of
        The day of the assignments and of the mart's snapshot.
    columns
        Columns of the mart of bias_monitoring.
    assignments
        Other assignments to count: name of a relation with ``segmentation_key`` (UUID) and
        ``segment_id``, one row per subject, such as those of a candidate. Without it, what
        ``segmentation.assignments`` holds for the day.

    Returns
    -------
    dict
        By column.
    """
    if not columns:
        return {}
    day = f"date {quoted(as_of.isoformat())}"
    members = assignments or f"(select * from {ASSIGNMENTS} where as_of = {day})"
    named = [identifier(column) for column in columns]
    selected = ", ".join(f"{column}::varchar as {column}" for column in named)
    sets = ", ".join(f"(segment_id, {column})" for column in named)
    rows = connection.execute(
        f"""
        with people as (
            select m.segment_id::integer as segment_id, {selected}
            from {members} as m
            left join landing.purpose_keys as s
                on s.purpose = {quoted(SEGMENT_PURPOSE)} and s.purpose_key = m.segmentation_key
            left join landing.purpose_keys as b
                on b.purpose = {quoted(BIAS_PURPOSE)} and b.subject_key = s.subject_key
            left join marts.mart_{BIAS_PURPOSE} as mart
                on mart.{BIAS_PURPOSE}_key = b.purpose_key and mart.as_of = {day}
        )
        select grouping_id({", ".join(named)}), segment_id, {", ".join(named)}, count(*)
        from people group by grouping sets ({sets})
        """
    ).fetchall()
    found = {column: Counts(column) for column in columns}
    for grouped, segment, *groups, count in rows:
        # Of the bits of a grouping id, the one that is 0 says which column was grouped by.
        place = next(i for i in range(len(columns)) if not grouped >> (len(columns) - 1 - i) & 1)
        counts, group = found[columns[place]], groups[place]
        if group is None:
            counts.unknown[segment] = count
        else:
            counts.known[segment, group] = count
    return found
