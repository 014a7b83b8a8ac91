"""Until when a request has to be acknowledged is told of those alone of which it is judged."""

from dataclasses import replace
from datetime import datetime

from governance.policy.load import load_policy
from governance.rights.due import due_dates_of, due_of
from governance.rights.requests import Request
from warehouse.home import PROJECT

POLICY = load_policy(PROJECT / "policy.yaml")
OURS = Request("A-0123456789", "A-0123456789", "access", datetime(2026, 1, 31), "open", "C1",
               jurisdiction="US-CA")  # fmt: skip


def test_who_took_down_a_request_of_a_feed_acknowledges_it():
    feeds = replace(OURS, request_id="RR-1", number="F-0123456789abcdef")
    ours, theirs = due_dates_of(POLICY, OURS), due_dates_of(POLICY, feeds)
    assert ours.acknowledge_by == due_of(POLICY, OURS).by < ours.answer_by
    assert theirs == (None, ours.answer_by)
    assert due_of(POLICY, feeds).by == ours.answer_by
