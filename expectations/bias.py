r"""Bias: whether segments fall evenly on the groups of people.

Belongs here: measures over the counts that come across the bias bridge. Does not belong here: the
verdict on them (``bias_verdicts``), counting (``governance.bias_bridge``), changing segments
(``models``).

Two measures, over the subjects whose attribute is known; :math:`S` is the segment, :math:`G` the
group.

*Representation ratio* of a group in a segment:
:math:`P(G = g \mid S = s) / P(G = g) = P(S = s \mid G = g) / P(S = s)`. 1 at parity; the share of
the group that gets into the segment, against that of everybody. The usual limits, 0.8 to 1.25, are
the four-fifths rule of selection rates (29 CFR 1607.4(D)), which says itself that small numbers
need a test of significance: hence the interval.

*Predictability* of a group: the area under the curve (AUC) of membership as its predictor, the
probability that of two subjects, one of the group and one not, the first sits in the segment where
the group is the more frequent. 0.5 at parity.

A limit is broken when the whole interval, at the policy's confidence, lies beyond it. Each cell is
judged by itself, without a correction for their number (Rothman 1990, "No adjustments are needed
for multiple comparisons", Epidemiology 1:43-46): a correction would ask for the more evidence of
unfairness, the more groups there are to treat unfairly. As parity lies well inside the limits, a
cell at parity is beyond them far more rarely than the confidence says; how many were judged is
stated.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from governance.bias_bridge import Counts

# An interval for a cell with fewer expected subjects is no approximation any more (Cochran 1954,
# "Some methods for strengthening the common chi-squared tests", Biometrics 10:417-451).
LEAST_EXPECTED = 5


class Measure(NamedTuple):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class Cell(NamedTuple):
    """The representation of one group in one segment; None where too few are expected."""

    segment: int
    group: str
    ratio: Measure | None


def risk_ratio(
    cases: int, of: int, other_cases: int, of_others: int, *, confidence: float
) -> Measure:
    """Return the ratio of two independent proportions with its asymptotic score interval.

    Parameters
    ----------
    cases, of
        Of the numerator: ``cases`` among ``of``.
    other_cases, of_others
        Of the denominator.
    confidence
        Of the two-sided interval.

    Returns
    -------
    Measure
        The ratio is infinite if the denominator has no cases and the numerator has.

    Notes
    -----
    Koopman 1984, "Confidence intervals for the ratio of two binomial proportions", Biometrics
    40:513-517. It keeps its coverage where samples are moderate, and gives an answer when one
    proportion is 0, as the logarithmic interval (Katz et al. 1978) does not; recommended by
    Fagerland, Lydersen and Laake 2015, Statistical Methods in Medical Research 24:224-254.
    """
    first, second = cases / of, other_cases / of_others
    value = first / second if second else math.inf if first else 1.0
    limit = NormalDist().inv_cdf((1 + confidence) / 2) ** 2

    def beyond(log_ratio: float) -> bool:
        score = _score(math.exp(log_ratio), cases, of, other_cases, of_others)
        return score > limit

    middle = math.log(value) if 0 < value < math.inf else 0.0
    far = 40.0  # e^40: beyond any ratio of counts
    low = 0.0 if not cases else math.exp(_edge(beyond, middle, -far))
    high = math.inf if not other_cases else math.exp(_edge(beyond, middle, far))
    if not cases:
        high = math.exp(_edge(beyond, -far, far))
    elif not other_cases:
        low = math.exp(_edge(beyond, far, -far))
    return Measure(value, low, high)


def _score(ratio: float, cases: int, of: int, other_cases: int, of_others: int) -> float:
    """Return Koopman's chi-squared statistic of the hypothesis that the ratio is ``ratio``."""
    total = ratio * (of + other_cases) + cases + of_others
    root = math.sqrt(max(total**2 - 4 * ratio * (of + of_others) * (cases + other_cases), 0.0))
    first = min(1.0, (total - root) / (2 * (of + of_others)))  # likeliest under the hypothesis
    second = min(1.0, first / ratio)
    return _distance(cases, of, first) + _distance(other_cases, of_others, second)


def _distance(cases: int, of: int, proportion: float) -> float:
    """Return the square of a count's distance from what a proportion makes one expect, scaled."""
    distance, variance = (cases - of * proportion) ** 2, of * proportion * (1 - proportion)
    if variance > 0:
        return distance / variance
    return 0.0 if distance < 1e-9 else math.inf


