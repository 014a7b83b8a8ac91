"""Releases of aggregates: when one is due, when it may be made, and what stands meanwhile."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

import duckdb
import pytest

from governance import aggregates
from governance.aggregates import CELLS, MEMBERS, TEXTS, Standing
from governance.clocks import Clocks, last_instant
from governance.policy.model import Policy
from tests.support import checked

FIRST = date(2024, 3, 1)
LATER = timedelta(days=28)
KEYS = [UUID(int=n) for n in range(200)]
SEGMENTS = {key: 1 + n % 3 for n, key in enumerate(KEYS[:90])}


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def policy(**rules: int | None) -> Policy:
    """Return the policy of the small warehouse with other rules on releases."""
    found = checked.policy()
    days = {"aggregates_days": rules.get("aggregates_days")}
    return found.model_copy(
        update={
            "segmentation": found.segmentation.model_copy(update=days),
            "custody": found.custody.model_copy(
                update={"retention_days": rules.get("retention_days", 400)}
            ),
        }
    )


def stood(
    connection: duckdb.DuckDBPyConnection, members: Mapping[UUID, int], as_of: date = FIRST,
    *, model: str = "m", newest: date | None = None, rules: Policy | None = None,
) -> Standing:  # fmt: skip
    """Return what stands once a run has these members, described by how many they are."""
    values = ", ".join(f"({segment}, '{key}'::uuid)" for key, segment in members.items())
    clocks = Clocks(as_of, last_instant(as_of, "UTC"), last_instant(as_of, "UTC"), newest or as_of)
    return aggregates.stand(
        connection, rules or policy(), clocks, model,
        f"select * from (values {values}) as v(segment_id, segmentation_key)",
        lambda: {"size": str(len(members))},
    )  # fmt: skip


def without(*gone: int) -> dict[UUID, int]:
    """Return the members without some, by number."""
    return {key: segment for key, segment in SEGMENTS.items() if key.int not in gone}


def test_the_first_is_made_and_stands_until_it_is_due(connection):
    first = stood(connection, SEGMENTS)
    assert (first.release.as_of, first.release.texts, first.postponed) == (
        FIRST,
        {"size": "90"},
        "",
    )
    day_after = stood(connection, without(*range(10)), FIRST + timedelta(days=27))
    assert day_after == first
    due = stood(connection, without(*range(15)), FIRST + LATER)
    assert (due.release.as_of, due.release.texts) == (FIRST + LATER, {"size": "75"})


def test_the_policy_says_how_long_it_stands(connection):
    weekly = policy(aggregates_days=7)
    stood(connection, SEGMENTS, rules=weekly)
    kept = stood(connection, SEGMENTS, FIRST + timedelta(days=6), rules=weekly)
    assert kept.release.as_of == FIRST
    anew = stood(connection, SEGMENTS, FIRST + timedelta(days=7), rules=weekly)
    assert anew.release.as_of == FIRST + timedelta(days=7)


@pytest.mark.parametrize(
    ("left", "allowed"),
    # A few who leave one segment; as many as the policy asks for, spread so that each cell has none
    # or enough; and the same number spread so that each segment has but a few.
    [((), True), ((0,), False), ((0, 3, 6, 9), False), ((0, 3, 6, 9, 12), True),
     ((0, 1, 2, 3, 4), False)],
)  # fmt: skip
def test_a_few_who_left_postpone_it(connection, left, allowed):
    first = stood(connection, SEGMENTS)
    found = stood(connection, without(*left), FIRST + LATER)
    if allowed:
        assert (found.release.as_of, found.postponed) == (FIRST + LATER, "")
        return
    assert found.release == first.release
    assert found.postponed.startswith(f"due since {FIRST + LATER}, and postponed: fewer than 5 sub")
    assert str(len(left)) not in found.postponed.replace(str(FIRST + LATER), "").split("5", 1)[0]
    rows = connection.execute(f"select distinct release from {CELLS}").fetchall()
    assert (
        rows == connection.execute(f"select distinct release from {MEMBERS}").fetchall() == [(1,)]
    )


def test_each_cell_is_compared_with_every_other_whatever_its_number(connection):
    stood(connection, SEGMENTS)
    renumbered = {key: 4 - segment for key, segment in without(0).items()}
    found = stood(connection, renumbered | {KEYS[100 + n]: 5 for n in range(40)}, model="another")
    assert found.release is None
    assert "may set some group apart" in found.postponed


def test_another_model_has_none_of_the_aggregates_of_the_one_before(connection):
    stood(connection, SEGMENTS)
    refused = stood(connection, without(0), FIRST + timedelta(days=1), model="another")
    assert refused.release is None
    assert refused.postponed
    made = stood(connection, without(*range(30)), FIRST + timedelta(days=2), model="another")
    assert made.release.texts == {"size": "60"}


def test_who_was_erased_since_still_counts(connection):
    stood(connection, SEGMENTS)
    connection.execute(f"delete from {MEMBERS} where segmentation_key = ?", [KEYS[0]])
    found = stood(connection, without(0), FIRST + LATER)
    assert found.release.as_of == FIRST
    assert "may set some group" in found.postponed
    assert "segment 1" not in found.postponed  # where the few are is theirs


@pytest.mark.parametrize("anew", [0, 100], ids=["with the same key", "erased, with another key"])
def test_who_came_back_hides_nobody_who_has_gone(connection, anew):
    stood(connection, SEGMENTS)
    for gone in KEYS[:10:3]:  # four of segment 1, of whom three come back
        connection.execute(f"delete from {MEMBERS} where segmentation_key = ?", [gone])
    back = {KEYS[n + anew]: 1 for n in (0, 3, 6)}
    found = stood(connection, without(0, 3, 6, 9) | back, FIRST + LATER)
    assert found.release.as_of == FIRST
    assert "postponed: fewer than 5 subjects may set some group apart" in found.postponed
    # Fifteen who aren't in any cell now but are still on record: a difference, however that is.
    kept = without(0, 3, 6, 9, *range(12, 27)) | back
    assert stood(connection, kept, FIRST + LATER).release.as_of == FIRST + LATER


def test_two_equal_releases_stay_equal_when_somebody_is_erased(connection):
    stood(connection, SEGMENTS)
    second = stood(connection, SEGMENTS, FIRST + LATER).release
    assert aggregates.too_near(connection, second.number, 5) == ""
    connection.execute(f"delete from {MEMBERS} where segmentation_key = ?", [KEYS[0]])
    assert aggregates.too_near(connection, second.number, 5) == ""


def test_a_past_day_has_a_release_of_its_own_by_the_same_rule(connection):
    now = stood(connection, SEGMENTS)
    past = FIRST - timedelta(days=9)
    near = stood(connection, without(0), past, newest=FIRST)
    assert near.release is None
    assert near.postponed
    made = stood(connection, without(*range(30)), past, newest=FIRST)
    assert made.release.as_of == past
    assert stood(connection, without(*range(40)), past, newest=FIRST) == made
    assert stood(connection, without(0), FIRST + timedelta(days=1)) == now


def test_what_was_made_for_a_past_day_never_stands_for_the_current_state(connection):
    stood(connection, SEGMENTS)
    connection.execute(f"alter table {CELLS} drop column past")  # as before it was noted
    newest = FIRST + timedelta(days=20)
    now = stood(connection, SEGMENTS, newest)
    assert now.release.as_of == FIRST
    past = stood(connection, without(*range(30)), FIRST + timedelta(days=10), newest=newest)
    assert past.release.as_of == FIRST + timedelta(days=10)
    assert stood(connection, SEGMENTS, FIRST + timedelta(days=21)) == now
    due = stood(connection, without(*range(15)), FIRST + LATER)
    assert due.release.as_of == FIRST + LATER


def test_a_segment_of_few_has_no_figures_released(connection):
    few = {key: segment for n, (key, segment) in enumerate(SEGMENTS.items()) if n > 60 or n % 3}
    found = stood(connection, few)
    assert found.release is None
    assert "smaller than one may be" in found.postponed


def test_a_release_is_forgotten_once_nothing_of_its_age_may_be_held(connection):
    brief = policy(retention_days=50)
    stood(connection, SEGMENTS, rules=brief)
    kept = FIRST + timedelta(days=49)
    stood(connection, SEGMENTS, kept, rules=brief)
    assert len(connection.execute(f"select distinct release from {MEMBERS}").fetchall()) == 2
    stood(connection, SEGMENTS, kept + timedelta(days=1), rules=brief)
    for table in (CELLS, TEXTS, MEMBERS):
        assert connection.execute(f"select distinct release from {table}").fetchall() == [(2,)]


def test_what_fails_while_it_is_described_is_no_release(connection):
    def fail() -> dict[str, str]:
        raise ValueError("no card")

    clocks = Clocks(FIRST, last_instant(FIRST, "UTC"), last_instant(FIRST, "UTC"), FIRST)
    members = "select 1 as segment_id, uuid() as segmentation_key from range(40)"
    with pytest.raises(ValueError, match="no card"):
        aggregates.stand(connection, policy(), clocks, "m", members, fail)
    assert connection.execute(f"select count(*) from {CELLS}").fetchall() == [(0,)]
