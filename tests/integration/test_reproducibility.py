"""Same in, same out: homes with the same feeds, policy, seed and clocks come to hold the same.

Where their salts differ, all but the keys is: `test_warehouse_concurrency` compares such two.
"""

import shutil

import pytest

from governance import identity
from tests.support.tables import differences, state
from warehouse.connect import connected


@pytest.fixture(scope="module")
def held(small):
    """Return what the first home holds, whole and without keys."""
    return {whole: state(small, whole=whole) for whole in (True, False)}


def segmentation_keys(one):
    with one.published("segmentation") as connection:
        return set(connection.execute("select segmentation_key from mart_segmentation").fetchall())


def test_with_the_same_salts_all_is_the_same_on_one_thread_in_another_process(
    small, held, tmp_path
):
    """Keys too, to the last row; a process of its own hashes words in an order of its own."""
    other = small.fresh(tmp_path / "home")
    shutil.copytree(small.keys, other.keys)
    for path in (small.home.vault, small.home.salts, small.home.kept):
        shutil.copy(path, other.root)
    with other.entered(), connected(identity.stores()[0]) as connection:
        connection.execute("drop table vault.published")  # in this home nothing was as yet
    done = other.process("run", ASSENT_THREADS="1")
    assert done.status == 0, done.said
    assert differences(state(other, whole=True), held[True]) == []
    assert segmentation_keys(other) == segmentation_keys(small)


def test_the_comparison_notices_a_key_a_value_and_a_card(small, held, tmp_path):
    """Positive control."""
    other = small.copy(tmp_path / "home")
    with other.warehouse() as connection:
        for change, mart in (
            ("churn_prevention_key = uuid()", "churn_prevention"),
            ("visits = visits + 1", "segmentation"),
        ):
            connection.execute(f"update marts.mart_{mart} set {change} where rowid = 0")
    card = next(other.home.artefacts.rglob("segment_1.md"))
    card.write_text(card.read_text() + "!")
    seen = [str(card.relative_to(other.root)), "marts.mart_segmentation"]
    assert differences(state(other, whole=False), held[False]) == seen
    assert differences(state(other, whole=True), held[True]) == sorted(
        [*seen, "marts.mart_churn_prevention"]
    )
