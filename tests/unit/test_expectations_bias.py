"""Measures of bias and their verdict, from counts alone."""

import itertools
import math
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.bias import measured, predictability, representation, risk_ratio
from expectations.bias_verdicts import figures_of, judge
from expectations.result import by_id
from governance.bias_bridge import SMALLER, Counts
from governance.policy.rules import Rule
from tests.support.checked import policy

EVEN = {(s, g): n for s in (1, 2, 3) for g, n in (("young", 100), ("old", 200))}


@pytest.fixture
def rule() -> Rule:
    return by_id(policy())["bias.segmentation.age_band"]


def counts(known: dict[tuple[int, str], int], unknown: dict[int, int] | None = None) -> Counts:
    return Counts("age_band", dict(known), unknown or {1: 10, 2: 10, 3: 10})


def shown(rule: Rule, of: Counts) -> dict[str, Any]:
    return figures_of(rule, of, nearest=5)


def test_counts() -> None:
    even = counts(EVEN)
    assert (even.segments, even.groups) == ([1, 2, 3], ["old", "young"])
    assert (even.members(), even.members(2), even.members(2, "old")) == (900, 300, 200)
    assert even.members(group="young") == 300
    assert even.coverage == pytest.approx(900 / 930)
    assert Counts("x").coverage == 0


def test_even_segments_hold(rule: Rule) -> None:
    found = judge(rule, counts(EVEN))
    assert (found.status, found.why) == ("holds", "no interval lies beyond a limit")
    observed = shown(rule, counts(EVEN))["observed"]
    assert observed["representation_ratio"] == [1, 1]
    assert observed["predictability"] <= 0.5
    assert observed["judged"] == "6 of 6 pairs of group and segment"


def test_uneven_segments_break(rule: Rule) -> None:
    uneven = counts(EVEN | {(1, "young"): 200, (1, "old"): 100})
    found = judge(rule, uneven)
    assert found.status == "broken"
    assert "'young' is represented in segment 1 more than 1.25 times as much as" in found.why
    assert "'old' is represented in segment 1 less than 0.8 times as much as overall" in found.why
    assert shown(rule, uneven)["observed"]["representation_ratio"][1] == 1.5


def test_predictable_group_breaks_though_no_cell_does(rule: Rule) -> None:
    limits = {**rule.limit, "representation_ratio": [0.01, 100]}
    tilted = Rule(rule.id, rule.kind, rule.purpose, rule.about, limits, "", "")
    found = judge(tilted, counts({(1, "a"): 190, (1, "b"): 60, (2, "a"): 10, (2, "b"): 140}))
    assert found.status == "broken"
    assert "AUC" in found.why
    assert "represented" not in found.why


