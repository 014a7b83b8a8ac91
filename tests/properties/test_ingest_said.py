"""Whatever a consent file is written over with: no reading from the beginning forgets a word."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties.test_ingest_load_properties import installation
from tests.support.examples import tried
from tests.support.feeds import ask, declared, event, fill, load, must_reconcile, sources_in
from warehouse.errors import UsageError

words = st.tuples(
    st.sampled_from(["ann", "bob", "cyd", None]),
    st.sampled_from(["granted", "withdrawn", "hm"]),  # the last can't be read
    st.sampled_from(["2024-05-01 10:00:00", "2024-05-02 10:00:00"]),
)
files = st.lists(words, min_size=1, max_size=7)
Words = list[tuple[str | None, str, str]]


def said(rows: Words, of: str | None) -> tuple[int, int, int]:
    """Return how many words, denials and unread rows are one subject's; of None, all rows'."""
    mine = [row for row in rows if of in (None, row[0])]
    read = {row for row in mine if row[0] and row[1] != "hm"}
    unread = [row for row in mine if not row[0] or row[1] == "hm"]
    return len(read), sum(action == "withdrawn" for _, action, _ in read), len(unread)


def forgets(before: Words, after: Words) -> bool:
    """Tell whether something that was said before isn't met again."""
    for subject in ("ann", "bob", "cyd", None):
        words_, denials, unread = said(before, subject)
        now, denials_now, unread_now = said(after, subject)
        if denials_now + unread_now < denials or now + unread_now < words_ + bool(unread):
            return True
    return False


def rows(of: Words) -> list[tuple[Any, ...]]:
    return [event(customer_id=id_, action=action, occurred_at=at) for id_, action, at in of]


DENIAL = ("ann", "withdrawn", "2024-05-01 10:00:00")
GRANTS: Words = [("bob", "granted", "2024-05-01 10:00:00"), ("cyd", "granted", DENIAL[2])]


@pytest.mark.slow
@tried(12)
@given(before=files, after=st.one_of(files, st.just([])))
@example(before=[DENIAL], after=GRANTS)
@example(before=[DENIAL, *GRANTS], after=[])  # as it is
def test_a_word_that_would_be_forgotten_stops_the_load(before: Words, after: Words) -> None:
    after = after or list(reversed(before))
    landed = "select * exclude (row_key, load_id) from landing.consent_events order by all"
    with installation() as folder:
        fill(folder, consent_events=rows(before))
        load(sources_in(folder))
        held = ask(landed)
        fill(folder, consent_events=rows(after))
        anew = declared("consent_events", future_tolerance_minutes=61)
        changed = sources_in(folder, consent_events=anew)
        if forgets(before, after) or len(after) < said(before, None)[0]:
            with pytest.raises(UsageError, match="has to be read from the beginning"):
                load(changed)
            assert ask(landed) == held
        else:
            assert load(changed).afresh == ("consent_events",)
            count = Counter(action for _, action, _ in {row for row in after if row[0]})
            assert len(ask(landed)) == count["granted"] + count["withdrawn"]
        must_reconcile()
