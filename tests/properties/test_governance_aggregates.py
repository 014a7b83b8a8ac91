"""Whatever becomes of the members: two releases never differ in two cells by a few subjects."""

from datetime import date, timedelta
from itertools import combinations, product
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import aggregates
from governance.aggregates import MEMBERS
from governance.clocks import Clocks, last_instant
from governance.policy.words import SEGMENT_PURPOSE
from tests.support import checked
from tests.support.examples import tried

PEOPLE = [UUID(int=n) for n in range(14)]
LEAST = 5
FOUND = checked.policy()
POLICY = FOUND.model_copy(
    update={
        "segmentation": FOUND.segmentation.model_copy(update={"aggregates_days": 1}),
        "thresholds": FOUND.thresholds.model_copy(update={"smallest_segment": 1}),
    }
)
FIRST = date(2024, 1, 1)

# A day: who is in which segment (0: in none), whether the model is another, who is taken out of the
# record after it, and may come back on the next, whether by erasure (so that the key is another
# then), and whether everybody else stays where they were.
DAYS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=len(PEOPLE), max_size=len(PEOPLE)),
        st.booleans(),
        st.sets(st.sampled_from(PEOPLE), max_size=4),
        st.booleans(),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


def cells(members: dict[UUID, int]) -> list[frozenset[UUID]]:
    found = {s: frozenset(k for k, v in members.items() if v == s) for s in members.values()}
    return [*found.values(), frozenset(members)]


@pytest.fixture(scope="module")
def connection():
    """The record of releases; each example begins it anew."""
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened


@tried(150)
@given(DAYS)
def test_releases_never_differ_by_a_few(connection, days) -> None:
    connection.execute(f"drop schema if exists {SEGMENT_PURPOSE} cascade")
    aggregates.make(connection)
    released: dict[int, dict[UUID, int]] = {}
    key_of = {person: person for person in PEOPLE}
    members: dict[UUID, int] = {}
    gone: set[UUID] = set()
    for n, (segments, another, leaving, by_erasure, same) in enumerate(days):
        anew = dict(zip(PEOPLE, segments, strict=True))
        stay = {p: s for p, s in members.items() if same and p not in gone}
        back = {p: s for p, s in anew.items() if not same or not members or p in gone}
        members = {person: s for person, s in (stay | back).items() if s}
        if not members:
            continue
        as_of = FIRST + timedelta(days=n)
        at = last_instant(as_of, "UTC")
        values = ", ".join(f"({s}, '{key_of[person]}'::uuid)" for person, s in members.items())
        found = aggregates.stand(
            connection, POLICY, Clocks(as_of, at, at, as_of), f"model {n if another else 0}",
            f"select * from (values {values}) as v(segment_id, segmentation_key)",
            lambda: {"name": "content"},
        )  # fmt: skip
        if found.release and found.release.as_of == as_of:
            released[found.release.number] = members
        connection.execute(
            f"delete from {MEMBERS} where list_contains(?::uuid[], segmentation_key)",
            [[str(key_of[person]) for person in leaving]],
        )
        if by_erasure:
            key_of |= {person: UUID(int=key_of[person].int + 1000) for person in leaving}
        gone = leaving
    for one, other in combinations(released.values(), 2):
        for now, then in product(cells(one), cells(other)):
            assert not 1 <= len(now ^ then) < LEAST
    for number in released:  # what could be made breaks no rule, whoever was taken out since
        assert aggregates.too_near(connection, number, LEAST) == ""
