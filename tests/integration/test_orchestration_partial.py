"""Part of a run, after something new has landed: what it goes by has to know of that."""

import os
from datetime import timedelta

import pytest

RELEASE = "group:release"


def landed(one, **variables):
    """Land what there is, and build nothing, as the schedule does before the other job."""
    from orchestration.runner import run_job

    with one.entered():
        os.environ.update(variables)  # until it is left
        assert run_job("land").success


def published(one):
    """Return who is published for each purpose, by its own key."""
    found = {}
    for path in one.home.published.iterdir():
        if path.suffix == ".duckdb" and path.stem != "permission":
            with one.published(path.stem) as connection:
                rows = connection.execute(f"select {path.stem}_key from mart_{path.stem}")
                found[path.stem] = {key for (key,) in rows.fetchall()}
    return found


@pytest.mark.parametrize("alone", [True, False])
def test_a_clock_that_is_set_back_puts_nobody_back(small, tmp_path, alone):
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    before = published(one)
    with one.warehouse() as connection:
        (known,) = connection.execute("select known_at from landing.clocks").fetchall()[0]
    later = known + timedelta(days=1)
    now = {"ASSENT_NOW": later.isoformat()}
    earlier = {"ASSENT_NOW": (later - timedelta(hours=2)).isoformat()}
    assert one.assent("consent", "record", who, "withdrawn", **now).status == 0
    if alone:
        landed(one, **now)
    done = one.assent("run", "--select", RELEASE, **earlier)
    assert done.status == 2, done.said
    assert "landing/clocks" in done.err
    assert "Traceback" not in done.said
    after = published(one)
    assert len(before["segmentation"] - after["segmentation"]) == 1
    assert all(after[name] <= before[name] for name in before)
    assert who not in one.in_mart()
    # Whole, it is published without her, by any clock.
    done = one.assent("run", **earlier)
    assert done.status == 0, done.said
    assert who not in one.in_mart()
    assert one.assent("run", "--select", RELEASE, **earlier).status == 0
    assert who not in one.in_mart()
