"""Due dates of rights requests, whatever a policy gives: never before, never the wrong way round.

Against a second count of working days (numpy's), for those without a calendar.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from governance.policy.load import parse_policy
from governance.policy.model import Policy
from governance.rights.deadlines import DueDates, due_dates
from tests.fixtures.governance_policy import SMALL
from tests.support.examples import tried

SAID = parse_policy(SMALL).model_dump(by_alias=True)
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "Pacific/Kiritimati", "UTC")

periods = st.builds(
    "{} {}".format, st.integers(1, 60), st.sampled_from(["months", "days", "business days"])
)
calendars = st.sampled_from([None, "US-CA", "DE-BE", "BR", "GB-SCT", "SA"])
moments = st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1))


@st.composite
def policies(draw: st.DrawFn, calendar: st.SearchStrategy[str | None] = calendars) -> Policy:
    requests = {
        "acknowledge": draw(st.none() | periods),
        "answer": draw(periods),
        "extension": draw(periods),
        "ends_on_working_day": draw(st.booleans()),
        "holidays": draw(calendar),
    }
    gdpr = {**SAID["regimes"]["gdpr"], "requests": requests}
    zone = draw(st.sampled_from(ZONES))
    return Policy.model_validate(
        {**SAID, "time_zone": zone, "regimes": {**SAID["regimes"], "gdpr": gdpr}}
    )


def due(policy: Policy, received_at: datetime, *, extended: bool = False) -> DueDates:
    return due_dates(policy, "gdpr", "access", received_at, extended=extended)


def day_of(policy: Policy, moment: datetime) -> date:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(policy.time_zone)).date()


@tried(100)
@given(policies(), moments)
def test_nothing_is_due_before_it_is_received(policy: Policy, received_at: datetime) -> None:
    found = due(policy, received_at)
    assert all(day > day_of(policy, received_at) for day in found if day is not None)
    assert due(policy, received_at, extended=True).answer_by > found.answer_by - timedelta(days=1)


@tried(100)
@given(policies(), moments, st.timedeltas(timedelta(), timedelta(days=400)))
def test_what_is_received_later_is_not_due_earlier(
    policy: Policy, received_at: datetime, wait: timedelta
) -> None:
    for extended in (False, True):
        first = due(policy, received_at, extended=extended)
        later = due(policy, received_at + wait, extended=extended)
        assert first.answer_by <= later.answer_by
        if first.acknowledge_by and later.acknowledge_by:
            assert first.acknowledge_by <= later.acknowledge_by


@tried(100)
@given(policies(st.none()), moments)
def test_working_days_agree_with_another_count(policy: Policy, received_at: datetime) -> None:
    requests = policy.regimes["gdpr"].requests
    number, _, unit = requests.answer.partition(" ")
    found = due(policy, received_at).answer_by
    received = day_of(policy, received_at)
    if unit == "business days":
        # Rolled back first: from a Saturday, Monday is the first business day, not the second.
        assert found == np.busday_offset(received, int(number), roll="backward").item()
    elif unit == "days":
        last = received + timedelta(days=int(number))
        roll = np.busday_offset(last, 0, roll="forward").item()
        assert found == (roll if requests.ends_on_working_day else last)
    elif requests.ends_on_working_day:
        assert np.is_busday(found)
