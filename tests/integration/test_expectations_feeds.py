"""The rules of feeds, custody, permission and recipients: clean and poisoned."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import pytest

from expectations.feeds import check_feeds
from expectations.result import Result, by_id
from governance.lineage.graph import Form, Lineage, Made, Ref, Relation
from governance.policy.model import Policy
from governance.policy.words import FEEDS
from governance.status import NOT_RUN
from tests.support import checked
from tests.support.checked import NOW

POLICY = checked.policy()
ERASED = (
    "insert into landing.loads"
    " values (9, 'customers', '2024-07-01', 'erasure', '', 0, 0, 0, 0, 5, 0)"
)
CARDS = {
    "name": "cards",
    "config": {"meta": {"recipient": "planning"}},
    "depends_on": {"nodes": ["model.assent.mart_segmentation"]},
}


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    return checked.made()


def results(
    connection: duckdb.DuckDBPyConnection, now: datetime = NOW, **about: Any
) -> dict[str, Result]:
    arguments = {"manifest": {"exposures": {"e": CARDS}}, "lineage": Lineage([]), "in_clear": [],
                 "oldest_kept": {}, "oldest_in_vault": {}, **about}  # fmt: skip
    found = check_feeds(connection, POLICY, checked.clocks(), now=now, **arguments)
    assert len({r.rule for r in found}) == len(found)
    return {r.rule: r for r in found}


def test_clean_feeds_hold(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = results(warehouse)
    built_in = (None, "custody", "permission")
    assert set(found) == {r.id for r in by_id(POLICY).values() if r.purpose in built_in}
    assert {r.status for r in found.values()} == {"holds"}
    assert found["freshness.transactions"].observed == 2
    assert found["custody.retention"].observed is None


POISON = {
    "a row lost while reading": (
        "transactions", "update landing.loads set rows_read = rows_read + 1 where load_id = 2", 1,
    ),
    "a row lost since": (
        "consent_events", "delete from landing.consent_events where row_key = 1", 1,
    ),
    "a row that nobody read": (
        "rights_requests",
        "insert into landing.rights_requests from landing.rights_requests limit 1", 1,
    ),
    "a quarantined row lost": ("customers", "delete from landing.quarantine where load_id = 1", 1),
    "a suppressed row that wasn't read": (
        "transactions", "update landing.loads set rows_suppressed = 1 where load_id = 2", 1,
    ),
    "rows without a load": ("customers", "delete from landing.loads where load_id = 1", 120),
    "faults that cancel out": (
        "transactions", "update landing.loads set rows_accepted = rows_accepted - 1,"
        " rows_quarantined = rows_quarantined + 1 where load_id = 2", 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("poison", POISON)
def test_poisoned_feeds_break(warehouse: duckdb.DuckDBPyConnection, poison: str) -> None:
    feed, statement, rows = POISON[poison]
    warehouse.execute(statement)
    found = results(warehouse)
    wrong = found[f"reconciliation.{feed}"]
    assert (wrong.status, wrong.observed) == ("broken", rows)
    others = [found[f"reconciliation.{other}"].status for other in FEEDS if other != feed]
    assert others == ["holds"] * 3


def test_corrections_removals_and_the_inbox_are_accounted_for(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute("delete from landing.customers where row_key < 5")
    assert results(warehouse)["reconciliation.customers"].status == "broken"
    warehouse.execute(ERASED)
    assert results(warehouse)["reconciliation.customers"].status == "holds"
    warehouse.execute("insert into landing.consent_events from landing.consent_events limit 3")
    assert results(warehouse)["reconciliation.consent_events"].observed == 3
    warehouse.execute(
        "insert into landing.loads"
        " values (10, 'inbox', '2024-07-01', 'inbox', '', 3, 3, 0, 0, 0, 0)"
    )
    assert results(warehouse)["reconciliation.consent_events"].status == "holds"


def test_a_file_in_clear_breaks_a_rule(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = results(warehouse, in_clear=["salts"])["encryption.files"]
    assert (found.status, found.observed, found.why) == ("broken", 1, "in clear: salts")
    assert results(warehouse, in_clear=None)["encryption.files"].why == NOT_RUN


def test_a_feed_that_was_never_loaded(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(
        "delete from landing.loads where feed = 'customers'; delete from landing.customers;"
        " delete from landing.quarantine where feed = 'customers'"
    )
    found = results(warehouse)["reconciliation.customers"]
    assert (found.status, found.why) == ("not judged", "the feed has never been loaded")
    warehouse.execute("drop table landing.loads")
    assert results(warehouse)["reconciliation.transactions"].why == NOT_RUN
    assert results(warehouse)["custody.purge"].why == NOT_RUN


@pytest.mark.parametrize(("later", "status"), [(5, "holds"), (6, "broken")])
def test_freshness(warehouse: duckdb.DuckDBPyConnection, later: int, status: str) -> None:
    found = results(warehouse, NOW + timedelta(days=later))["freshness.transactions"]
    assert (found.status, found.observed) == (status, 2 + later)


def test_no_age_is_negative_by_a_clock_that_is_behind_the_feeds(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = results(warehouse, NOW - timedelta(days=1643))
    assert found["freshness.transactions"].observed == 0
    assert found["custody.purge"].observed >= 0


def test_freshness_counts_days_where_the_policy_lives(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """At 3 o'clock UTC it is still the day before in New York."""
    night = datetime.fromisoformat("2024-07-02T03:00:00+00:00")
    assert results(warehouse, night)["freshness.transactions"].observed == 1


