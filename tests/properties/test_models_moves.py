"""Exact decompositions, bounds of measures, unique names."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models import store
from models.deciding import deciding
from models.drift import population_stability, reference
from models.explain import explain_change
from models.features import FEATURES
from models.identity import match
from models.model import fit_model
from models.naming import name_segments
from models.recipe import METHODS, RFM, Recipe
from tests.support.examples import tried
from tests.support.shoppers import shoppers

FRAME = shoppers(90)
MODELS = {
    method: deciding(store.deciding(fit_model(FRAME, Recipe(method, RFM, 4)))) for method in METHODS
}
ROWS = st.fixed_dictionaries(
    {
        "recency_days": st.floats(0, 400),
        "visits": st.integers(1, 500).map(float),
        "value_total": st.floats(-100, 20_000),
    }
)


@tried(40)
@given(ROWS, ROWS, st.sampled_from(METHODS))
def test_a_move_is_pushed_by_something_and_its_way_back_is_its_mirror(before, after, method):
    there = explain_change(before, after, MODELS[method])
    back = explain_change(after, before, MODELS[method])
    assert (there.source, there.target) == (back.target, back.source)
    total = sum(part["contribution"] for part in there.parts)
    if there.source == there.target:
        assert total == 0
    else:
        assert total > 0
    assert np.isclose(total, sum(part["contribution"] for part in back.parts))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(sorted(FEATURES)), st.floats(-4, 4) | st.just(float("nan")), min_size=1
        ),
        min_size=1,
        max_size=8,
    )
)
@tried(100)
def test_names_are_unique_whatever_the_effects(segments):
    rows = [
        {"segment": number, "feature": feature, "effect": effect, "median": effect}
        for number, effects in enumerate(segments, start=1)
        for feature, effect in effects.items()
    ]
    names = name_segments(pd.DataFrame(rows))
    assert len(set(names.values())) == len(segments) == len(names)
    assert all(name and name == name.strip() for name in names.values())


@given(
    st.lists(st.floats(0, 100), min_size=2, max_size=60),
    st.lists(st.floats(0, 100) | st.just(float("nan")), min_size=1, max_size=60),
)
@tried(100)
def test_the_drift_index_is_never_negative(then, now):
    described = reference(pd.DataFrame({"visits": then}))
    assert sum(described["visits"]["shares"]) == 1 or np.isclose(
        sum(described["visits"]["shares"]), 1
    )
    assert population_stability(described, pd.DataFrame({"visits": now}))["index"][0] >= -1e-12


@tried(20)
@given(st.integers(2, 7), st.integers(2, 7))
def test_matching_gives_every_segment_one_id_and_loses_nobody(before, after):
    earlier = fit_model(FRAME, Recipe("kmeans", RFM, before), n_starts=1)
    matching = match(earlier, fit_model(FRAME, Recipe("kmeans", RFM, after), n_starts=1), FRAME)
    ids = matching.model.ids
    assert len(set(ids)) == after
    table = matching.table.set_index("segment")
    assert table.index.is_unique
    assert set(table.index) == set(ids) | set(earlier.ids)
    lasting = table.index[table.status.isin(["kept", "moved"])]
    assert set(lasting) == set(ids) & set(earlier.ids)
    assert (table.subjects_then.sum(), table.subjects_now.sum()) == (90, 90)
