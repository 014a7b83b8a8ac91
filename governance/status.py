"""How every rule stands: verdicts of the checks, kept with the state they judged.

Belongs here: recording verdicts in the warehouse, showing them, and whether a purpose may be
published. Does not belong here: reaching a verdict (``expectations``). What is shown is about the
warehouse, published or not: it follows every change, a forgotten verdict too, so that a run that
is killed leaves none on what it was building. What is published was judged when it was.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from governance import aging, evidence, lapse
from governance.clocks import Clocks
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.rules import Rule, override_of, rules
from governance.policy.words import BUILT_IN_PURPOSES
from warehouse.clock import now, utc_naive
from warehouse.errors import UsageError

# Rules that stand for every purpose: those on feeds and recipients, and of the built-in purposes.
FOR_ALL = (None, *BUILT_IN_PURPOSES)
TABLE = "governance.rule_verdicts"
EARLIER_TABLES = ("governance.verdicts", "governance.judged")  # of earlier versions
NOT_RUN = "no check has been run since the data or the policy changed"


@dataclass(frozen=True)
class Verdict:
    """How one rule stands.

    Attributes
    ----------
    status : str
        ``holds``, ``broken``, ``gap``, ``not judged`` or ``unenforced``.
    checked : bool
        Whether a check has looked. ``not judged`` is an answer if one has (a group is too small);
        if none has, nobody knows.
    since : str or None
        The day from which the observation is counted to the present one, whenever that is.
    overridden_by : str or None
        Who excused it, and why.
    """

    rule: str
    status: str
    observed: Any
    limit: Any
    why: str
    checked: bool = True
    since: str | None = None
    overridden_by: str | None = None

    @property
    def passes(self) -> bool:
        """Whether it lets results be published: judged and not broken, or excused on record."""
        if self.overridden_by:
            return True
        return self.status == "holds" or (self.status == "not judged" and self.checked)


def verdict_on(policy: Policy, found: Any, day: date) -> Verdict:
    """Return what a check has found of a rule as a verdict, as it stands now.

    Parameters
    ----------
    policy
        The rules; its overrides excuse what is broken.
    found
        An object with rule, status, observed, limit, why, checked and since.
    day
        The newest day that is known: overrides and ages are judged at the present one, which isn't
        before it.
    """
    present = aging.present_day(policy, day)
    status, observed, since = found.status, found.observed, found.since and str(found.since)
    if since:
        observed, old = aging.judged(date.fromisoformat(since), present, found.limit)
        status = "broken" if old else "holds"
    override = override_of(policy, found.rule, present) if status == "broken" else None
    excuse = f"{override.approved_by}: {override.reason}" if override else None
    return Verdict(
        found.rule, status, observed, found.limit, found.why, found.checked, since, excuse
    )


def _unchecked(rule: Rule) -> Verdict:
    return Verdict(rule.id, "not judged", None, rule.limit, NOT_RUN, checked=False)


def reset(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, about: Mapping[str, Any]
) -> None:
    """Forget the verdicts on what is about to be built again: all but those on the feeds.

    A run for a past day leaves the verdicts on the current one alone.

    Parameters
    ----------
    connection
        With the warehouse as its database.
    policy
        The rules.
    clocks
        Of the run.
    about
        Facts that are shown with the verdicts.
    """
    _make_table(connection)
    days = "true" if clocks.current else "as_of = $as_of"
    connection.execute(
        f"delete from {TABLE} where not list_contains($kept, rule) and {days}",
        {"kept": _standing_rules(policy)} | ({} if clocks.current else {"as_of": clocks.as_of}),
    )
    _show(connection, policy, clocks, about)


def forget(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, kinds: Collection[str],
    clocks: Clocks, about: Mapping[str, Any],
) -> None:  # fmt: skip
    """Forget the verdicts of some kinds of rules of a purpose, whose subject is made anew."""
    _make_table(connection)
    named = [rule.id for rule in rules(policy) if rule.purpose == purpose and rule.kind in kinds]
    connection.execute(
        f"delete from {TABLE} where list_contains(?, rule) and as_of = ?", [named, clocks.as_of]
    )
    _show(connection, policy, clocks, about)


def forget_feeds(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Forget the verdicts on the feeds with what they were of: in the transaction that lands anew.

    Else what was true of the feeds before would be said of what has landed. ``connection`` has the
    warehouse as its database.
    """
    _forget(connection, policy, _standing_rules(policy))


