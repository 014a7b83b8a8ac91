"""Consent over time, in counts: how many granted, denied, and had a basis, by month.

Belongs here: counting a month, and what of its counts may be shown. Does not belong here: who has
a basis (``int_consent_intervals``), drawing (``models.plots``).

A month is counted once, after it has ended, and stays as it was counted: there never are two
figures of it to subtract. Within it a subject counts once for each purpose, by its last word.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import duckdb

from governance import unrecorded
from governance.clocks import Clocks, last_instant
from governance.consent import BY_GPC
from governance.policy.model import Policy
from governance.policy.words import GRANTS
from warehouse.sql import quoted

TABLE = "governance.consent_statistics"
COUNTED = "governance.consent_months"
UNNAMED, UNTOLD = "no purpose named", "not told"
GRANTED, DENIED, PERMITTED, KNOWN = "granted", "denied", "permitted", "known"
FIRST_MONTHS = 24  # how far back the first count goes


class Count(NamedTuple):
    """How many subjects, in one month.

    ``word`` is granted, denied (by their last word of the month), permitted (had a basis at its
    end) or known; ``by`` is channel or regime, ``value`` which; None is of those together of whom
    there are too few each.
    """

    month: date
    purpose: str
    word: str
    by: str
    value: str | None
    subjects: int


def shown(counts: Mapping[str, int], least: int) -> dict[str | None, int]:
    """Return what may be shown of counts that add up to a total which may be known.

    What is too small is put together with the next smallest (as None) until there are enough of
    them; if all are too few, nothing is shown. So what is missing from the total is never one small
    count.

    >>> shown({"web": 90, "shop": 40, "phone": 3}, 30)
    {'web': 90, None: 43}
    """
    small = 0
    rest = sorted((n, value) for value, n in counts.items() if n)
    while rest and (rest[0][0] < least or 0 < small < least):
        small += rest.pop(0)[0]
    found: dict[str | None, int] = {value: n for n, value in reversed(rest)}
    if small >= least:
        found[None] = small
    return found


def whole_groups(count: int, least: int) -> int:
    """Return a count in whole groups of the smallest size.

    For what stands from month to month: the difference of exact counts would be the few who
    granted or denied in between.
    """
    return count // least * least


def told(count: int, least: int) -> int | str:
    """Return a count in whole groups; in words, if it is smaller than one.

    >>> told(47, 10), told(7, 10), told(0, 10)
    (40, 'fewer than 10', 0)
    """
    return whole_groups(count, least) or (f"fewer than {least}" if count else 0)


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables where they aren't there yet."""
    connection.execute("create schema if not exists governance")
    connection.execute(
        f"create table if not exists {TABLE} (month date, purpose varchar, word varchar,"
        ' "by" varchar, value varchar, subjects bigint)'
    )
    connection.execute(f"create table if not exists {COUNTED} (month date, as_of date)")


def stand(connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks) -> list[Count]:
    """Return the statistics that stand, counting months that have ended if that is due.

    Parameters
    ----------
    connection
        With the warehouse as its database, once permission is built.
    """
    make(connection)
    months = _due(connection, policy, clocks) if clocks.current else []
    connection.execute("begin")
    for month in months:
        rows = _counted(connection, policy, month)
        if rows:
            connection.executemany(f"insert into {TABLE} values (?, ?, ?, ?, ?, ?)", rows)
        connection.execute(f"insert into {COUNTED} values (?, ?)", [month, clocks.as_of])
    connection.execute("commit")
    found = connection.execute(f"select * from {TABLE} order by all").fetchall()
    return [Count(*row) for row in found]


def _due(connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks) -> list[date]:
    """Return the months to count: those that ended since the last, once the policy lets it.

    None that may have been counted, and nobody knows, is counted again.
    """
    newest, as_of = connection.execute(f"select max(month), max(as_of) from {COUNTED}").fetchall()[
        0
    ]
    if as_of and clocks.as_of < as_of + timedelta(days=policy.segmentation.release_days):
        return []
    (first,) = connection.execute("select min(recorded_at) from landing.consent_events").fetchall()[
        0
    ]
    if first is None:
        return []
    if time := unrecorded.last(connection):  # what ended by then may have been counted already
        first = max(first, time.until)
    after_last = (clocks.as_of + timedelta(days=1)).replace(day=1)
    months: list[date] = []
    month = _before(after_last)
    while len(months) < FIRST_MONTHS and _bounds(policy, month)[1] >= first:
        if newest and month <= newest:
            break
        months.append(month)
        month = _before(month)
    return months[::-1]


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _bounds(policy: Policy, month: date) -> tuple[datetime, datetime]:
    """Return the last instants before a month and in it, UTC without a zone."""
    following = (month + timedelta(days=31)).replace(day=1)
    last = (day - timedelta(days=1) for day in (month, following))
    before, within = (last_instant(day, policy.time_zone) for day in last)
    return before, within


def _counted(connection: duckdb.DuckDBPyConnection, policy: Policy, month: date) -> list[Count]:
    """Count a month; what is too small isn't among it."""
    before, end = _bounds(policy, month)
    least = policy.thresholds.bias.smallest_group
    listed = ", ".join(map(quoted, GRANTS))
    words = connection.execute(
        f"""
        with said as (
            select subject_key, coalesce(purpose, {quoted(UNNAMED)}) as purpose,
                arg_max(
                    {{'word': if(action in ({listed}), {quoted(GRANTED)}, {quoted(DENIED)}),
                      'channel': coalesce(channel, {quoted(UNTOLD)})}},
                    (recorded_at, occurred_at, action not in ({listed}), channel)
                ) as last
            from landing.consent_events
            where recorded_at > ? and recorded_at <= ?
                -- A signal only denies: a grant that bears one was said by nobody.
                and not (action in ({listed}) and {BY_GPC})
            group by all
        )
        select purpose, last.word, last.channel, regime, count(*)
        from said join consented.int_consent_subjects using (subject_key) group by all
        """,
        [before, end],
    ).fetchall()
    stocks = connection.execute(
        f"""
        with regimes as (select subject_key, regime from consented.int_consent_subjects)
        select purpose, {quoted(PERMITTED)}, regime, count(*)
        from consented.int_consent_intervals join regimes using (subject_key)
        where valid_from <= $end and valid_to > $end group by all
        union all
        select unnest($purposes), {quoted(KNOWN)}, regime, count(*) from regimes group by all
        """,
        {"end": end, "purposes": list(policy.purposes)},
    ).fetchall()
    return [
        *_partition(month, "channel", [(p, w, channel, n) for p, w, channel, _, n in words], least),
        *_partition(month, "regime", [(p, w, regime, n) for p, w, _, regime, n in words], least),
        *(
            Count(month, purpose, word, "regime", regime, whole_groups(n, least))
            for purpose, word, regime, n in stocks if n >= least
        ),
    ]  # fmt: skip


def _partition(
    month: date, by: str, rows: Sequence[tuple[str, str, str, int]], least: int
) -> list[Count]:
    """Return what may be shown of counts by purpose and word."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for purpose, word, value, n in rows:
        values = sums.setdefault((purpose, word), {})
        values[value] = values.get(value, 0) + n
    return [
        Count(month, *key, by, value, n)
        for key, values in sorted(sums.items())
        for value, n in shown(values, least).items()
    ]


def as_facts(found: Sequence[Count]) -> list[dict[str, Any]]:
    """Return the statistics as plain values."""
    return [count._asdict() for count in found]
