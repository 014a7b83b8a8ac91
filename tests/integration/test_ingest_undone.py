"""Nothing that is read again, or later, sets anybody free who has said nothing new."""

import pytest

from tests.support.feeds import (
    EVENTS,
    PEOPLE,
    UTC_POLICY,
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
    with pytest.raises(UsageError, match=r"of 1 subject\(s\) that are, or may be, children"):
        load(sources_in(tmp_path, customers=changed))
    assert ask("select age_years from landing.customers") == [(12,)]
    assert vault("select full_name from vault.identifiers") == [("Ann Lee",)]


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (["14", None], 14),
        (["17", None, None], 17),  # below no age of consent yet, but that may be raised
        (["18", None], None),
        (["14", "41", None], None),
        (["41", "14", None], 14),
        ([None, "14", None], 14),
    ],
)
def test_a_child_stays_one_within_one_load(tmp_path, files, told, kept):
    rows = [("ann", "Ann Lee", f"{i}@x.org", "EU", age) for i, age in enumerate(told)]
    fill(tmp_path, customers=rows[:-1] if files == 2 else rows)
    write_csv(tmp_path / "customers2.csv", PEOPLE, rows[-1:] if files == 2 else [])
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    assert ask("select age_years from landing.customers") == [(kept,)]
    assert vault("select email from vault.identifiers") == [(f"{len(told) - 1}@x.org",)]
    must_reconcile()
    write_csv(tmp_path / "customers3.csv", PEOPLE, rows)  # all of it once more
    load(sources)
    assert ask("select age_years from landing.customers") == [(kept,)]
    must_reconcile()


def test_an_age_below_a_limit_that_was_raised_since_was_kept(tmp_path):
    def policy(age):
        regimes = {name: regime.model_copy(update={"age_of_consent": age})
                   for name, regime in UTC_POLICY.regimes.items()}  # fmt: skip
        return UTC_POLICY.model_copy(update={"regimes": regimes})

    people = [("teen", None, None, "EU", "17"), ("adult", None, None, "EU", "20")]
    fill(tmp_path, customers=people)
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources, policy(16))
    nothing = [(name, "", "", "EU", None) for name in ("teen", "adult")]
    write_csv(tmp_path / "customers2.csv", PEOPLE, nothing)
    load(sources, policy(21))
    assert ask("select age_years from landing.customers order by 1") == [(17,), (20,)]
    write_csv(tmp_path / "customers3.csv", PEOPLE, people)
    write_csv(tmp_path / "customers4.csv", PEOPLE, nothing)
    load(sources, policy(16))
    assert ask("select age_years from landing.customers order by 1") == [(17,), (None,)]


def ages(**columns):
    return declared("customers", columns={name: name for name in PEOPLE} | columns)


THIRTEEN = {"expression": "coalesce(try_cast(age_years as integer), 13)"}


@pytest.mark.parametrize(
    ("age", "changes", "found"),
    [
        ("13", {"future_tolerance_minutes": 61}, [(13,)]),
        ("teen", {"future_tolerance_minutes": 61}, []),  # holds its subject as it did
        ("thirteen", ages(age_years=THIRTEEN), [(13,)]),
    ],
)
def test_who_may_be_a_child_is_held_or_has_an_age_when_read_again(tmp_path, age, changes, found):
    fill(tmp_path, customers=[("ann", "Ann Lee", "a@x.org", "EU", "thirteen")])
    load(sources_in(tmp_path, customers=ages()))
    fill(tmp_path, customers=[("ann", "Ann Lee", "a@x.org", "EU", age)])
    load(sources_in(tmp_path, customers=ages() | changes))
    assert ask("select age_years from landing.customers") == found
    held = ask("select count(*) from landing.quarantine where resolved_at is null")
    assert held == [(0 if found else 1,)]


@pytest.mark.parametrize("age", [None, "gone"])
def test_who_may_be_a_child_is_not_set_free_by_reading_again(tmp_path, age):
    ann, bob = [(name, None, None, "EU", "thirteen") for name in ("ann", "bob")]
    fill(tmp_path, customers=[ann])
    load(sources_in(tmp_path, customers=ages()))
    landed = ask("from landing.quarantine")
    fill(tmp_path, customers=[(*ann[:4], None)] if age is None else [bob])
    changed = ages() | {"future_tolerance_minutes": 61}
    with pytest.raises(UsageError, match=r"of 1 subject\(s\) that are, or may be, children"):
        load(sources_in(tmp_path, customers=changed))
    assert ask("from landing.quarantine") == landed


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
