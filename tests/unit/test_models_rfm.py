"""RFM-score quantiles, against values worked out by hand."""

import numpy as np
import pytest

from models.rfm import RFMQuantiles

# Ten subjects: recency 10 (best last), frequency and spend 1 to 10, so the quintiles are plain.
RECENCY = np.arange(10, 0, -1.0)
RISING = np.arange(1.0, 11.0)
VALUES = np.column_stack([RECENCY, RISING, RISING])


def test_scores_are_quintiles_and_recency_is_turned_around():
    estimator = RFMQuantiles(5).fit(VALUES)
    np.testing.assert_allclose(estimator.cuts_[:, 1], [2.8, 4.6, 6.4, 8.2])
    scores = estimator.column_scores(VALUES)
    assert scores[:, 1].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert scores[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_the_sum_is_cut_at_its_own_quantiles():
    estimator = RFMQuantiles(2).fit(VALUES)
    assert estimator.sum_cuts_.tolist() == [9.0]  # sums 3, 3, 6, 6, 9, 9, 12, 12, 15, 15
    assert estimator.predict(VALUES).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_a_long_absence_scores_low():
    estimator = RFMQuantiles(5).fit(VALUES)
    assert estimator.column_scores(np.array([[99.0, 5.0, 5.0], [0.0, 5.0, 5.0]]))[
        :, 0
    ].tolist() == [
        1,
        5,
    ]


def test_ties_may_leave_a_group_empty():
    values = np.column_stack([np.ones(20), np.r_[np.ones(18), 2.0, 3.0], np.ones(20)])
    groups = RFMQuantiles(3).fit_predict(values)
    assert set(groups) < {0, 1, 2}


def test_a_move_is_split_by_score():
    estimator = RFMQuantiles(5).fit(VALUES)
    up = estimator.contributions(VALUES[0], VALUES[9], 0, 4)
    assert up.tolist() == [4, 4, 4]
    assert estimator.contributions(VALUES[9], VALUES[0], 4, 0).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"n_scores": 1}, "n_scores is 1"), ({"lower_is_better": (3,)}, "the data has 3")],
)
def test_wrong_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        RFMQuantiles(2, **parameters).fit(VALUES)
