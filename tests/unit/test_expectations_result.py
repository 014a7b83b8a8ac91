"""Results of checks, and what may read the crosswalk."""

import re

import pytest

from expectations.result import Result, by_id, result, unjudged
from expectations.sql import pattern
from tests.support.checked import policy
from warehouse.home import PROJECT

ROOMS = ("expectations", "governance", "ingest", "models", "orchestration", "warehouse")


def test_a_verdict_carries_the_limit_of_the_policy() -> None:
    rule = by_id(policy())["retention.offers.household_size"]
    assert unjudged(rule, "no data", rows=3) == Result(
        rule.id, "not judged", None, 90, "no data", {"rows": 3}
    )
    assert not unjudged(rule).holds
    assert (unjudged(rule, "no data").checked, unjudged(rule).checked) == (True, False)
    assert result(rule, "holds", 1, "").holds


@pytest.mark.parametrize(
    ("glob", "matches", "other"),
    [
        ("RX", "rx", "rxs"),
        ("RX", " rx\u00a0\n", "r x"),
        ("*KOSHER*", "fine kosher (meat)", "kashrut"),
        ("a?c", "abc", "ac"),
        ("100%_(x)", "100%_(x)", "1000_(x)"),
        ("a.b{1}", "a.b{1}", "axb"),
        ("été*", "été\nx", "ete"),
    ],
)
def test_pattern(glob: str, matches: str, other: str) -> None:
    assert re.fullmatch(pattern(glob), matches)
    assert not re.fullmatch(pattern(glob), other)


def test_only_these_read_the_crosswalk() -> None:
    read = re.compile(r"\b(from|join) (warehouse\.)?landing\.purpose_keys")
    readers = {
        str(path.relative_to(PROJECT))
        for room in ROOMS
        for path in (PROJECT / room).rglob("*.py")
        if read.search(path.read_text(encoding="utf-8"))
    }
    assert readers == {
        "governance/bias_bridge.py", "governance/consent_relations.py", "expectations/proof.py",
        "expectations/ages.py",  # whose the rows behind a mart are
        "governance/rights/replay.py",  # whose salt is gone, so that no key can be made
        "governance/identity.py",  # whether the vault knows all whom landing holds
        "governance/lapse.py",  # whose rows aren't published
        "governance/released.py",  # whom of those in earlier releases a restored state knows
        "governance/removal.py",  # which purposes there are keys for, and no key
        "governance/rights/discovery.py",  # which rows are nobody's
        "governance/unkeyed.py",  # whether a text names anybody
    }  # fmt: skip
