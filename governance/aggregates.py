"""Releases of aggregates: what is shown of segments as groups, and when it may be shown anew.

Belongs here: the record of releases, when the next is due, and the rule on it: no group in it
differs from one in an earlier release by a few subjects, since whoever subtracts the two would read
these few. Does not belong here: making figures (``models``), the verdict on what stands
(``expectations.segments``).

A group, called cell, is a segment, or all segments together. Who was in the cells is kept by the
purpose's key, and goes with whoever is erased or has no basis any more; the sizes stay, so that who
has gone still counts as a difference. A release made is shown from then on: whether or not the run
that made it publishes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from governance import aging, unrecorded
from governance.clocks import Clocks
from governance.policy.model import Policy
from governance.policy.rules import override_of
from governance.policy.words import SEGMENT_PURPOSE
from warehouse import catalogue

KEY = f"{SEGMENT_PURPOSE}_key"
CELLS = f"{SEGMENT_PURPOSE}.aggregates"
TEXTS = f"{SEGMENT_PURPOSE}.aggregate_texts"
MEMBERS = f"{SEGMENT_PURPOSE}.aggregate_members"
ALL = 0  # the cell of all segments together; no segment has this id

# The cells of a release that a few subjects may set apart from those of another: cells whose sizes
# are further from each other than that needn't be compared by who is in them. Of both, somebody may
# have been taken out of the record since they were made, and may have come back, with the same key
# or (erased) with another: nobody knows, so the least difference takes as many of them as it can
# for the same persons, each of whom one of the two cells has lost.
DIFFERENCES = f"""
with pairs as (
    select n.segment_id as now_id, n.subjects as now, t.release, t.as_of, t.segment_id as then_id,
        t.subjects as then
    from {CELLS} as n
    join {CELLS} as t on t.release <> n.release and abs(t.subjects - n.subjects) < $least
    where n.release = $release
),
members as (
    select * from {MEMBERS}
    where release in (select release from pairs)
        or (release = $release and exists (from pairs))
),
kept_by as (
    select release, segment_id, count(*) as subjects from members group by all
),
kept as (
    select release, coalesce(segment_id, {ALL}) as segment_id, sum(subjects) as subjects
    from kept_by group by grouping sets ((release, segment_id), (release))
),
shared_by as (
    select t.release, n.segment_id as now_id, t.segment_id as then_id, count(*) as subjects
    from members as t
    join (select * from members where release = $release) as n using ({KEY})
    where t.release <> $release
    group by all
),
shared as (
    select release, coalesce(now_id, {ALL}) as now_id, coalesce(then_id, {ALL}) as then_id,
        sum(subjects) as subjects
    from shared_by
    group by grouping sets (
        (release, now_id, then_id), (release, now_id), (release, then_id), (release)
    )
)
select p.as_of, p.now_id as segment_id, coalesce(s.subjects, 0) as in_both,
    p.now - coalesce(n.subjects, 0) + p.then - coalesce(t.subjects, 0) as lost,
    p.now + p.then - 2 * in_both as greatest,
    greatest - 2 * least(lost, p.now - in_both, p.then - in_both) as least
from pairs as p
left join shared as s using (release, now_id, then_id)
left join kept as n on n.release = $release and n.segment_id = p.now_id
left join kept as t on t.release = p.release and t.segment_id = p.then_id
"""


@dataclass(frozen=True)
class Release:
    """What was released once, and stands until the next.

    Attributes
    ----------
    number : int
        Rises with each release.
    as_of : date
        The day that it is of.
    texts : mapping
        What it shows: name of a file to its content.
    """

    number: int
    as_of: date
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """What may be shown now.

    Attributes
    ----------
    release : Release or None
        The release that stands; None if there is none of the model in force.
    postponed : str
        Why one that is due isn't made yet; empty if none is due.
    """

    release: Release | None
    postponed: str = ""


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of releases where they aren't there yet."""
    connection.execute(f"create schema if not exists {SEGMENT_PURPOSE}")
    for table, columns in (
        (CELLS, "release integer, as_of date, model varchar, segment_id integer, subjects bigint"),
        (TEXTS, "release integer, name varchar, content varchar"),
        (MEMBERS, f"release integer, segment_id integer, {KEY} uuid"),
    ):
        connection.execute(f"create table if not exists {table} ({columns})")
    # Made before it was noted: taken for releases of the current state.
    connection.execute(f"alter table {CELLS} add column if not exists past boolean default false")


