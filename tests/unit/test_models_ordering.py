"""An order and a choice of rows that depend on values only."""

import numpy as np
from threadpoolctl import threadpool_info

from models.ordering import canonical_order, distinct_rows, one_thread, row_sample


def test_rows_are_sorted_by_the_first_column_first():
    values = np.array([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0], [np.nan, 0.0]])
    assert canonical_order(values).tolist() == [2, 1, 0, 3]


def test_a_crowd_of_equal_rows_is_thinned_like_all_others():
    values = np.vstack([np.zeros((6000, 1)), np.arange(1.0, 4001.0)[:, None]])
    chosen = values[row_sample(values, 1000)]
    assert 0.55 < (chosen == 0).mean() < 0.65


def test_another_seed_chooses_others():
    values = np.arange(1000.0)[:, None]
    one, other = row_sample(values, 100, seed=1), row_sample(values, 100, seed=2)
    assert 0 < len(np.intersect1d(one, other)) < 40


def test_those_chosen_stay_as_others_come():
    values = np.arange(1000.0)[:, None]
    before = set(values[row_sample(values, 100)].ravel())
    more = np.vstack([values, np.arange(1000.0, 1050.0)[:, None]])
    after = set(more[row_sample(more, 100)].ravel())
    assert len(before & after) > 85


def test_zero_is_zero_whatever_its_sign():
    values = np.arange(1000.0)[:, None]
    signed = values.copy()
    signed[0] = -0.0
    assert row_sample(values, 50).tolist() == row_sample(signed, 50).tolist()


def test_different_rows_are_counted():
    assert distinct_rows(np.array([[1.0], [1.0], [2.0], [np.nan], [np.nan]])) == 3
    assert distinct_rows(np.empty((0, 2))) == 0


def test_one_thread_is_one_thread():
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread():
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
    assert [pool["num_threads"] for pool in threadpool_info()] == before
