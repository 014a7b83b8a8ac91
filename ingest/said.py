"""What subjects have said, before and after a feed is read from the beginning.

Belongs here: noting every subject's words (consent events, rights requests) before a feed is
cleared, and comparing what is met again. Does not belong here: when a feed is read from the
beginning (``plan``), stopping the load (``load``).

Numbers of rows can't tell: a file written over with other subjects' grants may hold as many. So
each subject is compared, and all of them together, as a word whose subject can't be read may have
become anybody's. What a word says may change with the declaration (times, purposes, what couldn't
be read), and copies of a row that couldn't be read come to be one word; but

- a denial is met again as one, or can't be read now, and so holds its subject;
- no subject has fewer words;
- of those that couldn't be read, at least one is met again, readable or not.

A denial that tells its day only counts, while that day lasts, as said when it was loaded
(unsettled). Delivered again later it is another word, and read from the beginning both are one: so
the first isn't looked for.
"""

import duckdb

from governance.limits import seen_sql, trimmed_sql
from governance.policy.words import DENIALS, HOLDING_STATES, STOPPING_REQUESTS
from ingest.contract import CONTRACTS
from warehouse.sql import quoted

BEFORE = "said_before"  # temporary table

_DENIES = {
    "consent_events": f"action in ({', '.join(map(quoted, DENIALS))})",
    "rights_requests": (
        f"type in ({', '.join(map(quoted, STOPPING_REQUESTS))})"
        f" and status in ({', '.join(map(quoted, HOLDING_STATES))})"
    ),
}


def note(connection: duckdb.DuckDBPyConnection, feed: str) -> None:
    """Note what each subject has said in a feed, before it is read from the beginning."""
    connection.execute(f"create or replace temp table {BEFORE} as {_said(feed, settled=True)}")


def forgotten(connection: duckdb.DuckDBPyConnection, feed: str) -> int:
    """Return how many subjects' words weren't met again since :func:`note`.

    One stands for words that are missing only when all subjects are taken together.
    """
    lost = (
        "coalesce(n.denials + n.unread, 0) < b.denials"
        " or coalesce(n.words + n.unread, 0) < b.words + (b.unread > 0)::integer"
    )
    subjects, together = connection.execute(
        "select count(*) filter (not b.together), count(*) filter (b.together)"
        f" from {BEFORE} as b left join ({_said(feed)}) as n"
        " on n.together = b.together and n.customer_id is not distinct from b.customer_id"
        f" where (b.together or b.customer_id is not null) and ({lost})"
    ).fetchall()[0]
    return int(subjects or together)


def unsettled(connection: duckdb.DuckDBPyConnection, feed: str) -> int:
    """Return how many words of a feed may come to be one with others when they are read again."""
    if feed not in _DENIES:
        return 0
    return int(
        connection.execute(
            f"select count(*) from landing.{feed} join landing.loads using (load_id)"
            f" where loads.feed = {quoted(feed)} and {_unsettled(feed)}"
        ).fetchall()[0][0]
    )


def _unsettled(feed: str) -> str:
    return f"{_DENIES[feed]} and {CONTRACTS[feed].time} = loaded_at"


def _said(feed: str, *, settled: bool = False) -> str:
    """Return the ``select`` of words, denials and unread rows, by subject and of all together.

    With ``settled``, without the denials that aren't.
    """
    contract = CONTRACTS[feed]
    but = f" and not ({_unsettled(feed)})" if settled else ""
    trimmed = trimmed_sql("s.customer_id")
    word = ", ".join(name for name in contract.told_apart_by if name != "customer_id")
    # As it is read now: an earlier version of Assent may have read an id otherwise.
    customer = f"case when {seen_sql(trimmed)} then {trimmed} end"
    loads = f"(select load_id from landing.loads where feed = {quoted(feed)})"
    return (
        "select customer_id, grouping(customer_id) = 1 as together,"
        " count(distinct (customer_id, word)) filter (word is not null) as words,"
        " count(distinct (customer_id, word)) filter (denies) as denials,"
        " count(*) filter (word is null) as unread"
        f" from (select {customer} as customer_id, word, denies"
        f" from (select subject_key, row({word}) as word, {_DENIES[feed]} as denies"
        f" from landing.{feed} join landing.loads using (load_id)"
        f" where loads.feed = {quoted(feed)}{but}"
        " union all select subject_key, null, false from landing.quarantine"
        f" where feed = {quoted(feed)} and resolved_at is null and load_id in {loads})"
        " left join vault.subjects as s using (subject_key))"
        " group by grouping sets ((customer_id), ())"
    )
