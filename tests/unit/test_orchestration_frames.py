"""Reading a mart into a frame: figures, shares of the category mix, the mix itself."""

from datetime import date

import duckdb
import numpy as np
import pytest

from models.features import matrix
from orchestration import model_store
from warehouse.errors import UsageError

DAY = date(2024, 3, 20)
SHARES = ["mix:DELI", "mix:it's"]


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse; use warehouse; create schema marts")
        connection.execute(
            "create table marts.mart_segmentation as select date '2024-03-20' as as_of,"
            " md5(i::varchar)::uuid as segmentation_key, i as visits, case when i % 4 = 0 then null"
            " when i % 4 = 1 then map {'DELI': 1.0} else map {'it''s': 0.25, 'DELI': 0.75} end"
            " as category_mix from range(200) as t(i)"
        )
        yield connection


def test_shares_are_read_of_every_subject_and_the_mix_of_some(connection, monkeypatch):
    whole = model_store.frame_of(connection, "mart_segmentation", DAY, mix=True)
    expected = matrix(whole, SHARES)
    assert whole.visits.dtype == np.float64
    monkeypatch.setattr(model_store, "MIX_ROWS", 20)
    some = model_store.frame_of(connection, "mart_segmentation", DAY, shares=SHARES, mix=True)
    assert 0 < some.category_mix.notna().sum() < 50
    found = matrix(some, SHARES).reindex(expected.index)
    assert found.equals(expected)
    assert found["mix:it's"].sum() == 25
    assert found["mix:DELI"].isna().sum() == 50
    plain = model_store.frame_of(connection, "mart_segmentation", DAY)
    assert list(plain.columns) == ["visits"]


def test_a_day_without_subjects_is_refused(connection):
    with pytest.raises(UsageError, match="empty on 2024-03-21"):
        model_store.frame_of(connection, "mart_segmentation", date(2024, 3, 21))