def stand(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, model: str,
    members: str, describe: Callable[[], Mapping[str, str]],
) -> Standing:  # fmt: skip
    """Return what may be shown of the segments of a run, releasing it anew if that is due.

    A past day has releases of its own: one is made when it is first asked for, by the same rule.

    Parameters
    ----------
    connection
        With the warehouse as its database, outside a transaction.
    model
        The model in force: aggregates of another one are none of these segments.
    members
        Who is where: a query for ``segment_id`` and the purpose's key.
    describe
        Makes what a release shows; called only when one is made.
    """
    make(connection)
    if clocks.current:
        _forget_expired(connection, policy, clocks.as_of)
    standing = _last(connection, model, clocks.past)
    due = _due(policy, clocks, standing)
    if due is None:
        return Standing(standing)
    if why := _unrecorded(connection, policy, clocks):
        return Standing(standing, f"due since {due}, and postponed: {why}")
    connection.execute("begin")
    try:
        number = record(connection, clocks.as_of, model, members, past=not clocks.current)
        why = _too_small(connection, policy, clocks, number) or too_near(
            connection, number, policy.thresholds.release_difference, perhaps=True
        )
        if why:
            connection.execute("rollback")
            return Standing(standing, f"due since {due}, and postponed: {why}")
        texts = describe()
        connection.executemany(
            f"insert into {TEXTS} values (?, ?, ?)", [(number, *text) for text in texts.items()]
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return Standing(Release(number, clocks.as_of, texts))


def record(
    connection: duckdb.DuckDBPyConnection, as_of: date, model: str, members: str,
    *, past: bool = False,
) -> int:  # fmt: skip
    """Record the cells of a release and who is in them; return its number.

    Parameters
    ----------
    past
        Whether it was a past day when it was made: it never stands for the current state.
    """
    number: int = connection.execute(
        f"select coalesce(max(release), 0) + 1 from {CELLS}"
    ).fetchall()[0][0]
    connection.execute(
        f"insert into {MEMBERS} by name select ?::integer as release, segment_id, {KEY}"
        f" from ({members})",
        [number],
    )
    connection.execute(
        f"insert into {CELLS} by name select release, ?::date as as_of, ? as model, ? as past,"
        f" coalesce(segment_id, {ALL}) as segment_id, count(*) as subjects from {MEMBERS}"
        " where release = ? group by grouping sets ((release, segment_id), (release))",
        [as_of, model, past, number],
    )
    return number


def too_near(
    connection: duckdb.DuckDBPyConnection, number: int, least: int, *, perhaps: bool = False
) -> str:
    """Say which cells of a release differ by a few from those of another; empty if none does.

    Parameters
    ----------
    least
        By how many they have to differ, if they do at all.
    perhaps
        Whether cells that may differ by a few count as well: they do before a release is made, and
        aren't named then. In those that have been made since, others are taken out, and only what
        is sure tells.
    """
    near = "least < $least and greatest >= 1" if perhaps else "least >= 1 and greatest < $least"
    found = connection.execute(
        "select as_of, list(distinct segment_id order by segment_id)"
        f" from ({DIFFERENCES}) where {near} group by as_of order by as_of",
        {"release": number, "least": least},
    ).fetchall()
    if perhaps:  # where the few are is theirs
        days = ", ".join(str(day) for day, _ in found)
        return days and (
            f"fewer than {least} subjects may set some group apart from what was released for"
            f" {days}"
        )
    return "; ".join(
        f"fewer than {least} subjects set {_called(cells)} apart from what was released for {day}"
        for day, cells in found
    )


def _called(cells: list[int]) -> str:
    return ", ".join("all segments together" if c == ALL else f"segment {c}" for c in cells)


def _last(connection: duckdb.DuckDBPyConnection, model: str, past: date | None) -> Release | None:
    """Return the release that stands: the newest of a model made as current, or a past day's."""
    row = connection.execute(
        f"select release, as_of from {CELLS} where model = ? and coalesce(as_of = ?, not past)"
        " order by as_of desc, release desc limit 1",
        [model, past],
    ).fetchone()
    if row is None:
        return None
    texts = connection.execute(
        f"select name, content from {TEXTS} where release = ? order by name", [row[0]]
    ).fetchall()
    return Release(row[0], row[1], dict(texts))


def _due(policy: Policy, clocks: Clocks, standing: Release | None) -> date | None:
    """Return since when a release is due; None if none is."""
    if standing is None:
        return clocks.as_of
    since = standing.as_of + timedelta(days=policy.segmentation.release_days)
    return since if clocks.current and since <= clocks.as_of else None


def _unrecorded(connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks) -> str:
    """Say if some release may be recent, and unknown: nothing can be compared with it."""
    time = unrecorded.last(connection)
    if time is None or clocks.newest_day >= (day := unrecorded.free_from(policy, time)):
        return ""
    return (
        f"a restore found no record of what was released from {time.since:%Y-%m-%d} to"
        f" {time.until:%Y-%m-%d}; none is made for days before {day}"
    )


def _too_small(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, number: int
) -> str:
    """Say if a segment is so small that figures of it would be those of persons."""
    (least,) = connection.execute(
        f"select min(subjects) from {CELLS} where release = ?", [number]
    ).fetchall()[0]
    today = aging.present_day(policy, clocks.newest_day)
    small = least < policy.thresholds.smallest_segment
    if not small or override_of(policy, f"size.{SEGMENT_PURPOSE}", today):
        return ""
    return "some segment is smaller than one may be"


def _forget_expired(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> None:
    """Forget releases that are older than any row may be held."""
    oldest = as_of - timedelta(days=policy.custody.retention_days - 1)
    for table in (TEXTS, MEMBERS):
        connection.execute(
            f"delete from {table} where release in (select release from {CELLS} where as_of < ?)",
            [oldest],
        )
    connection.execute(f"delete from {CELLS} where as_of < ?", [oldest])


def shown(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the release whose cells the table of segments shows; None if it is none on record.

    Its day, its segments and their sizes have to be the same.
    """
    if not catalogue.columns(connection, *CELLS.split(".")):
        return None
    row = connection.execute(
        f"""
        select c.release from {CELLS} as c
        left join {SEGMENT_PURPOSE}.segments as s
            on s.as_of = c.as_of and s.segment_id = c.segment_id and s.subjects = c.subjects
        where c.segment_id <> {ALL}
        group by c.release
        having count(*) = count(s.segment_id)
            and count(*) = (select count(*) from {SEGMENT_PURPOSE}.segments)
        order by c.release desc limit 1
        """
    ).fetchone()
    return None if row is None else int(row[0])


def text(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[date, str] | None:
    """Return one text of the release that is shown, and its day; None if there is none of them."""
    number = shown(connection)
    if number is None:
        return None
    row = connection.execute(
        f"select as_of, content from {TEXTS} join {CELLS} using (release)"
        " where release = ? and name = ? limit 1",
        [number, name],
    ).fetchone()
    return row and (row[0], str(row[1]))
