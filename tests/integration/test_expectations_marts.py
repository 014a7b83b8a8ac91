"""Every rule of a mart, on a warehouse in which it holds and on one that is poisoned."""

import json
from datetime import date
from typing import Any

import duckdb
import pytest

from expectations.marts import check_mart
from expectations.result import Result, by_id
from governance.findings import worded
from governance.status import NOT_RUN
from tests.support import checked
from tests.support.checked import AS_OF, CANARY
from warehouse.errors import UsageError

POLICY = checked.policy()
PURPOSES = tuple(POLICY.purposes)


def results(
    connection: duckdb.DuckDBPyConnection, purpose: str, day: date = AS_OF, **about: Any
) -> dict[str, Result]:
    found = check_mart(connection, POLICY, checked.clocks(day), purpose, **about)
    assert len({r.rule for r in found}) == len(found)
    return {r.rule: r for r in found}


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    return checked.made()


def key(number: int, purpose: str) -> str:
    """Return a subject's key for a purpose, as SQL."""
    return f"'{number * 100 + PURPOSES.index(purpose) + 1:032d}'::uuid"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_clean_marts_hold(warehouse: duckdb.DuckDBPyConnection, purpose: str) -> None:
    found = results(warehouse, purpose)
    kinds = {"minimisation", "permission", "retention", "special_values", "completeness",
             "reconciliation"}  # fmt: skip
    wanted = {r.id for r in by_id(POLICY).values() if r.purpose == purpose and r.kind in kinds}
    assert set(found) == wanted
    assert {rule: r.status for rule, r in found.items()} == dict.fromkeys(wanted, "holds")
    left = warehouse.execute("select count(*) from duckdb_tables() where temporary").fetchone()
    assert left == (0,)