def _edge(beyond: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where a condition begins to hold between two points, by bisection."""
    for _ in range(80):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
    return (inside + outside) / 2


def representation(counts: Counts, segment: int, group: str, *, confidence: float) -> Measure:
    """Return the representation ratio of a group in a segment; 1 at parity.

    The segment is a part of everybody, so its share and everybody's are not independent. The
    interval is therefore that of the segment against the rest, which are: with :math:`w` the
    segment's share in all subjects, everybody's proportion is :math:`w` times the segment's and
    :math:`1 - w` times the rest's, so that a ratio :math:`r` to the rest is one of
    :math:`r / (w r + 1 - w)` to everybody, and limits of the one are limits of the other.
    """
    of, everybody = counts.members(segment), counts.members()
    if of == everybody:
        return Measure(1.0, 1.0, 1.0)
    cases = counts.members(segment, group)
    others = counts.members(group=group) - cases
    to_rest = risk_ratio(cases, of, others, everybody - of, confidence=confidence)
    weight = of / everybody
    return Measure(*(_to_everybody(ratio, weight) for ratio in to_rest))


def _to_everybody(ratio: float, weight: float) -> float:
    if math.isinf(ratio):
        return 1 / weight
    return ratio / (weight * ratio + 1 - weight)


def predictability(
    members: Sequence[tuple[int, int]], *, confidence: float, leave_pair_out: bool = True
) -> Measure:
    """Return how well membership predicts a group: the area under the curve; 0.5 at parity.

    Parameters
    ----------
    members
        By segment: subjects of the group, and other subjects.
    confidence
        Of the two-sided interval.
    leave_pair_out
        Whether segments are ranked for each pair of subjects by all the others. Ranked by the pair
        too, segments seem to predict even what is random, the more so the smaller the group.

    Notes
    -----
    Leave-pair-out (Airola et al. 2011, "An experimental comparison of cross-validation techniques
    for estimating the area under the ROC curve", Computational Statistics & Data Analysis
    55:1828-1844) is unbiased, and needs nothing but the counts. The interval is that of Hanley and
    McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143:29-36.
    """
    positives, negatives = (sum(side) for side in zip(*members, strict=True))
    if not positives or not negatives:
        return Measure(0.5, 0.0, 1.0)
    left = 1 if leave_pair_out else 0
    wins = 0.0
    for i, (inside, outside) in enumerate(members):
        for j, (others_inside, others_outside) in enumerate(members):
            if i == j:
                chance = 0.5
            else:
                mine = _rate(inside - left, inside + outside - left)
                theirs = _rate(others_inside, others_inside + others_outside - left)
                chance = 0.5 if mine == theirs else float(mine > theirs)
            wins += chance * inside * others_outside
    area = wins / (positives * negatives)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * _standard_error(area, positives, negatives)
    return Measure(area, max(0.0, area - reach), min(1.0, area + reach))


def _rate(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0


def _standard_error(area: float, positives: int, negatives: int) -> float:
    """Return Hanley and McNeil's standard error of an area under the curve."""
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (positives - 1) * (first - area**2)
        + (negatives - 1) * (second - area**2)
    ) / (positives * negatives)
    return math.sqrt(max(variance, 0.0))


class Judged(NamedTuple):
    """What was measured on one column.

    Attributes
    ----------
    cells
        Representation of every group in every segment.
    areas
        Predictability by group; None where the group is too small.
    """

    cells: list[Cell]
    areas: dict[str, Measure | None]


def measured(counts: Counts, limits: Mapping[str, Any]) -> Judged:
    """Measure representation and predictability wherever there are subjects enough.

    Parameters
    ----------
    limits
        Of which ``smallest_group`` (subjects) and ``confidence`` are used here.
    """
    confidence, everybody = limits["confidence"], counts.members()
    cells, areas = [], {}
    for group in counts.groups:
        size = counts.members(group=group)
        enough = size >= limits["smallest_group"]
        for segment in counts.segments:
            expected = size * counts.members(segment) / everybody
            judged = enough and expected >= LEAST_EXPECTED
            ratio = (
                representation(counts, segment, group, confidence=confidence) if judged else None
            )
            cells.append(Cell(segment, group, ratio))
        members = [
            (inside := counts.members(segment, group), counts.members(segment) - inside)
            for segment in counts.segments
        ]
        areas[group] = predictability(members, confidence=confidence) if enough else None
    return Judged(cells, areas)
