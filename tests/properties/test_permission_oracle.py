"""dbt's permission models against an oracle in plain Python, on drawn histories.

The SQL is what dbt compiles of the project, under the policy of the histories; it runs in a plain
DuckDB in memory, so that one example costs milliseconds. The last test breaks the SQL, one rule
after the other, and asks that each break is found.
"""

from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given

from tests.support.dbt import compiled_models, shipped_vars
from tests.support.examples import tried
from tests.support.permission_histories import (
    FIRST_DAY,
    GRID,
    POLICY,
    PURPOSES,
    Scenario,
    early_record,
    late_denial,
    midnight,
    scenarios,
)
from tests.support.permission_landing import key, land, landed
from tests.support.permission_oracle import Answer, Oracle

STAGING = (
    "stg_consent_events__consent_events",
    "stg_customers__customers",
    "stg_landing__clocks",
    "stg_landing__purpose_keys",
    "stg_landing__quarantines",
    "stg_rights_requests__rights_requests",
)
PERMISSION = (
    "int_consent_subjects",
    "int_consent_events",
    "int_consent_conflicts",
    "int_consent_intervals",
    "int_consent_permitted",
)
Compiled = dict[str, tuple[str, str]]  # model -> its relation, its SQL
ORACLE = Oracle(POLICY)
CHECKED = tried(150, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The relation and the SQL of each model, under the policy of the histories."""
    home: Path = tmp_path_factory.mktemp("permission") / "home"
    return compiled_models(home, shipped_vars() | POLICY, STAGING + PERMISSION)


def database(compiled: Compiled) -> duckdb.DuckDBPyConnection:
    """Make empty landing tables, with staging over them."""
    connection = landed()
    connection.execute("create schema warehouse.staging; create schema warehouse.consented")
    for name in STAGING:
        relation, sql = compiled[name]
        connection.execute(f"create view {relation} as {sql}")
    return connection


def build(connection: duckdb.DuckDBPyConnection, compiled: Compiled) -> None:
    """Build the models of permission."""
    for name in PERMISSION:
        relation, sql = compiled[name]
        connection.execute(f"create or replace table {relation} as {sql}")


def decided_by_sql(connection: duckdb.DuckDBPyConnection) -> dict[tuple[int, str], Answer]:
    """Return what int_consent_permitted says."""
    found = connection.execute(
        "select subject_key, purpose, purpose_key, permitted_now, permitted, consented_on"
        " from warehouse.consented.int_consent_permitted"
    ).fetchall()
    answers: dict[tuple[int, str], Answer] = {}
    for subject_key, purpose, purpose_key, now, then, consented_on in found:
        number = subject_key.int // 100
        assert purpose_key == key(number, purpose)
        assert (number, purpose) not in answers, "one row per subject and purpose"
        # The day matters where rows are read, and nowhere else.
        answers[number, purpose] = Answer(now, then, consented_on if then else None)
    return answers


@cache  # each break is tried upon the same ones
def decided_by_oracle(scenario: Scenario) -> dict[tuple[int, str], Answer]:
    """Return what the oracle says."""
    answers = {}
    for number, subject in enumerate(scenario.subjects):
        for purpose in PURPOSES:
            answer = ORACLE.answer(subject, purpose, scenario.as_of_end, scenario.known_at)
            if answer is not None:
                if not answer.permitted:
                    answer = Answer(answer.permitted_now, False, None)
                answers[number, purpose] = answer
    return answers


@cache
def valid_by_oracle(scenario: Scenario) -> dict[tuple[int, str], dict[datetime, bool]]:
    """Return at which instants a basis is valid: those where that may turn, and many others."""
    return {
        (number, purpose): {
            at: ORACLE.is_valid(subject, purpose, at, scenario.known_at)
            for at in {
                *ORACLE.turning_points(subject, purpose, scenario.known_at),
                *GRID[::7], scenario.known_at, scenario.as_of_end,
            }
        }
        for number, subject in enumerate(scenario.subjects)
        for purpose in PURPOSES
    }  # fmt: skip


def intervals(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[int, str], list[tuple[datetime, datetime]]]:
    """Return what int_consent_intervals says."""
    found: dict[tuple[int, str], list[tuple[datetime, datetime]]] = {}
    for subject_key, purpose, begins, ends in connection.execute(
        "select subject_key, purpose, valid_from, valid_to"
        " from warehouse.consented.int_consent_intervals order by all"
    ).fetchall():
        found.setdefault((subject_key.int // 100, purpose), []).append((begins, ends))
    return found


def differences(
    connection: duckdb.DuckDBPyConnection, compiled: Compiled, scenario: Scenario
) -> list[str]:
    """Compare SQL and oracle: what the two clocks decide, and every instant of the grid."""
    land(connection, scenario)
    build(connection, compiled)
    by_sql, by_oracle = decided_by_sql(connection), decided_by_oracle(scenario)
    found = [
        f"{case}: SQL {by_sql.get(case)}, oracle {by_oracle.get(case)}"
        for case in sorted({*by_sql, *by_oracle})
        if by_sql.get(case) != by_oracle.get(case)
    ]
    in_sql = intervals(connection)
    for case, valid in valid_by_oracle(scenario).items():
        spans = in_sql.get(case, [])
        ends_of = [instant for span in spans for instant in span]
        if any(a >= b for a, b in pairwise(ends_of)):
            found.append(f"{case}: intervals are empty or meet: {spans}")
        for at, oracle in valid.items():
            if any(begins <= at < ends for begins, ends in spans) != oracle:
                found.append(f"{case} at {at}: SQL {not oracle}, oracle {oracle}")
    return found


def test_models_agree_with_the_oracle(compiled: Compiled) -> None:
    connection = database(compiled)

    @CHECKED
    @given(scenarios())
    def agree(scenario: Scenario) -> None:
        assert differences(connection, compiled, scenario) == []

    agree()


# Who denied on day 2, granted on day 4, and whose denial was recorded on day 6: permitted or not
# on day 8 (docs/decisions/0012).
LATE_DENIALS = {
    "a withdrawal recorded after a newer grant": (late_denial("withdrawn", "opt_in"), True),
    "a withdrawal recorded after a newer general grant": (late_denial("withdrawn", None), True),
    "an objection recorded after a newer grant": (late_denial("objected", "opt_in"), True),
    "an objection recorded after a newer general grant": (late_denial("objected", None), False),
}


def test_a_grant_between_the_recording_of_a_denial_and_its_date(compiled: Compiled) -> None:
    end = midnight(8)
    scenario = Scenario((early_record("withdrawn"),), FIRST_DAY + timedelta(days=7), end, end)
    connection = database(compiled)
    assert differences(connection, compiled, scenario) == []
    assert (0, "opt_in") not in decided_by_sql(connection)


@pytest.mark.parametrize("case", LATE_DENIALS)
def test_a_denial_recorded_after_a_newer_grant(compiled: Compiled, case: str) -> None:
    subject, permitted = LATE_DENIALS[case]
    end = midnight(8)
    assert ORACLE.is_valid(subject, "opt_in", end, end) is permitted
    scenario = Scenario((subject,), FIRST_DAY + timedelta(days=7), end, end)
    connection = database(compiled)
    assert differences(connection, compiled, scenario) == []
    assert ((0, "opt_in") in decided_by_sql(connection)) is permitted


def test_histories_reach_every_outcome(crowds: tuple[Scenario, ...]) -> None:
    answers = [answer for crowd in crowds for answer in decided_by_oracle(crowd).values()]
    cases = sum(len(crowd.subjects) * len(PURPOSES) for crowd in crowds)
    assert cases - len(answers) > 100, "no basis"
    assert sum(answer.permitted for answer in answers) > 100, "permitted"
    assert sum(answer.permitted_now and not answer.permitted for answer in answers) > 100, "now"
    assert sum(not answer.permitted_now for answer in answers) > 20, "held"
    assert sum(answer.consented_on is not None for answer in answers) > 20, "since a day"


# What is broken, in which model, and how.
BREAKS = {
    "a grant wins at the same instant": (
        "int_consent_intervals", "withdrawn_at < standing.granted_at",
        "withdrawn_at <= standing.granted_at",
    ),
    "a named grant wins over an objection at the same instant": (
        "int_consent_intervals", "objected_at < standing.named_at",
        "objected_at <= standing.named_at",
    ),
    "a general grant undoes an objection": (
        "int_consent_intervals", "objected_at < standing.named_at",
        "objected_at < standing.granted_at",
    ),
    "events at one instant don't see one another": (
        "int_consent_intervals", "range between", "rows between",
    ),
    "consent lasts one instant too long": (
        "int_consent_intervals", "standing.moment < standing.granted_until",
        "standing.moment <= standing.granted_until",
    ),
    "an opt-out basis needs consent": (
        "int_consent_intervals", "(bases.basis <> 'consent' and",
        "(bases.basis = 'contract' and",
    ),
    "a minor's consent counts": (
        "int_consent_events", "not subjects.under_age or coalesce", "true or coalesce",
    ),
    "a parent's consent counts for nothing": ("int_consent_events", "= 'parent'", "= 'nobody'"),
    "one age of consent everywhere": (
        "int_consent_subjects",
        "coalesce(placed.age_of_consent, regime_rules.age_of_consent), false",
        "regime_rules.age_of_consent, false",
    ),
    "the young need no consent": ("int_consent_intervals", "and not subjects.needs_consent", ""),
    "an adolescent is asked no consent": (
        "int_consent_subjects", "regime_rules.opt_in_below\n", "0\n",
    ),
    "a repeated signal undoes an opt-in": (
        "int_consent_conflicts", "where is_signal and agreed_at is not null", "where false",
    ),
    "the first signal counts for nothing": (
        "int_consent_conflicts", "and events.effective_at > signalled.first_at", "",
    ),
    "an opt-in outlasts a denial": (
        "int_consent_conflicts", "coalesce(denied_at < agreed_at, true)", "true",
    ),
    "an opt-in outlasts a signal of its instant": (
        "int_consent_conflicts", "interval 1 microsecond preceding", "current row",
    ),
    "an opt-in outlasts a denial of its instant": (
        "int_consent_conflicts", "denied_at < agreed_at", "denied_at <= agreed_at",
    ),
    "signals yield under every regime": (
        "int_consent_events", "and known.opt_in_outlasts_signal", "",
    ),
    "words count from before they were said": (
        "int_consent_events", "known.occurred_at as effective_at",
        "least(known.occurred_at, known.recorded_at) as effective_at",
    ),
    "words count only from their recording": (
        "int_consent_events", "known.occurred_at as effective_at",
        "greatest(known.occurred_at, known.recorded_at) as effective_at",
    ),
    "what is not yet known counts": (
        "int_consent_events", "events.recorded_at <= clocks.known_at", "true",
    ),
    "an outdated notice counts": (
        "int_consent_events", "known.notice_version >= purposes.notice_version", "true",
    ),
    "a signal speaks of every purpose": (
        "int_consent_events", "                and known.is_gpc\n", "                and false\n",
    ),
    "a signal that is off is a consent": (
        "int_consent_events", "coalesce(lower(events.signal), '') <> 'gpc' as", "true as",
    ),
    "a signal narrows a withdrawal": (
        "int_consent_events", "                known.action = 'opted_out'\n", "true\n",
    ),
    "jurisdictions are matched by their spelling": (
        "int_consent_subjects", "lower(trim(customers.jurisdiction))", "customers.jurisdiction",
    ),
    "the unknown fall under ccpa": (
        "int_consent_subjects", "coalesce(regimes.regime, 'gdpr')",
        "coalesce(regimes.regime, 'ccpa')",
    ),
    "an open restriction holds nobody": ("int_consent_subjects", ", 'restriction'", ""),
    "a limit stops nothing": ("int_consent_permitted", "subjects.limited and", "false and"),
    "a limit stops every purpose": ("int_consent_permitted", "and purposes.sensitive", ""),
    "a limit holds": ("int_consent_subjects", "stands and request_type <> 'limit'", "stands"),
    "an objection stops no marketing": (
        "int_consent_permitted", "subjects.marketing_objected and", "false and",
    ),
    "an objection to marketing can be refused": (
        "int_consent_subjects", "and is_objected", "and stands",
    ),
    "what was refused goes on holding": (
        "int_consent_subjects", "received_at > released_at", "true",
    ),
    "a number that comes anew is as it was": (
        "int_consent_subjects", "or received_at > released_at", "",
    ),
    "an objection that comes anew is as it was": (
        "int_consent_subjects", "or received_at > taken_back_at", "",
    ),
    "a refusal of one request ends all": (
        "int_consent_subjects", "bool_or(stands and request_type <> 'limit')",
        "bool_and(stands and request_type <> 'limit')",
    ),
    "an unread age holds nobody": ("int_consent_subjects", "'customers', ", ""),
    "a resolved event still holds": ("int_consent_subjects", "resolved_at is null", "true"),
    "as_of alone decides": ("int_consent_permitted", "select known_at", "select as_of_end"),
    "known_at alone decides": (
        "int_consent_permitted", "and at_as_of.subject_key is not null", "",
    ),
    "a renewed consent covers what the lapsed one did": (
        "int_consent_permitted", "at_known.valid_from, at_as_of.valid_from",
        "at_as_of.valid_from",
    ),
}  # fmt: skip


@pytest.mark.parametrize("break_", BREAKS)
def test_comparison_finds_a_break(
    compiled: Compiled, crowds: tuple[Scenario, ...], break_: str
) -> None:
    model, whole, broken = BREAKS[break_]
    relation, sql = compiled[model]
    assert whole in sql, "the SQL has changed: write the break anew"
    compiled = compiled | {model: (relation, sql.replace(whole, broken))}
    connection = database(compiled)
    assert any(differences(connection, compiled, crowd) for crowd in crowds)
