"""What is shown of counts: nothing small, and nothing that a sum gives away."""

from hypothesis import given
from hypothesis import strategies as st

from governance.consent_statistics import shown, whole_groups

LEAST = st.integers(2, 40)
COUNTS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(0, 90))


@given(COUNTS, LEAST)
def test_nothing_small_is_shown_and_sums_give_nothing_away(counts, least):
    found = shown(counts, least)
    assert all(n >= least for n in found.values())
    total = sum(counts.values())
    hidden = total - sum(found.values())
    # Who knows the total learns nothing by the shown: either all of it is shown, or none is.
    assert hidden in (0, total)
    kept = {value: n for value, n in counts.items() if value in found}
    assert all(found[value] == n for value, n in kept.items())
    # What was put together is of two at least: of one alone it would be that one's count.
    together = [n for value, n in counts.items() if n and value not in found]
    if None in found:
        assert found[None] == sum(together)
        assert len(together) >= 2
    small = [n for n in counts.values() if 0 < n < least]
    assert not small or hidden or len(together) >= 2


@given(st.integers(0, 500), LEAST)
def test_what_stands_is_counted_in_whole_groups(count, least):
    found = whole_groups(count, least)
    assert found % least == 0
    assert 0 <= count - found < least