def test_figures_of_clean_marts(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = results(warehouse, "segmentation")
    account = dict(found["reconciliation.marts.segmentation"].details["account"].rows)
    for part, count in (("landed", 120), ("with rows", 72), ("without rows", 12), ("refused", 36)):
        assert account[f"subjects: {part}"] == count
    basis = found["permission.segmentation"].details["subjects by basis"].rows
    assert ("consent", "yes", 80) in basis  # in whole groups
    assert ("withdrawn", "no", 10) in basis
    assert account["value: mart_segmentation, less that of landing"] == "0.00"
    # A gap between visits needs two of them: where there is one, null is an answer.
    filled = found["completeness.segmentation"].details["columns"]
    assert ("gap_mean_days", 1.0, 0.98) in filled.rows


S, OFF, B = PURPOSES
POISON = {
    "a column that the purpose may not have": (
        f"minimisation.{S}", "alter table marts.mart_segmentation add column age_years integer",
    ),
    "an identifier in a second mart of the purpose": (
        f"minimisation.{S}",
        "alter table marts.mart_segmentation_backtest add column email varchar",
    ),
    "a column too few": (
        f"minimisation.{S}", "alter table marts.mart_segmentation_backtest drop following_visits",
    ),
    "a raw value where only figures are allowed": (
        f"minimisation.{S}",
        "alter table marts.mart_segmentation alter visits type varchar using visits::varchar",
    ),
    "texts by category where only figures are allowed": (
        f"minimisation.{S}", "alter table marts.mart_segmentation alter category_mix"
        f" type map(varchar, varchar) using map {{'DELI': '{CANARY}'}}",
    ),
    "many values where only a figure is allowed": (
        f"minimisation.{S}",
        "alter table marts.mart_segmentation alter visits type integer[] using [visits]",
    ),
    "a key of another type": (
        f"minimisation.{OFF}",
        f"alter table marts.mart_offers alter offers_key type varchar using '{CANARY}'",
    ),
    "a key of another type in a second mart": (
        f"permission.{S}", "alter table marts.mart_segmentation_backtest"
        f" alter segmentation_key type varchar using '{CANARY}'",
    ),
    "no key": (f"minimisation.{OFF}", "alter table marts.mart_offers drop as_of"),
    "a value that is no band": (
        f"minimisation.{OFF}", f"update marts.mart_offers set household_size_band = '{CANARY}'",
    ),
    "a subject twice": (
        f"minimisation.{S}", "insert into marts.mart_segmentation"
        " from marts.mart_segmentation order by all limit 1",
    ),
    "a null key": (
        f"minimisation.{B}", "update marts.mart_bias_monitoring set bias_monitoring_key = null"
        f" where bias_monitoring_key = {key(0, B)}",
    ),
    "a subject who withdrew": (
        f"permission.{S}", "insert into marts.mart_segmentation by name select * replace"
        f" ({key(6, S)} as segmentation_key) from marts.mart_segmentation limit 1",
    ),
    "a subject who never consented": (
        f"permission.{OFF}", "insert into marts.mart_offers by name select * replace"
        f" ({key(17, OFF)} as offers_key) from marts.mart_offers limit 1",
    ),
    "a subject nobody knows": (
        f"permission.{S}", "insert into marts.mart_segmentation by name select * replace"
        " (uuid() as segmentation_key) from marts.mart_segmentation limit 1",
    ),
    "an unlawful subject of a second mart": (
        f"permission.{S}", "insert into marts.mart_segmentation_backtest by name select * replace"
        f" ({key(6, S)} as segmentation_key) from marts.mart_segmentation_backtest limit 1",
    ),
    "a withdrawal recorded after the mart was built": (
        f"permission.{OFF}", "insert into landing.consent_events by name select subject_key,"
        " 'withdrawn' as action, timestamp '2024-07-01 11:00' as occurred_at,"
        " timestamp '2024-07-01 11:00' as recorded_at from landing.customers where row_key = 10",
    ),
    "a withdrawal before as_of, recorded late": (
        f"permission.{S}", "insert into landing.consent_events by name select subject_key,"
        " 'withdrawn' as action, timestamp '2024-06-01' as occurred_at,"
        " timestamp '2024-07-01 11:00' as recorded_at from landing.customers where row_key = 10",
    ),
    "an open request": (
        f"permission.{B}", "insert into landing.rights_requests by name select subject_key,"
        " 'objection' as type, 'open' as status from landing.customers where row_key = 10",
    ),
    "an unread consent event": (
        f"permission.{S}", "insert into landing.quarantine by name select subject_key,"
        " 'consent_events' as feed from landing.customers where row_key = 10",
    ),
    "an unread age": (
        f"permission.{S}", "insert into landing.quarantine by name select subject_key,"
        " 'customers' as feed from landing.customers where row_key = 10",
    ),
    "a minor": (
        f"permission.{S}", "update landing.customers set age_years = 15 where row_key = 10",
    ),
    "an older snapshot with someone since gone": (
        f"permission.{S}", "insert into marts.mart_segmentation by name select * replace"
        f" (date '2024-06-28' as as_of, {key(6, S)} as segmentation_key)"
        " from marts.mart_segmentation limit 1",
    ),
    "an older snapshot from before a consent that covers nothing earlier": (
        f"permission.{OFF}", "insert into marts.mart_offers by name select * replace"
        f" (date '2024-06-29' as as_of) from marts.mart_offers where offers_key = {key(5, OFF)}",
    ),
    "an older snapshot whose rows nobody can date": (
        f"retention.{OFF}.value", "insert into marts.mart_offers by name select * replace"
        f" (date '2024-06-29' as as_of) from marts.mart_offers where offers_key = {key(0, OFF)}",
    ),
    "an attribute in an older snapshot, corrected since": (
        f"retention.{OFF}.household_size", "insert into marts.mart_offers by name select * replace"
        f" (date '2024-06-29' as as_of) from marts.mart_offers where offers_key = {key(0, OFF)}",
    ),
    "an older snapshot of a second mart": (
        f"retention.{OFF}.value", "create table marts.mart_offers_weekly as select date"
        f" '2024-06-29' as as_of, {key(0, OFF)} as offers_key, value_8w from marts.mart_offers",
    ),
    "an attribute in an older snapshot of a second mart": (
        f"retention.{OFF}.household_size", "create table marts.mart_offers_weekly as select date"
        f" '2024-06-29' as as_of, {key(0, OFF)} as offers_key, household_size_band"
        " from marts.mart_offers",
    ),
    "a row older than its retention": (
        f"retention.{OFF}.value", "insert into consented.int_offers_baskets by name"
        " select offers_key, date '2024-05-01' as event_day, 1 as lines, 0 as value"
        " from marts.mart_offers limit 1",
    ),
    "a category older than its retention": (
        f"retention.{S}.category", "insert into consented.int_segmentation_categories by name"
        " select segmentation_key, date '2024-03-22' as event_day, 'DELI' as category, 0 as value"
        " from marts.mart_segmentation limit 1",
    ),
    "a mart that remembers more than its rows": (
        f"retention.{S}.occurred_at", "update marts.mart_segmentation set tenure_days = 99"
        " where as_of = date '2024-06-29'",
    ),
    "an attribute that was recorded long ago": (
        f"retention.{OFF}.household_size",
        "update landing.customers set recorded_on = date '2024-04-01' where row_key = 0",
    ),
    "an attribute of unknown age": (
        f"retention.{B}.marital_status",
        "update landing.customers set recorded_on = null where row_key = 0",
    ),
    "a special value in the mix": (
        f"special_values.{S}", "update marts.mart_segmentation set category_mix ="
        f" map {{'{CANARY} Kosher (veal)': 1.0}} where segmentation_key = {key(0, S)}",
    ),
    "a special value among the values of a map": (
        f"special_values.{S}", "alter table marts.mart_segmentation alter category_mix"
        f" type map(varchar, varchar) using map {{'DELI': '{CANARY} Kosher (veal)'}}",
    ),
    "a special value in a list": (
        f"special_values.{OFF}",
        "alter table marts.mart_offers alter value_8w type varchar[] using ['BREAD', 'Rx1']",
    ),
    "texts in lists of lists": (
        f"special_values.{OFF}",
        "alter table marts.mart_offers alter value_8w type varchar[][] using [['Rx1']]",
    ),
    "texts in a structure": (
        f"special_values.{OFF}",
        "alter table marts.mart_offers alter value_8w type struct(t varchar) using {'t': 'Rx1'}",
    ),
    "a special value in a text": (
        f"special_values.{OFF}", "update marts.mart_offers set household_size_band = 'Rx1'",
    ),
    "a column with holes": (
        f"completeness.{S}", "update marts.mart_segmentation set recency_days = null"
        f" where segmentation_key < {key(3, S)}",
    ),
    "a hole where there is a history": (
        f"completeness.{S}", "update marts.mart_segmentation set gap_mean_days = null"
        f" where segmentation_key < {key(12, S)}",
    ),
    "a mix left out though there was spending": (
        f"completeness.{S}", "update marts.mart_segmentation set category_mix = null"
        f" where segmentation_key < {key(12, S)}",
    ),
    "no discount where one is stated": (
        f"completeness.{S}", "update marts.mart_segmentation set discount_share = null"
        f" where segmentation_key < {key(12, S)}",
    ),
    "less than the column's own share": (
        f"completeness.{OFF}", "update marts.mart_offers set household_size_band = null"
        f" where offers_key < {key(60, OFF)}",
    ),
    "a subject lost": (
        f"reconciliation.marts.{S}",
        f"delete from marts.mart_segmentation where segmentation_key = {key(0, S)}",
    ),
    "a subject too many": (
        f"reconciliation.marts.{OFF}", "insert into marts.mart_offers by name select * replace"
        f" ({key(9, OFF)} as offers_key) from marts.mart_offers limit 1",
    ),
    "a row without any value": (
        f"reconciliation.marts.{B}", "insert into marts.mart_bias_monitoring by name select"
        f" date '2024-06-30' as as_of, {key(15, B)} as bias_monitoring_key",
    ),
    "an amount lost on the way": (
        f"reconciliation.marts.{S}", "update consented.int_segmentation_baskets"
        " set value = value - 0.01 where segmentation_key = (select min(segmentation_key)"
        " from consented.int_segmentation_baskets) and event_day = date '2024-06-20'",
    ),
    "an amount lost in the mart": (
        f"reconciliation.marts.{S}", "update marts.mart_segmentation"
        f" set value_total = value_total + 0.01 where segmentation_key = {key(0, S)}",
    ),
    "data from before the consent": (
        f"reconciliation.marts.{OFF}", "insert into consented.int_offers_baskets by name select"
        f" {key(5, OFF)} as offers_key, date '2024-06-01' as event_day, 1 as lines, 5 as value",
    ),
    "a purchase that reveals religion": (
        f"reconciliation.marts.{S}", "insert into consented.int_segmentation_baskets by name select"
        f" {key(3, S)} as segmentation_key, date '2024-06-25' as event_day, 1 as lines,"
        " 7.77 as value",
    ),
}  # fmt: skip


@pytest.mark.parametrize("poison", POISON)
def test_poisoned_marts_break(warehouse: duckdb.DuckDBPyConnection, poison: str) -> None:
    rule, statement = POISON[poison]
    warehouse.execute(statement)
    purpose = next(p for p in PURPOSES if p in rule.split("."))
    found = results(warehouse, purpose)
    assert found[rule].status == "broken", found[rule]
    assert found[rule].why
    told = json.dumps([vars(r) for r in found.values()], default=str)
    assert CANARY not in told
    assert "00000000000000" not in told, "a key"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_verdicts_are_plain_data_without_values(
    warehouse: duckdb.DuckDBPyConnection, purpose: str
) -> None:
    told = json.dumps([vars(r) for r in results(warehouse, purpose).values()])
    assert "DELI" not in told
    assert "married" not in told


def test_snapshots_of_other_days_need_a_basis_now(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Consent at that day isn't asked again: who has a basis now may stay."""
    warehouse.execute(
        "insert into landing.consent_events by name select subject_key, 'granted' as action,"
        " timestamp '2024-06-30 20:00' as occurred_at, timestamp '2024-06-30 20:00' as recorded_at,"
        " 2 as notice_version from landing.customers where row_key = 7"
    )
    for day, status in (("2024-06-28", "holds"), ("2024-06-30", "holds")):
        warehouse.execute(
            "insert into marts.mart_segmentation by name select * replace"
            f" (date '{day}' as as_of, {key(7, S)} as segmentation_key)"
            " from marts.mart_segmentation limit 1"
        )
        assert results(warehouse, S)["permission.segmentation"].status == status
    # The run of the day before had no basis for it yet.
    warehouse.execute("update marts.mart_segmentation set as_of = date '2024-06-29'"
                      f" where segmentation_key = {key(7, S)}")  # fmt: skip
    found = results(warehouse, S, date(2024, 6, 29))["permission.segmentation"]
    assert (found.status, found.observed) == ("broken", 2)


def test_a_past_day_may_have_made_way_for_newer_ones(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    past = results(warehouse, S, date(2024, 6, 20))["reconciliation.marts.segmentation"]
    assert past.status == "not judged"
    assert "newer snapshots" in past.why
    warehouse.execute("delete from marts.mart_segmentation where as_of = date '2024-06-29'")
    past = results(warehouse, S, date(2024, 6, 20))["reconciliation.marts.segmentation"]
    assert past.status == "broken", "two snapshots are kept, and there is one newer only"


def test_findings_of_the_gate_count(warehouse: duckdb.DuckDBPyConnection) -> None:
    def judged(*findings: Any) -> Result:
        return results(warehouse, S, findings=findings)["minimisation.segmentation"]

    unknown = worded(POLICY, S, "unlisted, unknown", "mart_segmentation", "shoe_size")
    origin = worded(POLICY, S, "origin", "mart_segmentation", "visits", ("age_years",))
    elsewhere = worded(POLICY, OFF, "origin", "mart_offers", "value_8w", ("age_years",))
    assert judged(elsewhere).status == "holds"
    assert judged(unknown).status == "gap"
    assert judged(unknown, origin).status == "broken"
    assert "visits is made from age_years (protected)" in judged(origin).why


def test_columns_without_a_source_are_left_out(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("update marts.mart_segmentation set category_mix = null, visits = null")
    assert results(warehouse, S)["completeness.segmentation"].status == "broken"
    found = results(warehouse, S, absent={"category_mix", "visits"})["completeness.segmentation"]
    assert found.status == "holds"
    assert found.details["without a source"] == "category_mix, visits"


def test_discounts_that_no_line_states_are_rightly_empty(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """A feed may map a column that nothing stands in; the mart says so, and no zero is made up."""
    warehouse.execute("update consented.int_segmentation_baskets set discount = null")
    warehouse.execute("update marts.mart_segmentation set discount_share = null")
    found = results(warehouse, S)["completeness.segmentation"]
    assert found.status == "holds"
    assert ("discount_share", None, 0.98) in found.details["columns"].rows


def test_an_empty_mart_is_not_complete(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("delete from marts.mart_segmentation")
    found = results(warehouse, S)
    assert found["completeness.segmentation"].status == "not judged"
    assert found["reconciliation.marts.segmentation"].observed == {
        "subjects": 72, "amount": "798.00",
    }  # fmt: skip
    warehouse.execute("delete from marts.mart_bias_monitoring")
    bias = results(warehouse, B)
    assert bias["retention.bias_monitoring.age_years"].observed is None


def test_a_mart_that_was_not_built_is_not_judged(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("drop table marts.mart_offers")
    found = results(warehouse, OFF)
    assert found.pop("minimisation.offers").status == "broken"
    assert {(r.status, r.why) for r in found.values()} == {("not judged", NOT_RUN)}
    assert len(found) == 7


def test_an_unknown_purpose(warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="no such purpose"):
        results(warehouse, "newsletters")
