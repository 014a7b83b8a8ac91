"""Nothing that is read again, or later, sets anybody free who has said nothing new."""

import pytest

from tests.support.feeds import (
    EVENTS,
    PEOPLE,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    sources_in,
    vault,
    write_csv,
)
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")

LATE, EARLY = "2024-06-01 10:00:00", "2024-01-01 10:00:00"


@pytest.mark.parametrize(
    "instead",
    [{"occurred_at": EARLY}, {"occurred_at": LATE, "purpose": "churn_prevention"}],
    ids=["before the grant", "another purpose"],
)
def test_no_denial_comes_to_deny_nothing(tmp_path, instead):
    """There are as many words and denials as before."""
    columns = {name: name for name in EVENTS} | {"notice_version": {"constant": 1}}
    fill(tmp_path, consent_events=[event(), event(action="withdrawn", occurred_at=LATE)])
    load(sources_in(tmp_path, consent_events=declared("consent_events", columns=columns)))
    landed = ask("from landing.consent_events order by all")
    fill(tmp_path, consent_events=[event(), event(action="withdrawn", **instead)])
    changed = declared("consent_events", columns=columns, future_tolerance_minutes=61)
    with pytest.raises(UsageError, match=r"undo the denials of 1 subject\(s\)"):
        load(sources_in(tmp_path, consent_events=changed))
    assert ask("from landing.consent_events order by all") == landed


def test_no_child_is_forgotten(tmp_path):
    fill(tmp_path, customers=[("ann", "Ann Lee", "a@x.org", "EU", "12")])
    load(sources_in(tmp_path, customers=declared("customers")))
    fill(tmp_path, customers=[("bob", "Bob Lee", "b@x.org", "EU", "41")])
    changed = declared("customers", future_tolerance_minutes=61)
    with pytest.raises(UsageError, match=r"1 subject\(s\) known to be children"):
        load(sources_in(tmp_path, customers=changed))
    assert ask("select age_years from landing.customers") == [(12,)]
    assert vault("select full_name from vault.identifiers") == [("Ann Lee",)]


def test_a_child_stays_one_until_another_age_is_told(tmp_path):
    def told(age):
        return [("ann", "Ann Lee", "a@x.org", "EU", age)]

    def age():
        return ask("select age_years from landing.customers")

    fill(tmp_path, customers=told("12"))
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    write_csv(tmp_path / "customers2.csv", PEOPLE, told(None))
    load(sources)
    assert age() == [(12,)]
    write_csv(tmp_path / "customers3.csv", PEOPLE, told("41"))
    load(sources)
    assert age() == [(41,)]
    write_csv(tmp_path / "customers4.csv", PEOPLE, told(None))
    load(sources)
    assert age() == [(None,)]  # of somebody of age, it forbids nothing
    must_reconcile()
