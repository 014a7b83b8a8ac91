"""No result depends on the order of rows, nor on what the rows are called."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.effects import effect_table
from models.evaluation import foretell, resampled_shares
from models.model import fit_model
from models.naming import name_segments
from models.ordering import canonical_order, row_sample
from models.recipe import FEATURE_SETS, METHODS, RFM, Recipe
from models.store import parameters
from tests.support.examples import tried
from tests.support.shoppers import shoppers

FRAME = shoppers(90)
# Few different values: ties are where an order could show.
TIED = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 40), st.integers(1, 3)),
    elements=st.sampled_from([0, 1, 2]),
)


@tried(25)
@given(st.permutations(range(90)), st.sampled_from(METHODS), st.integers(2, 5))
def test_models_are_equal_in_parameters(order, method, segments):
    features = RFM if method == "rfm_quantiles" else FEATURE_SETS["rfm and rhythm"]
    recipe = Recipe(method, features, segments)
    renamed = FRAME.iloc[list(order)].reset_index(drop=True)
    one, other = fit_model(FRAME, recipe), fit_model(renamed, recipe)
    assert parameters(one) == parameters(other)
    assert one.assign(FRAME).to_numpy()[list(order)].tolist() == other.assign(renamed).tolist()


@tried(25)
@given(st.permutations(range(90)), st.integers(1, 4))
def test_measures_and_names_are_equal(order, segments):
    codes = np.arange(90) % segments
    rows = list(order)
    one = foretell({"s": codes}, FRAME.following_value)
    other = foretell({"s": codes[rows]}, FRAME.following_value.iloc[rows])
    assert one.share("s") == other.share("s")
    assert (resampled_shares(one, 20)["s"] == resampled_shares(other, 20)["s"]).all()
    labels = FRAME.visits.gt(20).astype(int)
    table = effect_table(FRAME, labels, smallest=1)
    again = effect_table(FRAME.iloc[rows], labels.iloc[rows], smallest=1)
    assert again.equals(table)
    assert name_segments(again) == name_segments(table)


@given(TIED, st.randoms(use_true_random=False))
def test_the_canonical_order_is_one(values, random):
    rows = list(range(len(values)))
    random.shuffle(rows)
    mixed = values[rows]
    assert (mixed[canonical_order(mixed)] == values[canonical_order(values)]).all()


@given(TIED, st.randoms(use_true_random=False), st.integers(1, 45))
def test_the_sample_is_one(values, random, size):
    rows = list(range(len(values)))
    random.shuffle(rows)
    mixed = values[rows]
    chosen, again = row_sample(values, size), row_sample(mixed, size)
    assert len(chosen) == len(set(chosen.tolist())) == min(size, len(values))
    assert (values[chosen] == mixed[again]).all()
