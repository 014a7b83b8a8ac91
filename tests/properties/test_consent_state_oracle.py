"""The second derivation of permission (`governance.consent`) against the oracle."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from governance.consent import LANDED, moment, state_sql
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
from tests.support.permission_oracle import Oracle

ORACLE = Oracle(POLICY)


def policy() -> Any:
    """Return the policy of the histories, as far as the derivation reads one."""
    bases: dict[str, dict[str, str]] = {purpose: {} for purpose in PURPOSES}
    for entry in POLICY["bases"]:
        bases[entry["purpose"]][entry["regime"]] = entry["basis"]
    regimes = {
        name: SimpleNamespace(
            age_of_consent=age,
            jurisdictions=[r["jurisdiction"] for r in POLICY["regimes"] if r["regime"] == name],
        )
        for name, age in POLICY["age_of_consent"].items()
    }
    purposes = {
        p["purpose"]: SimpleNamespace(**p, basis=bases[p["purpose"]]) for p in POLICY["purposes"]
    }
    return SimpleNamespace(
        purposes=purposes, regimes=regimes, unknown_jurisdiction=POLICY["unknown_regime"]
    )


SQL = state_sql(policy(), LANDED)


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


def checked(sql: str, **other: Any) -> None:
    """Compare on drawn histories; raises where they differ."""
    connection = landed()
    connection.execute("use warehouse")

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), **other)
    @given(scenarios())
    def agree(scenario: Scenario) -> None:
        assert differences(connection, sql, scenario) == []

    agree()


def test_second_derivation_agrees_with_the_oracle() -> None:
    checked(SQL)


@pytest.mark.parametrize("action", ["withdrawn", "objected"])
def test_a_grant_between_the_recording_of_a_denial_and_its_date(action: str) -> None:
    end = midnight(8)
    scenario = Scenario((early_record(action),), FIRST_DAY + timedelta(days=7), end, end)
    connection = landed()
    connection.execute("use warehouse")
    assert differences(connection, SQL, scenario) == []
    assert permitted(connection, SQL, end, end) == set()


@pytest.mark.parametrize("grant_of", ["opt_in", None])
@pytest.mark.parametrize("action", ["withdrawn", "objected"])
def test_a_denial_recorded_after_a_newer_grant(action: str, grant_of: str | None) -> None:
    end = midnight(8)
    scenario = Scenario((late_denial(action, grant_of),), FIRST_DAY + timedelta(days=7), end, end)
    connection = landed()
    connection.execute("use warehouse")
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


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("withdrawn >= coalesce", "withdrawn > coalesce"),
        ("objected >= coalesce(named", "objected >= coalesce(granted"),
        ("'customers', ", ""),
        ("e.occurred_at as moment", "least(e.occurred_at, e.recorded_at) as moment"),
        ("e.recorded_at <= $known", "$known is not null"),
        ("<= $at then 'consent expired'", "< $at then 'consent expired'"),
    ],
)
def test_comparison_finds_a_break(whole: str, broken: str) -> None:
    assert whole in SQL
    with pytest.raises(AssertionError):
        checked(
            SQL.replace(whole, broken), derandomize=True, database=None, phases=[Phase.generate]
        )
