"""The checks of custody: nothing is held, or may be read in a file, for longer than it may be.

Belongs here: verdicts on the ages of what landing, the vault and ``kept`` hold, on deleted rows and
on backups of salts. How old the oldest row is, which is one subject's, is told where it is over the
limit. Does not belong here: letting go what is too old (``governance.rights``), how
old a value may be for a purpose (``marts``).
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb

from expectations.result import Result, Table, aged, result, unjudged
from expectations.sql import one
from governance.clocks import Clocks
from governance.consent_relations import RESTRICTED
from governance.policy.model import Policy
from governance.policy.rules import Rule
from governance.policy.words import OF_LANDING, PERMISSION_ATTRIBUTES
from warehouse.catalogue import columns

# The day by which each landing table's rows age. Consent events and requests are left out: they
# are the evidence of what was allowed, and go with their subject (GDPR Art. 5(2), 7(1)).
AGED_BY = {"transactions": "event_day", "customers": "recorded_on"}


def retention(
    connection: duckdb.DuckDBPyConnection, rule: Rule, clocks: Clocks,
    restricted: Collection[UUID | None], in_vault: Mapping[str, date] | None,
) -> Result:  # fmt: skip
    """Judge how old the oldest row of landing or the vault is at the end of ``as_of``.

    See ``ages``. But for those of subjects under a restriction, and of customers those that say no
    more than what decides permission.
    """
    if in_vault is None:
        return unjudged(rule)
    oldest = _oldest_landed(connection, restricted) | dict(in_vault)
    if not oldest:
        return unjudged(rule, "landing holds no dated row")
    return _of_oldest(rule, oldest, clocks)


def _of_oldest(rule: Rule, oldest: Mapping[str, date], clocks: Clocks) -> Result:
    """Judge the ages of the oldest rows, by table and day, at the end of ``as_of``."""
    ages = {table: max(0, (clocks.as_of - day).days + 1) for table, day in oldest.items()}
    over = {table: age for table, age in ages.items() if age > rule.limit}
    if not over:
        return result(rule, "holds", None, "no row is too old")
    rows = [(table, oldest[table], age) for table, age in sorted(over.items())]
    table, age = max(over.items(), key=lambda item: item[1])
    return result(
        rule, "broken", age, f"the oldest row is in {table}: {age} days old",
        **{"too old": Table(("table", "oldest", "age in days"), rows)},
    )  # fmt: skip


def _oldest_landed(
    connection: duckdb.DuckDBPyConnection, restricted: Collection[UUID | None]
) -> dict[str, date]:
    """Return by table of landing from when its oldest row counts that nothing holds."""
    oldest: dict[str, date] = {}
    asked = columns(connection, "landing", "rights_requests")
    free = "not list_contains($restricted::uuid[], subject_key)"
    free += f" and subject_key not in {RESTRICTED}" if asked else ""
    for table, day in AGED_BY.items():
        known = columns(connection, "landing", table)
        if day in known:
            says = [name for name in known if name not in (*OF_LANDING, *PERMISSION_ATTRIBUTES)]
            (found,) = one(
                connection,
                f"select min({day}) from landing.{table} where {free}"
                f" and ({' or '.join(f'{name} is not null' for name in says)})",
                restricted=[subject for subject in restricted if subject],
            )
            if found is not None:
                oldest[f"landing.{table}"] = found
    return oldest


def purge(
    connection: duckdb.DuckDBPyConnection, rule: Rule, today: date, lying_since: datetime | None
) -> Result:
    """Judge how long deleted rows have lain in the files.

    A row that SQL no longer sees stays in the file until that is written anew.
    """
    if not columns(connection, "landing", "loads"):
        return unjudged(rule)
    if lying_since is None:
        return result(rule, "holds", 0, "no row has been removed since the file was last rewritten")
    day = lying_since.date()
    return aged(rule, day, today, f"rows removed on {day} may still be in the file")


def kept(
    catalogue: Mapping[str, Rule], policy: Policy, clocks: Clocks,
    oldest: Mapping[str, datetime] | None,
) -> Iterator[Result]:  # fmt: skip
    """Judge how old what is kept of requests, exports and the erased is at the end of ``as_of``."""
    zone = ZoneInfo(policy.time_zone)
    for name in ("evidence", "suppression"):
        rule = catalogue[f"custody.{name}"]
        if oldest is None:
            yield unjudged(rule)
            continue
        days = {
            f"kept.{table}": moment.replace(tzinfo=UTC).astimezone(zone).date()
            for table, moment in oldest.items()
            if (table == "suppressed") == (name == "suppression")
        }
        yield _of_oldest(rule, days, clocks)


def salt_backups(rule: Rule, today: date, oldest: datetime | None) -> Result:
    """Judge the age of the oldest backup of salts: it undoes what deleting a salt has done."""
    if oldest is None:
        return result(rule, "holds", 0, "there is no backup of salts where one was written")
    day = oldest.date()
    return aged(rule, day, today, f"a backup of salts of {day} is still where it was written")
