"""The proof of permission against an oracle in plain Python, on drawn histories.

The proof (``expectations.proof``, over ``governance.consent``) is the second derivation beside
dbt's; the oracle is the one that dbt's models are held to. So the two can only err together if
they err with the oracle too.
"""

from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given

from expectations import proof
from governance.clocks import Clocks
from governance.policy.load import load_policy
from governance.policy.model import Policy, Purpose
from governance.policy.regime import Regime
from tests.properties.test_permission_oracle import decided_by_oracle, land
from tests.support import landing
from tests.support.examples import tried
from tests.support.permission_histories import POLICY, PURPOSES, Scenario, scenarios
from tests.support.permission_oracle import Answer
from warehouse.home import PROJECT

CHECKED = tried(
    25, suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip


def policy_of(drawn: dict[str, Any]) -> Policy:
    """Return the policy of the histories: the shipped one with other regimes and purposes."""
    shipped = load_policy(PROJECT / "policy.yaml")
    regimes = {}
    for rules in drawn["regime_rules"]:
        name = rules["regime"]
        places = {
            r["jurisdiction"]: r["age_of_consent"] for r in drawn["regimes"] if r["regime"] == name
        }
        regimes[name] = Regime(
            description=name, jurisdictions=tuple(places), ages_of_consent=places,
            **{k: v for k, v in rules.items() if k != "regime"},
        )  # fmt: skip
    like: Purpose = shipped.purposes["segmentation"]
    purposes = {
        p["purpose"]: like.model_copy(
            update={
                "notice_version": p["notice_version"],
                "consent_valid_days": p["consent_valid_days"],
                "consent_covers_earlier_data": p["covers_earlier_data"],
                "sale_or_share": p["sale_or_share"],
                "direct_marketing": p["direct_marketing"],
                "sensitive": p["sensitive"],
                "basis": {
                    b["regime"]: b["basis"] for b in drawn["bases"] if b["purpose"] == p["purpose"]
                },
            }
        )
        for p in drawn["purposes"]
    }
    return shipped.model_copy(
        update={
            "time_zone": drawn["time_zone"],
            "unknown_jurisdiction": drawn["unknown_regime"],
            "regimes": regimes,
            "purposes": purposes,
        }
    )


def decided_by_proof(
    connection: duckdb.DuckDBPyConnection, policy: Policy, scenario: Scenario
) -> dict[tuple[int, str], Answer]:
    """Return what the proof says, as the oracle would put it."""
    clocks = Clocks(scenario.as_of, scenario.as_of_end, scenario.known_at, scenario.as_of)
    answers = {}
    for purpose in PURPOSES:
        proof.lawful(connection, policy, clocks, purpose)
        rows: list[tuple[Any, bool, bool, date | None]] = connection.execute(
            "select subject_key, now, both_clocks, since from proof_lawful"
        ).fetchall()
        for subject_key, now, both, since in rows:
            answers[subject_key.int // 100, purpose] = Answer(now, both, since if both else None)
    return answers


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """Return a warehouse in memory with empty landing tables."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("attach ':memory:' as warehouse")
    landing.make(connection)
    connection.execute("use warehouse")
    return connection


def test_proof_agrees_with_the_oracle(connection: duckdb.DuckDBPyConnection) -> None:
    policy = policy_of(POLICY)
    nobody = Answer(permitted_now=False, permitted=False, consented_on=None)

    @CHECKED
    @given(scenarios())
    def agree(scenario: Scenario) -> None:
        land(connection, scenario)
        by_oracle = decided_by_oracle(scenario)
        for case, answer in decided_by_proof(connection, policy, scenario).items():
            # What is pending stands against the subject under both clocks.
            wanted = by_oracle.get(case, nobody)
            assert answer == wanted, case

    agree()