def forget_marts(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Forget all other verdicts, of every day: in the transaction that lands something new.

    A late denial may be older than the newest event: whoever it is of is in the marts until they
    are made anew.
    """
    standing = _standing_rules(policy)
    _forget(connection, policy, [r.id for r in rules(policy) if r.id not in standing])


def forget_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget every verdict, under whatever policy: nobody knows what time has changed since."""
    _make_table(connection)
    connection.execute(f"delete from {TABLE}")


def _forget(connection: duckdb.DuckDBPyConnection, policy: Policy, named: Collection[str]) -> None:
    _make_table(connection)
    connection.execute(f"delete from {TABLE} where list_contains(?, rule)", [list(named)])
    try:
        written, known = _written(policy)
    except UsageError:  # nothing is shown yet, or nothing that anybody would believe
        return
    kept = {rule: verdict for rule, verdict in known.items() if rule not in named}
    found = _now(policy, kept, date.fromisoformat(written["as_of"]))
    evidence.show(evidence.STATUS, written | {"rules": [asdict(verdict) for verdict in found]})


def _standing_rules(policy: Policy) -> list[str]:
    """Return the rules on feeds, custody and recipients: judged at landing, for every day."""
    return [rule.id for rule in rules(policy) if rule.purpose in FOR_ALL]


def _make_table(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema if not exists governance")
    for earlier in EARLIER_TABLES:
        connection.execute(f"drop table if exists {earlier}")
    connection.execute(
        f"create table if not exists {TABLE} (rule varchar, status varchar, observed varchar,"
        " limits varchar, why varchar, checked boolean, since varchar, policy varchar,"
        " as_of date, known_at timestamp)"
    )


def put(
    connection: duckdb.DuckDBPyConnection, policy: Policy, results: Iterable[Any], clocks: Clocks,
    about: Mapping[str, Any],
) -> None:  # fmt: skip
    """Record what checks have found (see :func:`verdict_on`) of one state."""
    _make_table(connection)
    under, standing = policy_hash(policy), _standing_rules(policy)
    for r in results:
        connection.execute(
            f"delete from {TABLE} where rule = ? and (as_of = ? or list_contains(?, rule))",
            [r.rule, clocks.as_of, standing],
        )
        connection.execute(
            f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [r.rule, r.status, json.dumps(r.observed, default=str),
             json.dumps(r.limit, default=str), r.why, r.checked, r.since, under, clocks.as_of,
             clocks.known_at],
        )  # fmt: skip
    _show(connection, policy, clocks, about)


def verdicts(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks
) -> list[Verdict]:
    """Return the verdict of every rule of the policy; those without one are ``not judged``.

    A verdict under another policy is none: what held there may not hold here. Nor is one on
    another day's data, or from before the newest event.
    """
    rows = connection.execute(
        f"select rule, status, observed, limits, why, checked, since from {TABLE} where policy = ?"
        " and (list_contains(?, rule) or (as_of = ? and known_at = ?))",
        [policy_hash(policy), _standing_rules(policy), clocks.as_of, clocks.known_at],
    ).fetchall()
    known = {
        rule: Verdict(rule, status, json.loads(observed), json.loads(limit), why, checked, since)
        for rule, status, observed, limit, why, checked, since in rows
    }
    return _now(policy, known, clocks.newest_day)


def _now(policy: Policy, known: Mapping[str, Verdict], day: date) -> list[Verdict]:
    """Return how every rule of the policy stands now, by what is known of some."""
    return [
        verdict_on(policy, known.get(rule.id) or _unchecked(rule), day) for rule in rules(policy)
    ]


def feeds_are_judged(connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks) -> bool:
    """Tell whether a check has looked at the feeds since something has landed."""
    standing = _standing_rules(policy)
    return all(v.checked for v in verdicts(connection, policy, clocks) if v.rule in standing)


def obstacles(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, clocks: Clocks
) -> list[Verdict]:
    """Return the verdicts that keep a purpose from being published."""
    blocking = {
        rule.id for rule in rules(policy) if rule.blocks and rule.purpose in (purpose, *FOR_ALL)
    }
    found = verdicts(connection, policy, clocks)
    return [v for v in found if v.rule in blocking and not v.passes]


def _show(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks, about: Mapping[str, Any]
) -> None:
    """Write the verdicts where anyone may read them (``governance.evidence``)."""
    found = [asdict(verdict) for verdict in verdicts(connection, policy, clocks)]
    written = {
        "as_of": clocks.as_of, "known_at": clocks.known_at, "policy_hash": policy_hash(policy),
        **about, "written_at": now().isoformat(), "rules": found,
    }  # fmt: skip
    evidence.show(evidence.STATUS, written, past=clocks.past)


def shown(policy: Policy) -> dict[str, Any]:
    """Return what was written of the current state; under another policy nothing is judged.

    What time alone has broken since, a basis that lapsed or feeds that grew old, is found at the
    moment of asking.

    Raises
    ------
    UsageError
        If no run has written it.
    """
    written, known = _written(policy)
    found = _now(policy, known, date.fromisoformat(written["as_of"]))
    # A clock that is behind the newest event is wrong: as for exports, that moment counts.
    at = max(utc_naive(now()), datetime.fromisoformat(written["known_at"]))
    return written | {"rules": lapse.judged(policy, [asdict(verdict) for verdict in found], at)}


def _written(policy: Policy) -> tuple[dict[str, Any], dict[str, Verdict]]:
    """Return what was written of the current state, and its verdicts under this policy, by rule."""
    written = evidence.shown(evidence.STATUS)
    same = written["policy_hash"] == policy_hash(policy)
    return written, {r["rule"]: Verdict(**r) for r in written["rules"]} if same else {}