OPEN = "insert into landing.rights_requests by name select '{}'::uuid as subject_key, * from ({})"
STRANGER = "00000000-0000-0000-0000-0000000000ff"


def asked(status: str = "open", kind: str = "access", received: str = "2024-05-27") -> str:
    """Return the statement by which somebody whom no feed knows has asked."""
    return OPEN.format(
        STRANGER,
        f"select 'q' as request_id, '{kind}' as type, timestamp '{received} 12:00' as received_at,"
        f" '{status}' as status",
    )


@pytest.mark.parametrize(
    ("statement", "later", "status", "observed", "why"),
    [
        # The twelve of the warehouse came on the evening of 28 June in New York.
        ("select 1", 0, "holds", -26, "open requests: 12, the first due on 2024-07-28"),
        ("select 1", 18, "holds", -8, "open requests: 12, the first due on 2024-07-28"),
        ("select 1", 19, "holds", -7, "due by 2024-07-28: 12 of 12 open requests"),
        ("select 1", 26, "holds", 0, "due by 2024-08-04: 12 of 12 open requests"),
        ("select 1", 27, "broken", 1, "late on 2024-07-29: 12 of 12 open requests"),
        (asked(received="2024-06-08"), 0, "holds", -6,
         "due by 2024-07-09: 1 of 13 open requests, the first on 2024-07-08"),
        (asked(), 0, "broken", 5,
         "late on 2024-07-02: 1 of 13 open requests, the first since 2024-06-27"),
        # Told twice, by the feed and by Assent: it is one request, received when it first was.
        (f"{asked()}; {asked(received='2024-06-20')}", 0, "broken", 5, "1 of 13"),
        # An answer of the feed's, or of Assent's, which lands beside the request.
        (f"{asked()}; {asked('refused')}", 0, "holds", -26, "open requests: 12"),
        (f"{asked()}; {asked('partial')}", 0, "holds", -26, "open requests: 12"),
        (f"{asked()}; {asked('fulfilled', 'portability')}", 0, "broken", 5, "1 of 13"),
        ("update landing.rights_requests set status = 'fulfilled'", 90, "holds", 0,
         "no request is open"),
    ],
)  # fmt: skip
def test_due_dates(
    warehouse: duckdb.DuckDBPyConnection, statement: str, later: int, status: str, observed: int,
    why: str,
) -> None:  # fmt: skip
    warehouse.execute(statement)
    found = results(warehouse, NOW + timedelta(days=later))["rights.due"]
    assert (found.status, found.observed) == (status, observed)
    assert why in found.why
    assert (found.since is None) == (why == "no request is open")  # else time alone can break it
    assert not [word for word in (STRANGER, "'q'") if word in f"{found}"]


@pytest.mark.parametrize(
    ("later", "status", "observed", "soon"),
    [(18, "holds", -8, False), (19, "holds", -7, True), (27, "broken", 1, False)],
)
def test_due_dates_warn_before_they_fail(
    warehouse: duckdb.DuckDBPyConnection, later: int, status: str, observed: int, soon: bool
) -> None:
    found = results(warehouse, NOW + timedelta(days=later))["rights.due"]
    assert (found.status, found.observed, found.soon) == (status, observed, soon)


