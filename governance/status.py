"""How every rule stands: verdicts of the checks, kept with the state they judged.

Belongs here: recording verdicts in the warehouse, showing them, and
whether a purpose may be published. Does not belong here: reaching a verdict (``expectations``).
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb

from governance import evidence
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from governance.policy.rules import Rule, override_of, rules
from governance.policy.words import BUILT_IN_PURPOSES
from warehouse.clock import now

# Rules that stand for every purpose: those on feeds and recipients, and of the built-in purposes.
FOR_ALL = (None, *BUILT_IN_PURPOSES)
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


def reset(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Forget the verdicts on what is about to be built again: all but those on the feeds."""
    _make_table(connection)
    kept = [rule.id for rule in rules(policy) if rule.purpose in FOR_ALL]
    connection.execute("delete from governance.verdicts where not list_contains(?, rule)", [kept])


def forget(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, kinds: Collection[str]
) -> None:
    """Forget the verdicts of some kinds of rules of a purpose, whose subject is made anew."""
    _make_table(connection)
    named = [rule.id for rule in rules(policy) if rule.purpose == purpose and rule.kind in kinds]
    connection.execute("delete from governance.verdicts where list_contains(?, rule)", [named])


def _make_table(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema if not exists governance")
    connection.execute(
        "create table if not exists governance.verdicts"
        " (rule varchar primary key, status varchar, observed varchar, limits varchar, why varchar)"
    )
    # Which policy it was judged under; a later addition to the table.
    connection.execute("alter table governance.verdicts add column if not exists policy varchar")


def put(connection: duckdb.DuckDBPyConnection, policy: Policy, results: Iterable[Any]) -> None:
    """Record verdicts (objects with rule, status, observed, limit and why)."""
    _make_table(connection)
    under = policy_hash(policy)
    for r in results:
        connection.execute(
            "insert or replace into governance.verdicts values (?, ?, ?, ?, ?, ?)",
            [r.rule, r.status, json.dumps(r.observed, default=str),
             json.dumps(r.limit, default=str), r.why, under],
        )  # fmt: skip


def verdicts(connection: duckdb.DuckDBPyConnection, policy: Policy, day: date) -> list[Verdict]:
    """Return the verdict of every rule of the policy; those without one are ``not judged``.

    A verdict under another policy is none: what held there may not hold here.
    """
    rows = {
        row[0]: row
        for row in connection.execute(
            "select rule, status, observed, limits, why from governance.verdicts where policy = ?",
            [policy_hash(policy)],
        ).fetchall()
    }
    return [_verdict(policy, rule, rows.get(rule.id), day) for rule in rules(policy)]


def _verdict(policy: Policy, rule: Rule, row: tuple[str, ...] | None, day: date) -> Verdict:
    if row is None:
        return Verdict(rule.id, "not judged", None, rule.limit, NOT_RUN)
    _, status, observed, limit, why = row
    override = override_of(policy, rule.id, day) if status == "broken" else None
    excuse = f"{override.approved_by}: {override.reason}" if override else None
    return Verdict(rule.id, status, json.loads(observed), json.loads(limit), why, excuse)


def obstacles(
    connection: duckdb.DuckDBPyConnection, policy: Policy, purpose: str, day: date
) -> list[Verdict]:
    """Return the verdicts that keep a purpose from being published."""
    blocking = {
        rule.id for rule in rules(policy) if rule.blocks and rule.purpose in (purpose, *FOR_ALL)
    }
    found = verdicts(connection, policy, day)
    return [v for v in found if v.rule in blocking and not v.passes]


def show(
    connection: duckdb.DuckDBPyConnection, policy: Policy, day: date, about: Mapping[str, Any],
    *, past: date | None = None,
) -> None:  # fmt: skip
    """Write the verdicts where anyone may read them (``governance.evidence``)."""
    found = [asdict(verdict) for verdict in verdicts(connection, policy, day)]
    written = {**about, "written_at": now().isoformat(), "rules": found}
    evidence.show(evidence.STATUS, written, past=past)
