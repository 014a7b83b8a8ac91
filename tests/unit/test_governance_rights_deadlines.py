"""Due dates of rights requests: worked examples under the law, and a regime that is data alone."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from governance.policy.load import load_policy, parse_policy
from governance.policy.model import Policy
from governance.policy.words import REQUEST_TYPES
from governance.rights.deadlines import DueDates, due_dates, regime_of
from tests.fixtures.governance_policy import SMALL, poisoned
from warehouse.errors import UsageError
from warehouse.home import PROJECT

SHIPPED = load_policy(PROJECT / "policy.yaml")  # America/New_York; gdpr without public holidays
GDPR = "age_of_consent: 16}"
IN_GERMANY = (
    "age_of_consent: 16, requests: {answer: 1 month, extension: 2 months,"
    " ends_on_working_day: true, holidays: DE-BE}}"
)
BERLIN = parse_policy(poisoned(GDPR, IN_GERMANY))  # Europe/Berlin


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00")


def answer_by(policy: Policy, regime: str, received: str, **about: bool) -> str:
    return str(due_dates(policy, regime, "access", noon(received), **about).answer_by)


@pytest.mark.parametrize(
    ("received", "answer", "extended"),
    [
        ("2024-03-05", "2024-04-05", "2024-06-05"),  # the day of the same number
        ("2024-01-31", "2024-02-29", "2024-04-30"),  # February has none
        ("2023-01-31", "2023-02-28", "2023-05-02"),  # 30 April: a Sunday; then Labour Day
        ("2023-08-31", "2023-10-02", "2023-11-30"),  # 30 September: a Saturday
        ("2024-02-29", "2024-04-02", "2024-05-29"),  # 29 March: Good Friday, then Easter Monday
        ("2024-11-25", "2024-12-27", "2025-02-25"),  # Christmas Day, then the day after
        ("2024-02-08", "2024-03-11", "2024-05-08"),  # 8 March: a Friday, and a holiday of Berlin's
    ],
)
def test_months_as_union_law_counts_them(received: str, answer: str, extended: str) -> None:
    assert answer_by(BERLIN, "gdpr", received) == answer
    assert answer_by(BERLIN, "gdpr", received, extended=True) == extended


def test_without_a_calendar_weekends_alone_move_the_end() -> None:
    assert answer_by(SHIPPED, "gdpr", "2024-11-25") == "2024-12-25"
    assert answer_by(SHIPPED, "gdpr", "2023-08-31") == "2023-10-02"


def test_without_the_block_it_is_one_month_wherever_it_ends() -> None:
    plain = parse_policy(SMALL)
    assert answer_by(plain, "gdpr", "2023-08-31") == "2023-09-30"
    assert due_dates(plain, "gdpr", "erasure", noon("2024-01-31")) == DueDates(
        None, date(2024, 2, 29)
    )
    with pytest.raises(UsageError, match=r"can't be extended under 'gdpr'"):
        answer_by(plain, "gdpr", "2023-08-31", extended=True)


@pytest.mark.parametrize(
    ("received", "acknowledge", "answer", "extended"),
    [
        # Ten business days past Christmas and New Year; 45 and 90 days, wherever they end.
        ("2017-12-18", "2018-01-03", "2018-02-01", "2018-03-18"),
        ("2024-03-29", "2024-04-15", "2024-05-13", "2024-06-27"),  # past Cesar Chavez Day, observed
        ("2024-11-22", "2024-12-10", "2025-01-06", "2025-02-20"),  # Thanksgiving and the day after
        ("2024-06-01", "2024-06-14", "2024-07-16", "2024-08-30"),  # received on a Saturday
        # 4 July is a Saturday: that Friday is a federal holiday, and none of California's.
        ("2026-07-01", "2026-07-15", "2026-08-15", "2026-09-29"),
    ],
)
def test_days_as_california_counts_them(
    received: str, acknowledge: str, answer: str, extended: str
) -> None:
    found = due_dates(SHIPPED, "ccpa", "access", noon(received))
    assert tuple(map(str, found)) == (acknowledge, answer)
    longer = due_dates(SHIPPED, "ccpa", "access", noon(received), extended=True)
    assert tuple(map(str, longer)) == (acknowledge, extended)


@pytest.mark.parametrize("request_type", ["objection", "limit"])
def test_opt_out_and_limit_have_fifteen_business_days_and_no_more(request_type: str) -> None:
    found = due_dates(SHIPPED, "ccpa", request_type, noon("2017-12-05"))
    assert found == DueDates(None, date(2017, 12, 27))
    with pytest.raises(UsageError, match=r"answer it in 15 business days"):
        due_dates(SHIPPED, "ccpa", request_type, noon("2017-12-05"), extended=True)


def test_the_day_of_receipt_is_the_policys() -> None:
    """At 3 o'clock UTC it is still the day before in New York, whatever zone says so."""
    night = datetime(2024, 7, 2, 3)
    assert due_dates(SHIPPED, "ccpa", "access", night).answer_by == date(2024, 8, 15)
    assert due_dates(SHIPPED, "ccpa", "access", night.replace(tzinfo=UTC)).answer_by == date(
        2024, 8, 15
    )
    tokyo = (night.replace(tzinfo=UTC)).astimezone(timezone(timedelta(hours=9)))
    assert due_dates(SHIPPED, "ccpa", "access", tokyo).answer_by == date(2024, 8, 15)
    assert due_dates(SHIPPED, "ccpa", "access", noon("2024-07-02")).answer_by == date(2024, 8, 16)


def test_every_type_has_a_date_under_every_regime() -> None:
    for regime in SHIPPED.regimes:
        for request_type in REQUEST_TYPES:
            found = due_dates(SHIPPED, regime, request_type, noon("2024-01-31"))
            assert found.answer_by > date(2024, 1, 31)


@pytest.mark.parametrize(
    ("jurisdiction", "regime"),
    [("EU", "gdpr"), (" us-ca ", "ccpa"), ("Atlantis", "gdpr"), ("", "gdpr"), (None, "gdpr")],
)
def test_the_regime_of_a_jurisdiction(jurisdiction: str | None, regime: str) -> None:
    assert regime_of(SHIPPED, jurisdiction) == regime


def test_a_new_regime_is_the_block_that_the_docs_show() -> None:
    page = (PROJECT / "docs/checks.md").read_text()
    block = page.partition("```yaml\nregimes:\n")[2].partition("```")[0]
    assert "lgpd" in block
    text = poisoned("unknown_jurisdiction", block + "unknown_jurisdiction")
    policy = parse_policy(re.sub(r"basis: {gdpr: (\w+)", r"basis: {lgpd: \1, gdpr: \1", text))
    assert regime_of(policy, "br") == "lgpd"
    assert answer_by(policy, "lgpd", "2024-02-20") == "2024-03-06"
    assert due_dates(policy, "lgpd", "erasure", noon("2024-02-20")) == DueDates(
        None, date(2024, 3, 20)
    )
    with pytest.raises(UsageError, match="can't be extended under 'lgpd'"):
        answer_by(policy, "lgpd", "2024-02-20", extended=True)