def test_an_extension_counts_only_for_its_request_and_where_there_is_one(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(asked())
    late = ("access", 1)

    def found(policy: Policy, *key: str) -> Any:
        extended = {(UUID(key[0]), *key[1:])} if key else set()
        due = check_feeds(warehouse, policy, checked.clocks(), now=NOW, extended=extended)
        (rule,) = [r for r in due if r.rule == "rights.due"]
        return [(row[1], row[4]) for row in rule.details["open requests"].rows]

    said = POLICY.model_dump(by_alias=True)
    said["regimes"]["gdpr"]["requests"] = {"answer": "1 month", "extension": "2 months"}
    longer = Policy.model_validate(said)
    assert late in found(longer)
    assert late in found(longer, STRANGER, "another", "access")
    assert late not in found(longer, STRANGER, "q", "access")
    said["regimes"]["gdpr"]["requests"] = {"answer": "1 month"}
    assert late in found(Policy.model_validate(said), STRANGER, "q", "access")


@pytest.mark.parametrize(
    ("later", "status", "observed", "soon", "why"),
    [
        (-2, "holds", -8, False, "open requests: 13, the first due on 2024-07-08"),
        (-1, "holds", -7, True, "due by 2024-07-08: 1 of 13 open requests"),
        (6, "holds", 0, True, "due by 2024-07-15: 1 of 13 open requests"),
        (7, "broken", 1, False, "late on 2024-07-09: 1 of 13 open requests"),
    ],
)
def test_a_request_that_was_opened_here_has_to_be_acknowledged(
    warehouse: duckdb.DuckDBPyConnection, later: int, status: str, observed: int, soon: bool,
    why: str,
) -> None:  # fmt: skip
    said = POLICY.model_dump(by_alias=True)
    said["regimes"]["gdpr"]["requests"]["acknowledge"] = "10 business days"
    policy = Policy.model_validate(said)

    def due(**about: Any) -> Result:
        found = check_feeds(
            warehouse, policy, checked.clocks(), now=NOW + timedelta(later), **about
        )
        return next(r for r in found if r.rule == "rights.due")

    warehouse.execute(asked(received="2024-06-24"))
    by_feed = due()
    assert (by_feed.status, by_feed.observed < observed) == ("holds", True)
    ours = "A-0123456789"
    warehouse.execute(
        f"update landing.rights_requests set request_id = '{ours}' where request_id = 'q'"
    )
    found = due()
    assert (found.status, found.observed, found.soon) == (status, observed, soon)
    assert why in found.why
    kinds = [row[1] for row in found.details["open requests"].rows]
    assert "access, to acknowledge" in kinds
    told = due(acknowledged={(UUID(STRANGER), ours, "access")})
    assert (told.why, told.observed) == (by_feed.why, by_feed.observed)
    assert due(acknowledged={(UUID(STRANGER), ours, "erasure")}).why == found.why


def test_a_legal_hold_is_never_late(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(asked(kind="restriction"))
    held = results(warehouse, holds={(UUID(STRANGER), "q", "restriction")})["rights.due"]
    assert (held.status, held.observed) == ("holds", -26)
    assert "open requests: 12," in held.why
    other = results(warehouse, holds={(UUID(STRANGER), "another", "restriction")})["rights.due"]
    assert "late on 2024-07-02: 1 of 13" in other.why


def test_due_dates_go_by_the_regime_of_the_subject(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Who lives in no known place, or whom no feed knows, falls under the unknown's regime."""
    said = POLICY.model_dump(by_alias=True)
    regime = said["regimes"]["gdpr"]
    said["regimes"]["slow"] = regime | {"jurisdictions": ("Atlantis",)}
    said["regimes"]["slow"]["requests"] = {"answer": "45 days"}
    for purpose in said["purposes"].values():
        purpose["basis"]["slow"] = purpose["basis"]["gdpr"]
    warehouse.execute(asked())
    found = check_feeds(warehouse, Policy.model_validate(said), checked.clocks(), now=NOW)
    (due,) = [r for r in found if r.rule == "rights.due"]
    assert due.details["open requests"].rows == [
        ("gdpr", "access", 1, 1, 1), ("gdpr", "erasure", 8, 0, 0), ("slow", "erasure", 4, 0, 0)
    ]  # fmt: skip


def test_due_dates_of_requests_that_never_landed(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("drop table landing.rights_requests")
    found = results(warehouse)["rights.due"]
    assert (found.status, found.why) == ("not judged", NOT_RUN)


def test_permission_by_lineage(warehouse: duckdb.DuckDBPyConnection) -> None:
    def lineage(origin: str) -> Lineage:
        columns = {"x": Made({Ref("landing.customers", origin): Form.RAW})}
        return Lineage([Relation("int_consent_x", "model", columns)])

    assert results(warehouse, lineage=lineage("age_years"))["minimisation.permission"].holds
    poisoned = results(warehouse, lineage=lineage("marital_status"))["minimisation.permission"]
    assert poisoned.status == "broken"
    assert "marital_status" in poisoned.why
    nobody = results(warehouse, lineage=None)["minimisation.permission"]
    assert (nobody.status, nobody.why) == ("not judged", NOT_RUN)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "holds"),
        ({"config": {"meta": {"recipient": "printer"}}}, "broken"),
        ({"config": {"meta": {"recipient": "anybody"}}}, "broken"),
        ({"config": {}}, "gap"),
        ({"depends_on": {"nodes": ["source.assent.landing.transactions"]}}, "gap"),
    ],
)
def test_recipients(
    warehouse: duckdb.DuckDBPyConnection, change: dict[str, Any], status: str
) -> None:
    manifest = {"exposures": {"e": CARDS | change}}
    assert results(warehouse, manifest=manifest)["exposure.recipients"].status == status
    none = results(warehouse, manifest={"exposures": {}})["exposure.recipients"]
    assert (none.status, none.checked) == ("not judged", True)
    nobody = results(warehouse, manifest=None)["exposure.recipients"]
    assert (nobody.status, nobody.why) == ("not judged", NOT_RUN)