def test_an_interval_that_reaches_the_limit_does_not_break(rule: Rule) -> None:
    few = {key: n // 10 for key, n in EVEN.items()} | {(1, "young"): 15, (1, "old"): 15}
    assert judge(rule, counts(few)).status == "holds"
    found = shown(rule, counts(few))
    assert found["observed"]["representation_ratio"][1] > 1.25
    # What is shown beside the limit says why.
    figures = re.findall(r"(\d\.\d\d) \((\d\.\d\d) to (\d\.\d\d)\)", found["words"])
    (_, _, reaches), (most, from_, _), (area, _, _) = [map(float, f) for f in figures]
    assert reaches > 0.8
    assert from_ < 1.25 < most
    assert area == pytest.approx(found["observed"]["predictability"], abs=0.005)
    many = {key: n * 400 for key, n in few.items()}
    assert judge(rule, counts(many)).status == "broken"


def test_small_groups_are_not_judged_and_show_no_count(rule: Rule) -> None:
    rare = counts(EVEN | {(2, "rare"): 9})
    assert judge(rule, rare).status == "holds"
    found = shown(rule, counts(EVEN | {(2, "rare"): 7}))
    assert found["observed"]["judged"] == "6 of 9 pairs of group and segment"
    assert "3 pairs are too small" in found["words"]
    _, judged = found["details"]["age_band: representation"]
    assert (2, SMALLER, "not judged", "", "") in judged
    _, judged = found["details"]["age_band: predictability"]
    assert (SMALLER, "not judged", "", "") in judged
    assert "rare" not in str(found) + str(judge(rule, rare))
    # Ten subjects are a group, but too few for an interval in any of three segments.
    ten = counts(EVEN | {(2, "rare"): 10})
    assert shown(rule, ten)["observed"]["judged"].startswith("6 of 9")
    assert judge(rule, counts(EVEN | {(2, "rare"): 30})).status == "broken"


@given(st.lists(st.tuples(st.integers(2, 16), st.integers(-2, 2)), min_size=6, max_size=6))
def test_figures_are_those_of_the_nearest_five(drawn: list[tuple[int, int]]) -> None:
    """So one more or less of a group in a segment can't be told from four others."""
    rule = by_id(policy())["bias.segmentation.age_band"]
    cells = [(s, g) for s in (1, 2, 3) for g in ("young", "old")]
    exact = {cell: 5 * fives + by for cell, (fives, by) in zip(cells, drawn, strict=True)}
    near = {cell: 5 * fives for cell, (fives, _) in zip(cells, drawn, strict=True)}
    assert shown(rule, counts(exact, {1: 12})) == shown(rule, counts(near, {1: 10}))


def test_groups_that_are_spelt_apart_are_judged_together(rule: Rule) -> None:
    apart = [name + blank for name in ("Old", "old", "OLD", "oLd") for blank in ("", " ", "  ")]
    alike = {(s, "young"): 400 for s in (1, 2, 3)} | {(s, "old"): 200 for s in (1, 2)}
    spelt = {(s, g): n for (s, g), n in alike.items() if g == "young"}
    spelt |= {(s, g): 2 for s in (1, 2) for g in apart} | {(3, "OLD"): 1}
    few = judge(rule, counts(spelt))
    assert few.status == "broken"
    assert "'OLD'" in few.why
    others = {(s, f"other {n}"): 3 for s in (1, 2) for n in range(40)}
    strange = judge(rule, counts({(s, "young"): 400 for s in (1, 2, 3)} | others))
    assert strange.status == "broken"
    assert f"'{SMALLER}' is represented in segment 3 less than 0.8 times" in strange.why


def test_a_segment_of_few_is_measured_neither_by_itself_nor_by_the_others(rule: Rule) -> None:
    found = judge(rule, counts(EVEN | {(4, "young"): 1}))
    assert (found.status, found.why) == ("not judged", "segment 4 has fewer than 10 subjects")
    figures = shown(rule, counts(EVEN | {(4, "young"): 1}))
    assert figures["observed"] is None
    assert list(figures["details"]) == ["age_band: coverage"]


def test_nothing_to_judge(rule: Rule) -> None:
    tiny = judge(rule, counts({(1, "a"): 4, (2, "b"): 4}))
    assert (tiny.status, tiny.observed) == ("not judged", None)
    unknown = judge(rule, counts(EVEN, {1: 5000}))
    assert unknown.status == "not judged"
    assert "less than 20%" in unknown.why
    assert shown(rule, counts(EVEN, {1: 5000}))["words"].startswith("15% of subjects")
    assert judge(rule, Counts("age_band")).status == "not judged"


def test_representation_is_against_everybody() -> None:
    uneven = counts({(1, "a"): 30, (1, "b"): 70, (2, "a"): 60, (2, "b"): 240})
    ratio = representation(uneven, 1, "a", confidence=0.95)
    assert ratio.value == pytest.approx((30 / 100) / (90 / 400))
    assert ratio.low < ratio.value < ratio.high
    # Both ends map to the interval against the rest, which is the one of two independent samples.
    to_rest = risk_ratio(30, 100, 60, 300, confidence=0.95)
    for of_all, of_rest in zip(ratio, to_rest, strict=True):
        assert of_all == pytest.approx(of_rest / (0.25 * of_rest + 0.75))
    absent = counts({(1, "a"): 0, (1, "b"): 70, (2, "a"): 60, (2, "b"): 240})
    assert representation(absent, 1, "a", confidence=0.95).value == 0
    all_in = representation(counts({(1, "a"): 3, (1, "b"): 7}, {}), 1, "a", confidence=0.95)
    assert all_in == (1, 1, 1)
    only_there = counts({(1, "a"): 50, (1, "b"): 50, (2, "b"): 300})
    assert representation(only_there, 1, "a", confidence=0.95).value == pytest.approx(4)


def test_risk_ratio_covers_its_truth() -> None:
    """Count, over every outcome of two small samples, how often the interval covers."""
    of, others, first, second = 30, 40, 0.3, 0.2

    def chance(cases: int, of: int, p: float) -> float:
        return math.comb(of, cases) * p**cases * (1 - p) ** (of - cases)

    covered = sum(
        chance(x, of, first) * chance(y, others, second)
        for x, y in itertools.product(range(of + 1), range(others + 1))
        if (interval := risk_ratio(x, of, y, others, confidence=0.9))
        and interval.low <= first / second <= interval.high
    )
    assert 0.88 < covered < 0.93


@pytest.mark.parametrize("cases", [(0, 50, 30, 500), (30, 50, 0, 500), (50, 50, 100, 500),
                                   (10, 50, 500, 500), (50, 50, 500, 500)])  # fmt: skip
def test_risk_ratio_at_the_edges(cases: tuple[int, int, int, int]) -> None:
    ratio = risk_ratio(*cases, confidence=0.95)
    assert ratio.low <= ratio.value <= ratio.high
    x, n, y, m = cases
    mirrored = risk_ratio(y, m, x, n, confidence=0.95)
    assert (mirrored.low == 0) == (ratio.high == math.inf)
    if mirrored.low:
        assert 1 / mirrored.low == pytest.approx(ratio.high, rel=1e-6)


def test_predictability_of_nothing_is_a_half() -> None:
    """Random membership of small groups: ranked by themselves, segments seem to predict."""
    draw = random.Random(7)  # noqa: S311
    areas: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(400):
        segments = [0] * 8
        others = [0] * 8
        for i in range(120):
            place = draw.randrange(8)
            (segments if i < 30 else others)[place] += 1
        members = list(zip(segments, others, strict=True))
        for left in areas:
            areas[left].append(predictability(members, confidence=0.95, leave_pair_out=left).value)
    honest, flattered = (sum(areas[left]) / 400 for left in (True, False))
    assert honest == pytest.approx(0.5, abs=0.02)
    assert flattered > 0.58


def test_predictability_is_the_share_of_pairs_won() -> None:
    members = [(8, 2), (3, 9), (1, 7)]
    pairs = won = 0.0
    for (i, mine), (j, theirs) in itertools.product(enumerate(members), repeat=2):
        rate_i, rate_j = mine[0] / sum(mine), theirs[0] / sum(theirs)
        pairs += mine[0] * theirs[1]
        won += mine[0] * theirs[1] * (0.5 if i == j else rate_i > rate_j)
    found = predictability(members, confidence=0.95, leave_pair_out=False)
    assert found.value == pytest.approx(won / pairs)
    assert predictability([(5, 0), (0, 5)], confidence=0.95).value == 1
    assert predictability([(0, 5), (0, 5)], confidence=0.95).value == 0.5
    # A subject alone in a segment says nothing of it.
    assert predictability([(1, 0), (0, 1)], confidence=0.95).value == 0.5


def test_measured_skips_what_is_too_small() -> None:
    limits = {"confidence": 0.95, "smallest_group": 150}
    found = measured(counts(EVEN | {(1, "few"): 149}), limits)
    assert found.areas["few"] is None
    assert found.areas["old"] is not None
    assert {cell.group for cell in found.cells if cell.ratio is None} == {"few"}
