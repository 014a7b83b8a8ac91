"""Part of a run, after something new has landed: what it goes by has to know of that."""

import os
from datetime import timedelta

import pytest

from tests.support.installation import add_consent_events, own_feeds

RELEASE = "group:release"
SEGMENTS = "group:segmentation or group:release"


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


def late_withdrawal(one, who):
    """Deliver a withdrawal that was recorded before the newest event read."""
    with one.warehouse() as connection:
        (known,) = connection.execute("select known_at from landing.clocks").fetchall()[0]
    at = known - timedelta(days=3)
    event = {"customer_id": who, "action": "withdrawn", "occurred_at": at, "recorded_at": at}
    add_consent_events(one.sources.parent, "late", [event])


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
    if not alone:  # what has landed is the same by now, and so is what comes of it
        return
    # Whole, it is published without her, by any clock.
    done = one.assent("run", **earlier)
    assert done.status == 0, done.said
    assert who not in one.in_mart()
    assert one.assent("run", "--select", RELEASE, **earlier).status == 0
    assert who not in one.in_mart()


def permission(one):
    """Return how the rule on who is in the segmentation's mart is said to stand."""
    rules = one.assent("status", "--json").json["rules"]
    return {r["rule"]: r["status"] for r in rules}["permission.segmentation"]


def test_a_denial_that_moves_no_clock_is_judged_anew(small, tmp_path):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    who = min(one.members())
    # It lands nothing new: what was judged stands, and part of a run may follow.
    assert one.assent("run", "--select", RELEASE).status == 0
    assert permission(one) == "holds"
    late_withdrawal(one, who)
    landed(one)
    assert permission(one) == "not judged"
    assert one.assent("status").status == 1
    with one.warehouse() as connection:
        assigned = "select * from segmentation.assignments order by all"
        before = connection.execute(assigned).fetchall()
    done = one.assent("run", "--select", SEGMENTS)
    assert done.status == 2, done.said
    assert "landing/clocks" in done.err
    # Nor does setting the clocks alone make the marts of before lawful.
    done = one.assent("run", "--select", f'key:"landing/clocks" or {RELEASE}')
    assert done.status == 1, done.said
    assert "permission.segmentation: not judged" in done.err
    assert "first run `assent run` whole" in done.err
    with one.warehouse() as connection:
        assert connection.execute(assigned).fetchall() == before
    assert who not in one.in_mart()
    one.run()
    assert permission(one) == "holds"
    assert who not in one.in_mart()
