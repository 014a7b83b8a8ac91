"""Custody: what is too old leaves landing, and a subject of whom nothing is needed leaves whole."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from expectations.feeds import check_feeds
from governance.clocks import Clocks, clocks_of
from governance.rights import custody, kept
from governance.rights.proofs import proofs_of
from ingest.feeds import feed_clocks, removals
from tests.support.feeds import (
    EVENTS,
    POLICY,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    sale,
    sources_in,
    vault,
    write_csv,
)
from warehouse import journal
from warehouse.connect import connected, warehouse_store

pytestmark = pytest.mark.usefixtures("home")
DAYS = 400
AS_OF = date(2024, 6, 30)
OLDEST = AS_OF - timedelta(days=DAYS - 1)  # 400 days old at the end of that day
BEYOND = OLDEST - timedelta(days=1)
EAST = POLICY.model_copy(update={"custody": POLICY.custody.model_copy(
    update={"retention_days": DAYS})})  # fmt: skip
OPT_IN = EAST.model_copy(update={"purposes": {
    name: purpose for name, purpose in EAST.purposes.items() if name != "bias_monitoring"
}})  # fmt: skip
YOUNG = sale(customer_id="zoe", basket_id="z", occurred_at=f"{AS_OF} 12:00:00")
PERSON = ("ann", "Ann Lee", "ann@example.com", "US", "40", "Married")
DETAILS = {"customer_id": "customer_id", "full_name": "full_name", "email": "email",
           "jurisdiction": "jurisdiction", "age_years": "age_years",
           "marital_status": "marital"}  # fmt: skip


def clocks(sources) -> Clocks:
    with connected(warehouse_store()) as connection:
        known_at, newest_day = feed_clocks(connection, sources, date.max, EAST.time_zone)
    return clocks_of(None, known_at=known_at, newest_day=newest_day, time_zone=EAST.time_zone)


def landed(tmp_path, policy=EAST, *, now=None, **rows):
    """Land some feeds, the newest complete day of which is ``AS_OF``."""
    people = rows.pop("customers", [])
    rows["transactions"] = [*rows.get("transactions", []), YOUNG]
    fill(tmp_path, **rows)
    whole = declared("transactions", delivery="whole_days")
    more = {name: declared(name) for name in rows if name not in ("transactions",)}
    if people:
        write_csv(tmp_path / "customers.csv", [*DETAILS.values()], people)
        more["customers"] = declared("customers", columns=DETAILS)
    sources = sources_in(tmp_path, transactions=whole, **more)
    load(sources, policy, **({"now": now} if now else {}))
    return sources


def expired(tmp_path, policy=EAST, **rows):
    sources = landed(tmp_path, policy, **rows)
    return custody.let_expire(policy, clocks(sources))


def subjects() -> set[str]:
    return {name for (name,) in vault("select customer_id from vault.subjects")}


def baskets() -> set[str]:
    return {name for (name,) in ask("select basket_id from landing.transactions")}


def judged() -> str:
    with connected(warehouse_store()) as connection:
        at = Clocks(AS_OF, datetime(2024, 7, 1, 4), datetime(2024, 7, 1), AS_OF)
        held = custody.oldest_in_vault(connection, ())
        found = check_feeds(connection, EAST, at, now=datetime(2024, 7, 1, 12, tzinfo=UTC),
                            oldest_in_vault=held)  # fmt: skip
    return next(r.status for r in found if r.rule == "custody.retention")


def old(name: str, day: date = BEYOND, hour: str = "12:00:00"):
    return sale(customer_id="ann", basket_id=name, occurred_at=f"{day} {hour}")


def test_rows_leave_when_they_are_too_old_and_not_a_day_before(tmp_path):
    sources = landed(tmp_path, transactions=[old("beyond"), old("oldest", OLDEST)])
    assert judged() == "broken"
    assert custody.let_expire(EAST, clocks(sources)) == {"transactions": 1}
    assert baskets() == {"oldest", "z"}
    assert judged() == "holds"
    must_reconcile()
    with connected(warehouse_store()) as connection:
        (noted,) = removals(connection, 1)
    assert (noted["feed"], noted["why"], noted["rows"]) == ("transactions", "retention", 1)
    assert custody.let_expire(EAST, clocks(sources)) == {}  # done again, there is nothing to do


@settings(max_examples=5, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(st.integers(-48 * 3600, 48 * 3600), min_size=20, max_size=60, unique=True))
@example([-1, 0])
@example([-1])
def test_the_last_instant_of_a_day_is_that_of_the_policys_time_zone(tmp_path, home, seconds):
    """At random seconds around the boundary: a row goes if its day in New York is too old."""
    home.warehouse.unlink(missing_ok=True)
    for file in (home.vault, home.salts):
        file.unlink(missing_ok=True)
    midnight = datetime.combine(OLDEST, datetime.min.time(), ZoneInfo(EAST.time_zone))
    moments = {str(s): (midnight + timedelta(seconds=s)).astimezone(UTC) for s in seconds}
    rows = [
        sale(customer_id="ann", basket_id=name, occurred_at=f"{at:%Y-%m-%d %H:%M:%S}")
        for name, at in moments.items()
    ]
    expired(tmp_path, transactions=rows)
    assert baskets() - {"z"} == {name for name in moments if int(name) >= 0}


def test_no_row_of_a_restricted_subject_leaves(tmp_path):
    restriction = ("ann", "r1", "restriction", f"{AS_OF} 10:00:00", "open")
    assert expired(tmp_path, transactions=[old("beyond")], rights_requests=[restriction]) == {}
    assert "beyond" in baskets()
    assert judged() == "holds"


def test_a_lifted_restriction_holds_nothing(tmp_path):
    told = [("ann", "r1", "restriction", f"{BEYOND} 10:00:00", status)
            for status in ("open", "lifted")]  # fmt: skip
    found = expired(tmp_path, transactions=[old("beyond")], rights_requests=told)
    assert found["transactions"] == 1


def test_who_asked_to_object_is_held_no_longer_for_that(tmp_path):
    objection = ("ann", "r1", "objection", f"{AS_OF} 10:00:00", "fulfilled")
    found = expired(tmp_path, transactions=[old("beyond")], rights_requests=[objection])
    assert found == {"transactions": 1}
    assert "ann" in subjects()  # the objection stands


def test_a_customers_row_loses_all_but_what_decides_permission(tmp_path):
    recorded = datetime.combine(BEYOND, datetime.min.time(), UTC) + timedelta(hours=12)
    granted = event(customer_id="zoe", occurred_at=f"{BEYOND} 10:00:00")
    who = "select jurisdiction, age_years, marital_status from landing.customers"
    sources = landed(tmp_path, now=recorded, customers=[PERSON], consent_events=[granted],
                     transactions=[old("now", BEYOND)])  # fmt: skip
    assert ask(who) == [("US", 40, "Married")]
    at = Clocks(AS_OF, datetime(2024, 7, 1, 3, 59), datetime(2024, 7, 1), AS_OF)
    # Another purchase of ann's is young: she stays, and so does what decides about her.
    fill(tmp_path, transactions=[old("young", AS_OF), YOUNG], consent_events=[granted])
    load(sources, EAST)
    assert custody.let_expire(EAST, at)["emptied"] == 1
    assert ask(who) == [("US", 40, None)]
    assert judged() == "holds"
    must_reconcile()


def gone(tmp_path, policy=OPT_IN, *, moment="12:00:00", **event_of):
    """Return whether a customer leaves of whom nothing but one old word is left."""
    word = event(customer_id="ann", occurred_at=f"{BEYOND} {moment}", **event_of)
    found = expired(tmp_path, policy, transactions=[old("beyond")],
                    consent_events=[word, event(customer_id="zoe")])  # fmt: skip
    assert found["transactions"] == 1
    assert found.get("subjects", 0) == ("ann" not in subjects())
    must_reconcile()
    return "ann" not in subjects()


def test_of_whom_nothing_is_left_everything_goes_and_the_proof_stays(tmp_path):
    assert gone(tmp_path)
    assert subjects() == {"zoe"}
    assert vault("select count(*) from salts.salts") == [(1,)]
    assert ask("select count(*) from landing.consent_events") == [(1,)]
    assert ask("select count(distinct subject_key) from landing.purpose_keys") == [(1,)]
    with kept.opened() as connection:
        proofs = proofs_of(connection, "ann")
        assert connection.execute("select count(*) from kept.suppressed").fetchall() == [(0,)]
    ((left_by, (first, *_)),) = proofs
    assert (left_by, first["action"]) == (f"custody {AS_OF}", "granted")


def test_who_has_a_consent_that_lasts_stays(tmp_path):
    long = {
        name: purpose.model_copy(update={"consent_valid_days": 2 * DAYS})
        for name, purpose in OPT_IN.purposes.items()
    }
    policy = OPT_IN.model_copy(update={"purposes": long})
    word = event(customer_id="ann", occurred_at=f"{BEYOND} 12:00:00")
    columns = (*EVENTS, "notice_version")
    fill(tmp_path, transactions=[old("beyond"), YOUNG])
    write_csv(tmp_path / "consent_events.csv", columns, [(*word, "1")])
    sources = sources_in(
        tmp_path, transactions=declared("transactions", delivery="whole_days"),
        consent_events=declared("consent_events", columns={name: name for name in columns}),
    )  # fmt: skip
    load(sources, policy)
    assert custody.let_expire(policy, clocks(sources)) == {"transactions": 1}
    assert "ann" in subjects()


def test_a_denial_that_forgetting_would_undo_is_kept(tmp_path):
    assert not gone(tmp_path, EAST, action="objected", purpose=None)


def test_a_denial_goes_where_every_purpose_asks_for_consent(tmp_path):
    assert gone(tmp_path, OPT_IN, action="objected", purpose=None)


@pytest.mark.parametrize(
    ("flag", "request_of"),
    [("direct_marketing", ("objection", "refused")), ("sensitive", ("limit", "fulfilled"))],
)
@pytest.mark.parametrize("flagged", [True, False])
def test_a_request_that_forgetting_would_undo_is_kept(tmp_path, flag, request_of, flagged):
    """A refused objection stands against direct marketing, a limit against sensitive purposes."""
    asks_nothing = EAST.purposes["bias_monitoring"].model_copy(update={flag: flagged})
    policy = EAST.model_copy(update={"purposes": EAST.purposes | {"bias_monitoring": asks_nothing}})
    kind, status = request_of
    said = ("ann", "r1", kind, f"{BEYOND} 10:00:00", status)
    expired(tmp_path, policy, transactions=[old("beyond")], rights_requests=[said],
            consent_events=[event(customer_id="zoe")])  # fmt: skip
    assert ("ann" in subjects()) == flagged


def test_a_word_of_yesterday_keeps_its_subject(tmp_path):
    words = [event(customer_id="ann", action="withdrawn", occurred_at=f"{OLDEST} 12:00:00")]
    found = expired(tmp_path, OPT_IN, transactions=[old("beyond")], consent_events=words)
    assert found == {"transactions": 1}
    assert "ann" in subjects()


def test_a_killed_process_leaves_what_the_next_one_finishes(tmp_path, monkeypatch):
    sources = landed(tmp_path, OPT_IN, transactions=[old("beyond")],
                     consent_events=[event(customer_id="ann", occurred_at=f"{BEYOND} 1:00:00"),
                                     event(customer_id="zoe")])  # fmt: skip

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("governance.identity.forget", killed)
        with pytest.raises(KeyboardInterrupt):
            custody.let_expire(OPT_IN, clocks(sources))
    assert "ann" in subjects()
    assert journal.complete(custody.STEPS) == ["custody"]
    assert subjects() == {"zoe"}
    with kept.opened() as connection:
        assert len(proofs_of(connection, "ann")) == 1
    must_reconcile()
