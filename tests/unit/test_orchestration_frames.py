"""What the door hands out of a mart: figures, shares of the category mix, the mix; nothing else."""

from datetime import date, datetime

import duckdb
import numpy as np
import pytest

from governance.clocks import Clocks
from models.frames import matrix
from models.model import fit_model
from models.recipe import Recipe
from orchestration import door, segments
from orchestration.door import Door
from warehouse.errors import RuleBrokenError, UsageError

DAY = date(2024, 3, 20)
SHARES = ["mix:DELI", "mix:it's"]


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute(
            "attach ':memory:' as warehouse; use warehouse; create schema marts;"
            " create schema landing; create table landing.customers (age_years int)"
        )
        connection.execute(
            "create table marts.mart_segmentation as select date '2024-03-20' as as_of,"
            " md5(i::varchar)::uuid as segmentation_key, i + 1 as visits,"
            " case when i % 4 = 0 then null when i % 4 = 1 then map {'DELI': 1.0}"
            " else map {'it''s': 0.25, 'DELI': 0.75} end as category_mix from range(200) as t(i)"
        )
        connection.execute(
            "create table marts.mart_bias_monitoring as select as_of, segmentation_key as"
            " bias_monitoring_key, '35-54' as age_band from marts.mart_segmentation"
        )
        yield connection


@pytest.fixture
def marts(connection):
    moment = datetime(2024, 3, 21)
    return Door(connection, "segmentation", Clocks(DAY, moment, moment, DAY))


def test_shares_are_read_of_every_subject_and_the_mix_of_some(marts, monkeypatch):
    monkeypatch.setattr(door, "MIX_ROWS", 20)
    whole = marts.frame("mart_segmentation", DAY, mix="whole")
    assert whole.category_mix.notna().sum() == 150
    expected = matrix(whole, SHARES)
    assert whole.visits.dtype == np.float64
    some = marts.frame("mart_segmentation", DAY, shares=SHARES, mix="some")
    assert 0 < some.category_mix.notna().sum() < 50
    found = matrix(some, SHARES).reindex(expected.index)
    assert found.equals(expected)
    assert found["mix:it's"].sum() == 25
    assert found["mix:DELI"].isna().sum() == 50
    plain = marts.frame("mart_segmentation", DAY)
    assert list(plain.columns) == ["visits"]


def test_a_model_that_is_fitted_anew_is_matched_by_every_share_that_the_one_before_reads(marts):
    """One that is among the largest no more is a share like any other, not a share of nothing."""
    whole = marts.frame("mart_segmentation", DAY, mix="whole")
    previous = fit_model(whole, Recipe("kmeans", ("visits", "mix:it's"), 2))
    earlier = whole.assign(category_mix=[{"DELI": 1.0}] * len(whole))
    now = segments._current(marts, earlier, previous)
    assert set(now.columns) == {"visits", *SHARES}
    assert previous.assign(now).equals(previous.assign(whole))
    assert set(segments._current(marts, earlier, None).columns) == {"visits", "mix:DELI"}


def test_a_day_without_subjects_is_refused(marts):
    with pytest.raises(UsageError, match="empty on 2024-03-21"):
        marts.frame("mart_segmentation", date(2024, 3, 21))


@pytest.mark.parametrize(
    "table",
    ["mart_bias_monitoring", "customers", "landing.customers", 'mart_segmentation" join landing.x'],
)
def test_no_other_table_passes_the_door(marts, table):
    for ask in (lambda: marts.frame(table, DAY), lambda: marts.days(table)):
        with pytest.raises(RuleBrokenError) as refused:
            ask()
        assert "minimisation.segmentation (violation)" in str(refused.value)
        assert "is no mart of 'segmentation'" in str(refused.value)


def test_a_column_that_the_policy_does_not_allow_shuts_the_door(marts, connection):
    connection.execute("alter table marts.mart_segmentation add column age_years int")
    with pytest.raises(RuleBrokenError, match=r"minimisation\.segmentation .*age_years"):
        marts.frame("mart_segmentation", DAY)


def test_figures_that_a_column_cannot_have_shut_the_door(marts, connection):
    connection.execute("update marts.mart_segmentation set visits = -30 where visits = 7")
    with pytest.raises(RuleBrokenError, match=r"mart_segmentation\.visits is less than") as refused:
        marts.frame("mart_segmentation", DAY)
    assert "30" not in str(refused.value)


def test_no_attribute_of_what_is_handed_out_is_the_connection(marts, connection):
    """Past the dunders, which the column gate refuses, nothing leads there."""
    offered = [marts, *vars(marts).values()]
    offered += [getattr(marts, name) for name in dir(marts)]
    offered += [value for thing in offered for value in getattr(thing, "__dict__", {}).values()]
    assert not any(isinstance(thing, duckdb.DuckDBPyConnection) for thing in offered)
