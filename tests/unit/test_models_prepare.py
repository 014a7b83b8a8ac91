"""The transformer before every segmenter."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew
from sklearn.utils.estimator_checks import check_estimator

from models.prepare import SkewTransformer


def test_it_is_a_scikit_learn_transformer():
    check_estimator(SkewTransformer(), on_skip=None)


@pytest.mark.parametrize("shape", ["log", "root"])
def test_heavy_tails_are_tamed(shape):
    values = np.random.default_rng(0).lognormal(3, 1.5, (500, 1))
    shaped = SkewTransformer(shapes=shape).fit_transform(values)
    assert abs(skew(shaped[:, 0])) < abs(skew(values[:, 0])) / 2


def test_a_null_becomes_what_it_means():
    column = np.r_[np.arange(1.0, 100.0), np.nan]
    values = np.column_stack([column, column, column])
    transformer = SkewTransformer("none", ["median", "zero", "high"]).fit(values)
    known = transformer.transform(np.array([[50.0, 0.0, np.nanquantile(column, 0.95)]]))
    null = transformer.transform(np.full((1, 3), np.nan))
    np.testing.assert_allclose(null, known)


def test_an_outlier_does_not_set_the_scale():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (1000, 1))
    spoilt = values.copy()
    spoilt[0] = 1e6
    clean = SkewTransformer("none").fit(values).scaler_.scale_[0]
    assert SkewTransformer("none").fit(spoilt).scaler_.scale_[0] == pytest.approx(clean, rel=0.05)


def test_a_column_of_mostly_zeros_keeps_a_scale():
    values = np.zeros((1000, 1))
    values[:3] = 400.0
    transformed = SkewTransformer("root").fit_transform(values)
    assert np.abs(transformed).max() < 30  # one unit would give 20 standard deviations of noise
    assert transformed.std() == pytest.approx(1)


def test_a_constant_column_is_harmless():
    values = np.column_stack([np.full(10, 3.0), np.arange(10.0)])
    assert (SkewTransformer().fit_transform(values)[:, 0] == 0).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shapes": "cube"}, "shapes knows"),
        ({"missing": "guess"}, "missing knows"),
        ({"shapes": ["log"]}, "names 1 columns"),
        ({"winsor": 0.5}, "winsor is 0.5"),
    ],
)
def test_wrong_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        SkewTransformer(**parameters).fit(np.ones((5, 2)))


def test_a_column_without_any_value_is_named():
    frame = pd.DataFrame({"visits": [1.0, 2.0], "value_8w": [np.nan, np.nan]})
    with pytest.raises(ValueError, match="'value_8w' has no value"):
        SkewTransformer().fit(frame)
    with pytest.raises(ValueError, match="column 1 has no value"):
        SkewTransformer().fit(frame.to_numpy())


def test_the_fit_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    values = rng.lognormal(0, 1, (300, 3))
    values[rng.random((300, 3)) < 0.1] = np.nan
    one = SkewTransformer().fit(values)
    other = SkewTransformer().fit(values[rng.permutation(300)])
    assert one.fill_.tolist() == other.fill_.tolist()
    assert one.scaler_.mean_.tolist() == other.scaler_.mean_.tolist()
    assert one.scaler_.scale_.tolist() == other.scaler_.scale_.tolist()
