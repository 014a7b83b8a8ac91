"""Looking at the feeds without loading anything: what ``assent sources check`` prints.

Belongs here: one finding for each thing that would stop a load or put rows into the quarantine,
with the masked shape of the first offending value. Does not belong here: what makes a row bad
(``projection``), the sources file itself (``sources``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from governance.policy.model import Policy
from ingest import survey
from ingest.connectors import candidates, no_file
from ingest.connectors.csv_rows import LONGEST_ROW
from ingest.connectors.source import ENCODING, POSITION, reading
from ingest.contract import CONTRACTS, TEXT, TIME, WHOLE, Column
from ingest.model import FeedSource, Sources
from ingest.plan import changed, lacking, sources_gone
from ingest.projection import Projection, Rules, projected
from ingest.source_checks import policy_problems
from warehouse import catalogue
from warehouse.clock import utc_naive
from warehouse.connect import connected, warehouse_store
from warehouse.errors import AssentError, masked
from warehouse.home import Home
from warehouse.sql import quoted

EMPTY = {  # what follows if a feed has no row; what has landed of it stays
    "customers": "look whether it is delivered: what is known of customers stays as it landed",
    "transactions": "look whether it is delivered: without purchases there are no segments",
    "consent_events": "look whether it is delivered: nobody is processed without consent events,"
    " but those that have landed go on counting",
}
MALFORMED_BY = {  # what a malformed row is, by whether its file is one of JSON lines
    False: "the row has too few or too many columns, isn't text, or is longer than"
    f" {LONGEST_ROW:,} characters",
    True: "the line isn't one whole JSON object, or has a key twice",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a feed.

    Attributes
    ----------
    feed, source, column
        Where: our names of feed and column (None: the whole), and the file, table or function.
    what
        What is wrong, in a few words; for bad rows, the reason as the quarantine will call it.
    mend
        What to do about it.
    blocking
        Whether a load would stop; otherwise the rows go to the quarantine.
    rows, of_rows, first_row
        For bad rows: how many of how many, and the position of the first (from 1).
    shape
        Masked shape of the first offending value, if there is one.
    others
        How many other sources of the feed have the same fault, once they are told together
        (:func:`together`).
    """

    feed: str
    source: str | None
    column: str | None
    what: str
    mend: str
    blocking: bool
    rows: int = 0
    of_rows: int = 0
    first_row: int | None = None
    shape: str | None = None
    others: int = 0

    def __str__(self) -> str:
        """Return place, fault and remedy."""
        more = f" and {self.others} more" if self.others else ""
        place = f"{self.feed}: {self.source}{more}" if self.source else self.feed
        what = f"{self.column}: {self.what}" if self.column else self.what
        if self.rows:
            what += f" in {self.rows} of {self.of_rows} rows, first in row {self.first_row}"
            what += f" of {self.source}" if self.others else ""
        if self.shape:
            what += f", as in `{self.shape}`"
        aside = "goes to the quarantine" if self.rows else "lands nothing"
        kind = "stops the load" if self.blocking else aside
        return f"{place}: {what} ({kind})\n  -> {self.mend}"


