"""The demo's consent events: what the scenarios promise is what the events say.

Permission is derived here a second time, in plain Python and from the rows alone, so that the
figures in the notice are held to the events and not to the table that made them.
"""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from examples.journey import consents, feeds, rights
from examples.journey.scenarios import ASKED, BIAS, BY_PURPOSE, HOUSEHOLD_WIDE, OFFERS, SEGMENTATION

ROOT = Path(__file__).parents[2]
END = datetime(2018, 1, 1)
DENIALS = ("withdrawn", "objected", "opted_out")
PURPOSES = (*ASKED, BIAS)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return feeds.consent_events().to_pylist()


@pytest.fixture(scope="module")
def customer_ids() -> set[str]:
    return set(feeds.customers()["customer_id"].to_pylist())


@pytest.fixture(scope="module")
def policy() -> dict:
    return YAML(typ="safe").load((ROOT / "policy.yaml").read_text())["purposes"]


@pytest.fixture(scope="module")
def by_customer(rows) -> dict[str, list[dict]]:
    events: dict[str, list[dict]] = {}
    for row in rows:
        events.setdefault(row["customer_id"], []).append(row)
    return events


def moment(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def is_readable(row: dict) -> bool:
    when = moment(row["occurred_at"])
    known = (*DENIALS, "granted", "opted_in")
    return row["action"] in known and when is not None and when < END


def covers(row: dict, name: str, purpose: dict) -> bool:
    if row["signal"] == "gpc":
        return purpose["sale_or_share"]
    return row["purpose"] in (name, None)


def is_permitted(events: list[dict], name: str, purpose: dict) -> bool:
    if not all(map(is_readable, events)):
        return False
    mine = [(moment(row["occurred_at"]), row) for row in events if covers(row, name, purpose)]
    denied = max((when for when, row in mine if row["action"] in DENIALS), default=datetime.min)
    objected = max((when for when, row in mine if row["action"] == "objected"), default=None)
    if purpose["basis"]["gdpr"] != "consent":
        return denied == datetime.min
    return any(
        when > denied
        and (row["purpose"] is not None or objected is None)
        and (row["notice_version"] or 0) >= purpose["notice_version"]
        and when + timedelta(days=purpose["consent_valid_days"]) >= END
        for when, row in mine
        if row["action"] in ("granted", "opted_in")
    )


def permitted(by_customer, customer_ids, policy, name: str) -> set[str]:
    return {
        customer
        for customer in customer_ids
        if is_permitted(by_customer.get(customer, []), name, policy[name])
    }


@pytest.mark.parametrize(
    ("name", "households"),
    [
        ("segmentation", 2090),
        ("personalised_offers", 1059),
        ("churn_prevention", 1599),
        (BIAS, 2334),
    ],
)
def test_events_permit_whom_the_scenarios_promise(
    by_customer, customer_ids, policy, name, households
):
    from_events = permitted(by_customer, customer_ids, policy, name)
    pairs = consents.assignments(sorted(int(value[3:10]) for value in customer_ids))
    promised = {
        consents.customer_id(number) for number, scenario in pairs if name in scenario.permitted
    }
    if name == BIAS:
        wide = {consents.customer_id(n) for n, scenario in pairs if scenario in HOUSEHOLD_WIDE}
        promised |= customer_ids - wide
    assert from_events == promised
    assert len(from_events) == households


def test_the_second_derivation_tells_a_denial_from_a_grant(policy):
    grant = {
        "action": "granted",
        "purpose": OFFERS,
        "signal": None,
        "occurred_at": "2017-03-01 10:00:00",
        "notice_version": 2,
    }
    rules = policy[OFFERS]
    assert is_permitted([grant], OFFERS, rules)
    for spoiled in (
        grant | {"notice_version": 1},
        grant | {"occurred_at": "2016-12-01 10:00:00"},
        grant | {"occurred_at": "n/a"},
        grant | {"purpose": SEGMENTATION},
    ):
        assert not is_permitted([spoiled], OFFERS, rules)
    signal = grant | {"action": "opted_out", "purpose": None, "signal": "gpc"}
    assert not is_permitted([grant, signal], OFFERS, rules)


def test_fifteen_rows_are_unreadable_each_of_another_known_household(rows, customer_ids):
    bad = [row for row in rows if not is_readable(row)]
    assert len(bad) == len({row["customer_id"] for row in bad}) == len(consents.UNREADABLE) == 15
    assert {row["customer_id"] for row in bad} <= customer_ids


def test_arrivals_are_repeated_displaced_late_and_of_strangers(rows, customer_ids):
    frozen = [tuple(row.items()) for row in rows]
    assert len(frozen) - len(set(frozen)) == consents.DUPLICATES == 40
    strangers = [row["customer_id"] for row in rows if row["customer_id"] not in customer_ids]
    assert (len(strangers), len(set(strangers))) == (50, consents.UNKNOWN_CUSTOMERS)
    arrivals = [row["recorded_at"] or row["occurred_at"] for row in rows if is_readable(row)]
    assert sum(later < earlier for earlier, later in pairwise(arrivals)) > 60
    late = {
        tuple(row.items())
        for row in rows
        if row["recorded_at"]
        and moment(row["recorded_at"]) - moment(row["occurred_at"]) > timedelta(days=19)
    }
    assert len(late) == 57
    assert sum(row["recorded_at"] is None for row in rows) == 773


def test_every_action_signal_and_kind_of_denial_occurs(rows):
    kinds = Counter((row["action"], row["purpose"], row["signal"]) for row in rows)
    assert kinds["opted_out", None, "gpc"] >= 192
    assert kinds["objected", BIAS, None] >= 30
    for kind in (
        ("granted", None, None),
        ("withdrawn", None, None),
        ("opted_out", None, None),
        ("objected", None, None),
        ("opted_in", SEGMENTATION, None),
    ):
        assert kinds[kind] > 0


def test_the_natural_key_in_sources_tells_repetitions_from_other_events(rows):
    sources = YAML(typ="safe").load((ROOT / "sources.yaml").read_text())
    key = sources["feeds"]["consent_events"]["natural_key"]
    good = {tuple(row.items()) for row in rows if is_readable(row)}
    assert len({tuple(dict(row)[column] for column in key) for row in good}) == len(good)


def test_times_keep_clear_of_daylight_saving_and_of_the_clock(rows):
    times = [
        moment(row[column])
        for row in rows
        if is_readable(row)
        for column in ("occurred_at", "recorded_at")
        if row[column]
    ]
    assert all(7 <= when.hour <= 21 and when < END for when in times)


def test_events_are_the_same_on_every_call(rows):
    assert feeds.consent_events().to_pylist() == rows


def test_requests_come_from_households_that_granted_and_none_is_erased(
    by_customer, customer_ids, policy
):
    requests = feeds.rights_requests().to_pylist()
    assert len(requests) == len({row["customer_id"] for row in requests}) == 12
    assert {row["customer_id"] for row in requests} <= permitted(
        by_customer, customer_ids, policy, SEGMENTATION
    )
    held = [r for r in requests if r["status"] == "open" and r["type"] in rights.HOLDING_TYPES]
    assert Counter(row["type"] for row in held) == {"erasure": 2, "restriction": 1, "objection": 1}
    assert ("erasure", "fulfilled") not in {(row["type"], row["status"]) for row in requests}


def test_the_notice_says_how_many_are_permitted(by_customer, customer_ids, policy):
    held = {
        row["customer_id"]
        for row in feeds.rights_requests().to_pylist()
        if row["status"] == "open" and row["type"] in rights.HOLDING_TYPES
    }
    based = [permitted(by_customer, customer_ids, policy, name) for name in PURPOSES]
    notice = (ROOT / "examples" / "journey" / "notice.md").read_text()
    for label, groups in (
        ("with a basis and no unreadable event", based),
        ("of these, not held back by an open request", [group - held for group in based]),
    ):
        cells = " | ".join(f"{len(group):,}" for group in groups)
        assert f"| {label} | {cells} |" in notice


def test_the_notice_counts_what_the_scenarios_hold():
    notice = (ROOT / "examples" / "journey" / "notice.md").read_text()
    for scenario in HOUSEHOLD_WIDE:
        promised = ", ".join(scenario.permitted) or "none"
        assert f"| {scenario.name} | {scenario.households} | {promised} |" in notice
    others = 2_469 - sum(scenario.households for scenario in HOUSEHOLD_WIDE)
    counts: dict[str, dict[str, int]] = {}
    for purpose, scenarios in BY_PURPOSE.items():
        left = others - sum(s.households for s in scenarios if s.households > 0)
        for scenario in scenarios:
            number = left if scenario.households < 0 else scenario.households
            counts.setdefault(scenario.name, {})[purpose] = number
    for name, numbers in counts.items():
        cells = " | ".join(f"{numbers.get(purpose, 0):,}" for purpose in ASKED)
        assert f"| {name} | {cells} |" in notice
