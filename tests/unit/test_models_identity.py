"""Segments keep their identity from one model to the next."""

from dataclasses import replace

import numpy as np
import pytest

from models.identity import in_words, match
from models.model import fit_model
from models.recipe import FEATURE_SETS, Recipe
from tests.support.shoppers import shoppers

SETS = FEATURE_SETS["rfm and recent activity"]
FRAME = shoppers(300)
THREE = fit_model(FRAME, Recipe("kmeans", SETS, 3))
NAMED = THREE.with_names({1: "Rare", 2: "Regular", 3: "Frequent"})


def statuses(matching):
    return dict(zip(matching.table.segment, matching.table.status, strict=True))


def test_the_first_model_has_new_segments_only():
    matching = match(None, THREE, FRAME)
    assert matching.model == THREE
    assert statuses(matching) == {1: "new", 2: "new", 3: "new"}
    assert matching.table.subjects_now.sum() == 300
    assert in_words(matching) == "Segments: 3 new."


def test_the_same_segments_keep_id_and_name_whatever_their_order():
    earlier = replace(NAMED, ids=(7, 9, 8), names={7: "A", 9: "B", 8: "C"}, highest_id=9)
    matching = match(earlier, THREE, FRAME)
    assert matching.model.ids == (7, 9, 8)
    assert matching.model.names == {7: "A", 9: "B", 8: "C"}
    assert (matching.table.overlap == 1).all()
    assert matching.table.status.tolist() == ["kept"] * 3
    assert (matching.model.assign(FRAME) == earlier.assign(FRAME)).all()


def test_a_split_segment_leaves_the_others_and_gets_unused_ids():
    earlier = replace(NAMED, highest_id=12)  # ids up to 12 were given to segments since vanished
    matching = match(earlier, fit_model(FRAME, Recipe("kmeans", SETS, 7)), FRAME)
    found = statuses(matching)
    fresh = [segment for segment, status in found.items() if status == "new"]
    assert fresh
    assert min(fresh) == 13
    assert matching.model.highest_id == max(fresh) == max(matching.model.ids)
    assert len(set(matching.model.ids)) == 7


def test_a_vanished_segment_is_said_so():
    matching = match(
        fit_model(FRAME, Recipe("kmeans", SETS, 7)),
        fit_model(FRAME, Recipe("kmeans", SETS, 2)),
        FRAME,
    )
    table = matching.table.set_index("segment")
    gone = table[table.status == "vanished"]
    assert len(gone) >= 5
    assert (gone.subjects_now == 0).all()
    assert gone.overlap.isna().all()
    assert "vanished" in in_words(matching)


def test_a_moved_segment_keeps_its_id_but_not_its_name():
    # Shifting a boundary: segments overlap by more than half, but less than three quarters.
    centres = THREE.pipeline.named_steps["group"].cluster_centers_
    moved = fit_model(FRAME, THREE.recipe)
    shift = (centres[1] - centres[0]) * 0.45
    moved.pipeline.named_steps["group"].cluster_centers_ = centres + np.array(
        [shift, shift, shift * 0]
    )
    matching = match(NAMED, moved, FRAME)
    table = matching.table[matching.table.status == "moved"]
    assert len(table)
    assert table.overlap.between(0.5, 0.75).all()
    assert not set(table.segment) & set(matching.model.names)
    assert set(table.segment) <= set(matching.model.ids)


def test_the_table_counts_every_subject_twice():
    matching = match(NAMED, fit_model(FRAME, Recipe("mixture", SETS, 5)), FRAME)
    assert matching.table.subjects_then.sum() == 300
    assert matching.table.subjects_now.sum() == 300


def test_ids_start_over_when_the_earlier_model_cannot_assign():
    frame = FRAME.drop(columns="tenure_days")
    earlier = fit_model(FRAME, Recipe("kmeans", ("visits", "tenure_days"), 3))
    matching = match(earlier, THREE, frame)
    assert matching.model.ids == (4, 5, 6)
    assert matching.model.highest_id == 6
    assert set(statuses(matching).values()) == {"new"}
    assert "'tenure_days'" in in_words(matching)


def test_nobody_to_match_by_is_refused():
    with pytest.raises(ValueError, match="no subjects"):
        match(NAMED, THREE, FRAME.iloc[:0])