def check_sources(
    sources: Sources,
    policy: Policy,
    *,
    now: datetime | None = None,
    only: Iterable[str] | None = None,
) -> list[Finding]:
    """Open and read every declared feed, and return what is wrong; nothing is written.

    Parameters
    ----------
    sources, policy
        As read from their files.
    now
        The moment of arrival (default: the present).
    only
        Names of the feeds to look at; by default all.

    Returns
    -------
    list of Finding
        By feed and source; empty if every row can be loaded. No values, only masked shapes.
    """
    rules = Rules.of(utc_naive(now or sources.now()), policy)
    chosen = set(only) if only is not None else set(sources.feeds)
    found = [
        Finding(str(problem.path[1]), None, str(problem.path[-1]), problem.what, problem.mend, True)
        for problem, _ in policy_problems(sources, policy)
        if problem.path[1] in chosen
    ]
    landed = (warehouse_store(read_only=True),) if Home.current().warehouse.exists() else ()
    with connected(*landed, files=True) as connection:
        connection.execute("set timezone = 'UTC'")
        loaded = landed and "loads" in catalogue.tables(connection, "landing")
        for name in CONTRACTS:
            if name in sources.feeds and name in chosen:
                found += _of_feed(connection, sources, policy if loaded else None, name, rules)
    return found


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with each fault once: of the first source that has it, with all rows."""
    found: dict[tuple[object, ...], Finding] = {}
    for new in findings:
        fault = (new.feed, new.column, new.what, new.mend, new.blocking, bool(new.rows))
        if (first := found.get(fault)) is None:
            found[fault] = new
            continue
        found[fault] = replace(
            first, others=first.others + 1, rows=first.rows + new.rows,
            of_rows=first.of_rows + new.of_rows,
        )  # fmt: skip
    return list(found.values())


def _of_feed(
    connection: duckdb.DuckDBPyConnection, sources: Sources, policy: Policy | None, name: str,
    rules: Rules,
) -> list[Finding]:  # fmt: skip
    """Look at one feed; with a policy, at what the warehouse holds of it, too."""
    feed: FeedSource = sources.feeds[name]  # type: ignore[index]
    try:
        there = candidates(connection, sources, name)
    except AssentError as error:
        return [_stopping(name, None, error)]
    if not there:
        return [_stopping(name, None, no_file(name))]
    found: list[Finding] = []
    rows = bad = 0
    for candidate in there:
        try:
            projection = projected(connection, CONTRACTS[name], feed, candidate.open(), rules)
            projection, seen = survey.read(connection, projection, enrol=False)
            found += _bad_rows(connection, projection, seen, name)
        except AssentError as error:
            found.append(_stopping(name, candidate.name, error))
            continue
        rows, bad = rows + seen.rows, bad + seen.bad
    unread = any(finding.blocking for finding in found)
    if not rows and not unread and name in EMPTY:
        found.append(Finding(name, None, None, "it holds no row", EMPTY[name], False))
    if policy and not unread and changed(connection, sources, policy, name):
        missing = lacking(connection, name, rows, sources_gone(connection, name, there))
        found += [_stopping(name, None, missing)] if missing else []
    if bad and bad / rows > feed.greatest_bad_share:
        return [replace(finding, blocking=True) for finding in found]
    return found


def _stopping(feed: str, source: str | None, error: AssentError) -> Finding:
    # The place is told before it, once; and what differs by nothing else is one fault.
    what = error.what
    for place in (feed, source):
        what = what.removeprefix(f"{place}: ").removeprefix(f"{place} ")
    return Finding(feed, source, None, what, error.mend, True)


def _bad_rows(
    connection: duckdb.DuckDBPyConnection,
    projection: Projection,
    seen: survey.Survey,
    feed: str,
) -> Iterator[Finding]:
    if not seen.bad:
        return
    raw = " ".join(
        f"when {quoted(name)} then cast(raw_{name} as varchar)" for name in projection.feed.columns
    )
    with reading(projection.source.name, survey.MEND):
        rows = connection.execute(
            "select reason, column_name, count(*), min(position),"
            f" arg_min(case column_name {raw} end, position) from (select *,"
            f" {POSITION} as position, {projection.case('reason')} as reason,"
            f" {projection.case('column')} as column_name"
            f" from {projection.typed(numbered=True)} where {projection.bad})"
            " group by reason, column_name order by count(*) desc, reason"
        ).fetchall()
    for reason, column, count, first, value in rows:
        yield Finding(
            feed,
            projection.source.name,
            column,
            reason,
            _remedy(projection, reason),
            False,
            rows=count,
            of_rows=seen.rows,
            first_row=first,
            shape=None if value is None else masked(value),
        )


def _remedy(projection: Projection, reason: str) -> str:
    """Return what to do about the rows of one reason."""
    kind, _, column = reason.partition("_")
    ours = {c.name: c for c in projection.contract.columns}.get(column)
    if kind == "unparseable" and ours and _makes_nothing(projection, ours):
        return "its expression makes nothing of a value that is there: let it name that one, too"
    if kind == "unparseable" and projection.contract.column(column).type == "TIMESTAMP":
        return "say how times are written: `format` in the column's mapping"
    if kind == "malformed" and projection.source.misencoded:
        return f"some of them aren't in the declared encoding: {ENCODING}"
    remedies = {
        "missing": "mend the source, or map another column",
        "unparseable": f"it has to become {_in_words(ours)}: map or convert it otherwise",
        "unknown": "map the source's words to ours with an `expression` (case when ...)",
        "negative": "if it may be negative (returns), declare `negative_value: allowed`",
        "after": "check the feed's time zone; `future_tolerance_minutes` allows a little",
        "malformed": f"{MALFORMED_BY[projection.feed.format == 'jsonl']}: mend the source",
    }
    if reason == "unknown_purpose":
        return "use the names of the policy's purposes, or none where all are meant"
    return remedies.get(kind, "mend the source")


def _makes_nothing(projection: Projection, column: Column) -> bool:
    """Tell whether an unreadable value of a column is one of which its expression makes nothing."""
    computed = projection.feed.columns[column.name].expression is not None
    any_text = column.type == TEXT and column.name != "customer_id"
    return computed and (column.absence_speaks or any_text)


def _in_words(column: Column | None) -> str:
    """Return what a value of a column has to become."""
    if column is None:
        return "readable"
    if column.name == "customer_id":
        return "a text without unseen characters, or a number that is exact"
    return {TEXT: "a text", TIME: "a time", WHOLE: "a whole number"}.get(column.type, "a number")
