"""Effect sizes of segments."""

import numpy as np
import pandas as pd
import pytest

from models.effects import effect_table, hedges_g
from tests.support.shoppers import shoppers, shuffled


def test_hedges_g_by_hand():
    # Means 2 and 5, both variances 1; n = 3 and 3: J = 1 - 3 / (4 * 6 - 9) = 0.8.
    g, low, high = hedges_g(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert g == pytest.approx(-2.4)
    half = 1.96 * np.sqrt(6 / 9 + 2.4**2 / 12)
    assert (low, high) == pytest.approx((-2.4 - half, -2.4 + half))


def test_it_shrinks_what_cohen_would_say():
    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 1, 2000), rng.normal(0.5, 1, 3000)
    g, low, high = hedges_g(two, one)
    assert low < 0.5 < high
    assert g == pytest.approx((two.mean() - one.mean()) / 1.0, abs=0.05)


@pytest.mark.parametrize(
    ("group", "rest", "expected"),
    [([1.0], [1.0, 2.0], np.nan), ([2.0, 2.0], [2.0, 2.0], 0.0), ([2.0, 2.0], [3.0, 3.0], np.nan)],
)
def test_what_has_no_spread_has_no_effect_size(group, rest, expected):
    np.testing.assert_equal(hedges_g(np.array(group), np.array(rest))[0], expected)


def test_the_table_has_a_row_per_segment_and_feature():
    frame = shoppers(100)
    segments = pd.Series(np.where(frame.visits > 20, 2, 1), index=frame.index)
    table = effect_table(frame, segments)
    assert len(table) == 2 * 14
    visits = table[table.feature == "visits"].set_index("segment")
    assert visits.loc[1, "effect"] < -0.8
    assert visits.loc[2, "effect"] == pytest.approx(-visits.loc[1, "effect"])  # two groups mirror
    assert visits.loc[2, "median"] == frame.visits[frame.visits > 20].median()
    assert visits.loc[2, "median_all"] == frame.visits.median()
    assert (table.lower_quartile <= table["median"]).all()


def test_nulls_count_for_neither_side():
    frame = shoppers(100)
    frame.loc[frame.index[:40], "gap_mean_days"] = np.nan
    segments = pd.Series(np.arange(100) % 2, index=frame.index)
    table = effect_table(frame, segments, names=["gap_mean_days"])
    known = frame.gap_mean_days.notna().groupby(segments).sum()
    assert table.subjects.tolist() == known.tolist()


def test_a_segment_without_any_value_has_none():
    frame = shoppers(20)
    segments = pd.Series([1] * 10 + [2] * 10, index=frame.index)
    frame.loc[segments == 1, "gap_mean_days"] = np.nan
    row = effect_table(frame, segments, names=["gap_mean_days"]).iloc[0]
    assert row.subjects == 0
    assert np.isnan(row["median"])
    assert np.isnan(row.effect)


def test_the_order_of_rows_plays_no_part():
    frame = shoppers(100)
    frame["segment"] = np.where(frame.visits > 20, 2, 1)
    other = shuffled(frame)
    assert effect_table(frame, frame.segment).equals(effect_table(other, other.segment))


def test_what_cannot_be_described_is_refused():
    frame = shoppers(10)
    with pytest.raises(ValueError, match="10 subjects have 9 segments"):
        effect_table(frame, pd.Series([1] * 9))
    with pytest.raises(ValueError, match="no subjects"):
        effect_table(frame.iloc[:0], pd.Series([], dtype=int))
