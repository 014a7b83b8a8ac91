"""Effect sizes of segments."""

import numpy as np
import pandas as pd
import pytest

from models.effects import effect_table, hedges_g, typical
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
    table = effect_table(frame, segments, smallest=1)
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
    table = effect_table(frame, segments, names=["gap_mean_days"], smallest=1)
    known = frame.gap_mean_days.notna().groupby(segments).sum()
    assert table.subjects.tolist() == known.tolist()


def test_a_segment_without_any_value_has_none():
    frame = shoppers(20)
    segments = pd.Series([1] * 10 + [2] * 10, index=frame.index)
    frame.loc[segments == 1, "gap_mean_days"] = np.nan
    row = effect_table(frame, segments, names=["gap_mean_days"], smallest=1).iloc[0]
    assert row.subjects == 0
    assert np.isnan(row["median"])
    assert np.isnan(row.effect)


def test_what_too_few_of_a_segment_have_is_told_nowhere():
    """Not of them, nor in a figure of all or of the others, from which it could be taken."""
    frame = shoppers(100)
    segments = pd.Series(np.where(np.arange(100) < 50, 1, 2), index=frame.index)
    frame.loc[frame.index[10:50], "gap_mean_days"] = np.nan
    frame.loc[frame.index[50:], "gap_mean_days"] = np.arange(50.0)
    frame.loc[frame.index[:10], "gap_mean_days"] = 1e6
    names = ["gap_mean_days", "visits"]

    told = effect_table(frame, segments, names=names, smallest=11)
    few, enough = told[told.feature == "gap_mean_days"].to_dict("records")
    assert few["subjects"] == 0
    figures = ("median", "lower_quartile", "upper_quartile", "effect", "low", "high")
    assert all(np.isnan(few[name]) for name in figures)
    assert (enough["median"], enough["median_all"]) == (24.5, 24.5)
    assert np.isnan(enough["effect"])  # against nobody
    assert told[told.feature == "visits"].effect.notna().all()
    assert typical(frame, segments, names, smallest=11) == {
        1: {"visits": frame.visits[segments == 1].median()},
        2: {"gap_mean_days": 24.5, "visits": frame.visits[segments == 2].median()},
    }

    told = effect_table(frame, segments, names=names, smallest=10)  # positive control
    assert told.effect.notna().all()
    assert typical(frame, segments, names, smallest=10)[1]["gap_mean_days"] == 1e6


def test_the_order_of_rows_plays_no_part():
    frame = shoppers(100)
    frame["segment"] = np.where(frame.visits > 20, 2, 1)
    other = shuffled(frame)
    assert effect_table(frame, frame.segment, smallest=1).equals(
        effect_table(other, other.segment, smallest=1)
    )


def test_what_cannot_be_described_is_refused():
    frame = shoppers(10)
    with pytest.raises(ValueError, match="10 subjects have 9 segments"):
        effect_table(frame, pd.Series([1] * 9), smallest=1)
    with pytest.raises(ValueError, match="no subjects"):
        effect_table(frame.iloc[:0], pd.Series([], dtype=int), smallest=1)
