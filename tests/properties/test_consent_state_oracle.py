"""The second derivation of permission (`governance.consent`) against the oracle."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given

from governance.consent import moment, state_sql
from governance.consent_relations import LANDED
from governance.policy.regime import Regime
from tests.support.examples import tried
from tests.support.permission_histories import (
    FIRST_DAY,
    POLICY,
    PURPOSES,
    Scenario,
    early_record,
    late_denial,
    midnight,
    scenarios,
)
from tests.support.permission_landing import key, land, landed
from tests.support.permission_oracle import GRANTS, Oracle, Subject

ORACLE = Oracle(POLICY)


def policy() -> Any:
    """Return the policy of the histories, as far as the derivation reads one."""
    bases: dict[str, dict[str, str]] = {purpose: {} for purpose in PURPOSES}
    for entry in POLICY["bases"]:
        bases[entry["purpose"]][entry["regime"]] = entry["basis"]
    of: dict[str, dict[str, int]] = {}
    for place in POLICY["regimes"]:
        of.setdefault(place["regime"], {})[place["jurisdiction"]] = place["age_of_consent"]
    regimes = {
        rules["regime"]: Regime(
            description="Drawn",
            **{k: v for k, v in rules.items() if k != "regime"},
            jurisdictions=tuple(of[rules["regime"]]),
            ages_of_consent=of[rules["regime"]],
        )
        for rules in POLICY["regime_rules"]
    }
    purposes = {
        p["purpose"]: SimpleNamespace(**p, basis=bases[p["purpose"]]) for p in POLICY["purposes"]
    }
    return SimpleNamespace(
        purposes=purposes, regimes=regimes, unknown_jurisdiction=POLICY["unknown_regime"]
    )


SQL = state_sql(policy(), LANDED)
Compared = Callable[[duckdb.DuckDBPyConnection, str, Scenario], list[str]]


def differences(connection: duckdb.DuckDBPyConnection, sql: str, scenario: Scenario) -> list[str]:
    """Compare what is permitted at each clock."""
    land(connection, scenario)
    found = []
    for at in (scenario.as_of_end, scenario.known_at):
        by_sql = permitted(connection, sql, at, scenario.known_at)
        by_oracle = {
            (key(number), purpose)
            for number, subject in enumerate(scenario.subjects)
            for purpose in PURPOSES
            if ORACLE.is_valid(subject, purpose, at, scenario.known_at)
            and not ORACLE.is_held(subject)
            and not ORACLE.is_stopped(subject, purpose)
        }
        found += [f"{case} at {at}" for case in by_sql ^ by_oracle]
    return found


def permitted(
    connection: duckdb.DuckDBPyConnection, sql: str, at: datetime, known_at: datetime
) -> set[Any]:
    """Return who is permitted for what, by the SQL."""
    return set(
        connection.execute(
            f"select subject_key, purpose from ({sql}) where permitted",
            {"at": at, "known": known_at},
        ).fetchall()
    )


def decided(subject: Subject, purpose: str, at: datetime, known: datetime) -> datetime | None:
    """Return when the event occurred that decides, by walking along what was heard."""
    if ORACLE.is_held(subject) or ORACLE.is_stopped(subject, purpose):
        return None
    grant = objection = withdrawal = None
    denied = False
    for event in ORACLE.heard(subject, purpose, known):
        if event.occurred_at > at:
            break
        if event.action in GRANTS:
            grant, withdrawal = event.occurred_at, None
            objection = None if event.purpose else objection
            continue
        denied = True
        if event.action == "withdrawn":
            withdrawal = event.occurred_at
        else:
            objection = event.occurred_at
    if ORACLE.basis(subject, purpose) != "consent" and not denied:
        return None
    return objection or withdrawal or grant


def misattributed(connection: duckdb.DuckDBPyConnection, sql: str, scenario: Scenario) -> list[str]:
    """Compare which event decided."""
    land(connection, scenario)
    at = scenario.known_at
    by_sql = connection.execute(
        f"select subject_key, purpose, decided_at from ({sql})", {"at": at, "known": at}
    ).fetchall()
    by_oracle = {
        (key(number), purpose): decided(subject, purpose, at, at)
        for number, subject in enumerate(scenario.subjects)
        for purpose in PURPOSES
    }
    return [f"{row} at {at}" for row in by_sql if by_oracle[row[:2]] != row[2]]


def checked(compared: Compared) -> None:
    """Compare on drawn histories; raises where they differ."""
    connection = opened()

    @tried(80, suppress_health_check=list(HealthCheck))
    @given(scenarios())
    def agree(scenario: Scenario) -> None:
        assert compared(connection, SQL, scenario) == []

    agree()


def finds(crowds: tuple[Scenario, ...], compared: Compared, whole: str, broken: str) -> bool:
    """Tell whether a comparison finds the SQL broken, where a part of it is replaced."""
    assert whole in SQL
    connection, sql = opened(), SQL.replace(whole, broken)
    return any(compared(connection, sql, crowd) for crowd in crowds)


def opened() -> duckdb.DuckDBPyConnection:
    """Open empty landing tables."""
    connection = landed()
    connection.execute("use warehouse")
    return connection


def test_second_derivation_agrees_with_the_oracle() -> None:
    checked(differences)


def test_the_event_that_decided_is_the_one_that_the_oracle_comes_to() -> None:
    checked(misattributed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("if(objected is null and withdrawn is null, null, granted)", "granted"),
        ("then objected\n", "then greatest(objected, withdrawn)\n"),
    ],
)
def test_comparison_finds_a_wrong_event(
    crowds: tuple[Scenario, ...], whole: str, broken: str
) -> None:
    assert finds(crowds, misattributed, whole, broken)


@pytest.mark.parametrize("action", ["withdrawn", "objected"])
def test_a_grant_between_the_recording_of_a_denial_and_its_date(action: str) -> None:
    end = midnight(8)
    scenario = Scenario((early_record(action),), FIRST_DAY + timedelta(days=7), end, end)
    connection = opened()
    assert differences(connection, SQL, scenario) == []
    assert permitted(connection, SQL, end, end) == set()


@pytest.mark.parametrize("grant_of", ["opt_in", None])
@pytest.mark.parametrize("action", ["withdrawn", "objected"])
def test_a_denial_recorded_after_a_newer_grant(action: str, grant_of: str | None) -> None:
    end = midnight(8)
    scenario = Scenario((late_denial(action, grant_of),), FIRST_DAY + timedelta(days=7), end, end)
    connection = opened()
    assert differences(connection, SQL, scenario) == []
    stands = action == "withdrawn" or grant_of is not None
    assert ((key(0), "opt_in") in permitted(connection, SQL, end, end)) is stands


@pytest.mark.parametrize("where", ["permission.consent_events", "waiting"])
@pytest.mark.parametrize("said", [timedelta(minutes=30), timedelta(minutes=-30)])
def test_readers_judge_at_no_moment_before_what_is_known(where: str, said: timedelta) -> None:
    recorded = datetime(2024, 3, 1, 10)
    connection = duckdb.connect()
    connection.execute("create schema permission")
    for table in ("permission.consent_events", "waiting"):
        connection.execute(f"create table {table} (occurred_at timestamp, recorded_at timestamp)")
    assert moment(connection, recorded) == recorded
    connection.execute(f"insert into {where} values (?, ?)", [recorded + said, recorded])
    newest = max(recorded, recorded + said)
    assert moment(connection, recorded - timedelta(hours=1)) == newest
    assert moment(connection, newest + timedelta(hours=1)) == newest + timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("withdrawn >= coalesce", "withdrawn > coalesce"),
        ("objected >= coalesce(named", "objected >= coalesce(granted"),
        ("'customers', ", ""),
        ("select subject_key from placed where is_child", "select null::uuid where false"),
        ("e.given_by = 'parent'", "false"),
        ("coalesce(r.own_age, a.any_age)", "a.any_age"),
        ("s.age_years < a.opt_in_below", "false"),
        ("said and not repeats as counts", "said as counts"),
        ("f.first < g.occurred_at", "true"),
        ("and s.occurred_at < a.before", ""),
        ("and a.since < s.occurred_at", "and a.since <= s.occurred_at"),
        ("d.occurred_at >= g.occurred_at", "d.occurred_at > g.occurred_at"),
        ("from placed where outlasts", "from placed"),
        ("placed.limited and b.sensitive", "false"),
        ("placed.marketing_objected and b.direct_marketing", "false"),
        ("filter (stands and type = 'limit')", "filter (type = 'limit')"),
        ("and not_taken_back", "and stands"),
        ("e.occurred_at <= $at", "least(e.occurred_at, e.recorded_at) <= $at"),
        ("e.recorded_at <= $known", "$known is not null"),
        ("<= $at then 'consent expired'", "< $at then 'consent expired'"),
    ],
)
def test_comparison_finds_a_break(crowds: tuple[Scenario, ...], whole: str, broken: str) -> None:
    assert finds(crowds, differences, whole, broken)
