"""How old what is behind a mart is, and whether a consent covers it, whoever added the model."""

import pytest

from expectations.marts import check_mart
from tests.support import checked

POLICY = checked.policy()
PURPOSE = "offers"
OF_LATE = "00000000-0000-0000-0000-000000000502"  # granted again on 1 June, which covers no more


def verdict(connection, rule, **about):
    found = check_mart(connection, POLICY, checked.clocks(checked.AS_OF), PURPOSE, **about)
    return next(r for r in found if r.rule == rule)


@pytest.fixture
def warehouse():
    return checked.made()


@pytest.mark.parametrize("what", ["table", "view"])
@pytest.mark.parametrize(
    ("day", "retention", "permission"),
    [("2024-06-20", "holds", "holds"), ("2024-05-31", "holds", "broken"),
     ("2024-04-30", "broken", "broken")],
)  # fmt: skip
def test_rows_of_a_model_that_somebody_added_are_judged_by_their_day(
    warehouse, what, day, retention, permission
):
    warehouse.execute(
        f"create {what} consented.int_offers_log as"
        f" select '{OF_LATE}'::uuid as offers_key, date '{day}' as event_day"
    )
    aged = verdict(warehouse, f"retention.{PURPOSE}.value")
    assert aged.status == retention
    assert ("as consented.int_offers_log has it" in aged.why) is (retention == "broken")
    assert verdict(warehouse, f"permission.{PURPOSE}").status == permission


def test_names_in_capitals_are_the_same(warehouse):
    day = "date '2024-04-30' as EVENT_DAY"
    warehouse.execute(
        f"create view consented.int_offers_log as select '{OF_LATE}'::uuid as OFFERS_KEY, {day}"
    )
    assert verdict(warehouse, f"retention.{PURPOSE}.value").status == "broken"
    assert verdict(warehouse, f"permission.{PURPOSE}").status == "broken"


@pytest.mark.parametrize(
    "columns",
    [f"'{OF_LATE}'::uuid as offers_key, null::date as event_day",
     "null::uuid as offers_key, date '2024-06-20' as event_day",
     "null::uuid as offers_key, null::date as event_day"],
)  # fmt: skip
def test_of_rows_without_a_day_or_a_key_nobody_knows_how_old_they_are(warehouse, columns):
    warehouse.execute(f"create view consented.int_offers_log as select {columns}")
    found = verdict(warehouse, f"retention.{PURPOSE}.value")
    assert (found.status, found.observed) == ("broken", None)
    assert found.why.startswith("of 1 rows of consented.int_offers_log, without event_day or key,")


@pytest.mark.parametrize("what", ["table", "view"])
@pytest.mark.parametrize("number", [8, 36, 17])  # held, withdrawn, never asked
def test_rows_of_who_may_not_be_processed_are_unlawful_behind_a_mart_too(warehouse, number, what):
    """Whose figures are put into those of others, for one."""
    row = f"'{number:030d}02'::uuid as offers_key, date '2024-06-20' as event_day"
    warehouse.execute(f"create {what} consented.int_offers_log as select {row}")
    found = verdict(warehouse, f"permission.{PURPOSE}")
    assert (found.status, found.observed) == ("broken", 1)


def test_rows_by_the_key_of_another_purpose_are_unlawful(warehouse):
    row = (
        "'00000000-0000-0000-0000-000000000501'::uuid as offers_key, date '2024-06-20' as event_day"
    )
    warehouse.execute(f"create view consented.int_offers_log as select {row}")
    found = verdict(warehouse, f"permission.{PURPOSE}")
    assert (found.status, found.observed) == ("broken", 1)
    assert found.why.startswith("1 rows of consented.int_offers_log are of subjects without")


@pytest.mark.parametrize("whole", [False, True])
def test_what_each_build_writes_whole_is_as_young_as_what_it_is_made_from(warehouse, whole):
    """Such as what was known some weeks before, by which a segmentation is judged."""
    warehouse.execute(
        "create table marts.mart_offers_backtest as select date '2024-06-29' as as_of,"
        " '00000000-0000-0000-0000-000000000002'::uuid as offers_key, value_8w,"
        " household_size_band from marts.mart_offers"
    )
    for attribute in ("value", "household_size"):
        rule = verdict(warehouse, f"retention.{PURPOSE}.{attribute}",
                       whole=["mart_offers_backtest"] if whole else [])  # fmt: skip
        assert (rule.status == "holds") is whole
        assert ("as marts.mart_offers_backtest has it" in rule.why) is not whole
