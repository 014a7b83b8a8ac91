"""How every rule stands: verdicts of the checks, kept with the state they judged.

Belongs here: recording verdicts in the warehouse, showing them, and whether a purpose may be
published. Does not belong here: reaching a verdict (``expectations``). What is shown is about the
warehouse, published or not: it follows every change, a forgotten verdict too, so that a run that
is killed leaves none on what it was building. What is published was judged when it was.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb

from governance import evidence, lapse
from governance.clocks import Clocks
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.rules import Rule, override_of, rules
from governance.policy.words import BUILT_IN_PURPOSES
from warehouse.clock import now

# Rules that stand for every purpose: those on feeds and recipients, and of the built-in purposes.
FOR_ALL = (None, *BUILT_IN_PURPOSES)
TABLE = "governance.judged"
NOT_RUN = "no check has been run since the data or the policy changed"


@dataclass(frozen=True)
class Verdict:
    """How one rule stands.

    ``status`` is one of ``holds``, ``broken``, ``gap``, ``not judged``, ``unenforced``.
    """

    rule: str
    status: str
    observed: Any
    limit: Any
    why: str
    overridden_by: str | None = None

    @property
    def passes(self) -> bool:
        """Whether it lets results be published: judged and not broken, or excused on record."""
        if self.overridden_by:
            return True
        return self.status == "holds" or (self.status == "not judged" and self.why != NOT_RUN)


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


def _standing_rules(policy: Policy) -> list[str]:
    """Return the rules on feeds, custody and recipients: judged at landing, for every day."""
    return [rule.id for rule in rules(policy) if rule.purpose in FOR_ALL]


def _make_table(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema if not exists governance")
    connection.execute("drop table if exists governance.verdicts")  # of earlier versions
    connection.execute(
        f"create table if not exists {TABLE} (rule varchar, status varchar, observed varchar,"
        " limits varchar, why varchar, policy varchar, as_of date, known_at timestamp)"
    )


def put(
    connection: duckdb.DuckDBPyConnection, policy: Policy, results: Iterable[Any], clocks: Clocks,
    about: Mapping[str, Any],
) -> None:  # fmt: skip
    """Record verdicts (objects with rule, status, observed, limit and why) on one state."""
    _make_table(connection)
    under, standing = policy_hash(policy), _standing_rules(policy)
    for r in results:
        connection.execute(
            f"delete from {TABLE} where rule = ? and (as_of = ? or list_contains(?, rule))",
            [r.rule, clocks.as_of, standing],
        )
        connection.execute(
            f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?)",
            [r.rule, r.status, json.dumps(r.observed, default=str),
             json.dumps(r.limit, default=str), r.why, under, clocks.as_of, clocks.known_at],
        )  # fmt: skip
    _show(connection, policy, clocks, about)


def verdicts(
    connection: duckdb.DuckDBPyConnection, policy: Policy, clocks: Clocks
) -> list[Verdict]:
    """Return the verdict of every rule of the policy; those without one are ``not judged``.

    A verdict under another policy is none: what held there may not hold here. Nor is one on
    another day's data, or from before the newest event.
    """
    rows = {
        row[0]: row
        for row in connection.execute(
            f"select rule, status, observed, limits, why from {TABLE} where policy = ?"
            " and (list_contains(?, rule) or (as_of = ? and known_at = ?))",
            [policy_hash(policy), _standing_rules(policy), clocks.as_of, clocks.known_at],
        ).fetchall()
    }
    day = clocks.newest_day
    return [_verdict(policy, rule, rows.get(rule.id), day) for rule in rules(policy)]


def _verdict(policy: Policy, rule: Rule, row: tuple[str, ...] | None, day: date) -> Verdict:
    if row is None:
        return Verdict(rule.id, "not judged", None, rule.limit, NOT_RUN)
    _, status, observed, limit, why = row
    override = override_of(policy, rule.id, day) if status == "broken" else None
    excuse = f"{override.approved_by}: {override.reason}" if override else None
    return Verdict(rule.id, status, json.loads(observed), json.loads(limit), why, excuse)


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

    A basis that has lapsed since is found at the moment of asking.

    Raises
    ------
    UsageError
        If no run has written it.
    """
    written = evidence.shown(evidence.STATUS)
    if written["policy_hash"] != policy_hash(policy):
        day = date.fromisoformat(written["as_of"])
        written["rules"] = [asdict(_verdict(policy, rule, None, day)) for rule in rules(policy)]
    written["rules"] = lapse.judged(written["rules"])
    return written
