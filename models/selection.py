"""Choosing features, method and number of segments by a stated rule.

Belongs here: the rule, the table that shows how every candidate stands, the choice in words. Does
not belong here: the limits (the policy's; handed in), measuring (``models.candidates``).

The rule
--------
1. Candidates are fitted on the features of an earlier day and judged by the share of variance that
   their segments explain, out of sample, of spend and of visits in the 8 weeks after that day; the
   score is the mean of the two shares.
2. A candidate is fit to be chosen if its smallest segment, on that day and on the current one, is
   large enough, its bootstrap stability reaches the least stability, and the caller's judge, if
   there is one, has nothing against it.
3. Of those, whatever lies within one standard error of the best (paired bootstrap of the difference
   of scores) counts as level with it: the one-standard-error rule (Breiman et al. 1984,
   Classification and Regression Trees, section 3.4.3).
4. Among these the recipe in force wins, if it is one of them: a fit on nearly the same subjects
   shouldn't shuffle them. Else the fewest segments win, then the fewest features, then the highest
   score.

Stability, the current day and the judge are consulted only for candidates on which the choice
depends (and for the best of each method, for comparison), unless everything is asked for.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.candidates import Measured, candidates, codes_smallest, measure, sampled
from models.features import Scale
from models.model import fit_model
from models.recipe import METHODS, SCALES, Method, Recipe
from models.stability import bootstrap_stability

# Given a recipe and the segment of every current subject: an objection in words, or "".
Judge = Callable[[Recipe, pd.Series], str]


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule.

    Attributes
    ----------
    segments
        Smallest and largest number of segments.
    smallest
        Subjects that the smallest segment must have.
    margin
        By what factor it must be larger on the current day, so that it doesn't slip under
        before the next fit.
    stability
        Least mean adjusted Rand index over bootstrap resamples. 0.65: "moderate recovery" in
        Steinley (2004).
    methods, scales
        Which to try.
    max_rows
        Selection uses at most this many subjects, chosen by a seeded hash of their values.
    resamples
        Bootstrap resamples for standard errors.
    stability_resamples
        Bootstrap resamples for stability.
    n_starts
        Starts of k-means during selection.
    seed
        Seed of everything drawn.
    """

    segments: tuple[int, int] = (3, 8)
    smallest: int = 50
    margin: float = 1.2
    stability: float = 0.65
    methods: tuple[Method, ...] = METHODS
    scales: tuple[Scale, ...] = SCALES
    max_rows: int = 10_000
    resamples: int = 200
    stability_resamples: int = 20
    n_starts: int = 5
    seed: int = 0

    @property
    def least(self) -> int:
        """Subjects that the smallest segment must have on the current day."""
        return math.ceil(self.smallest * self.margin)

    def told(self, size: int) -> int:
        """Return a size as cards tell it, in whole multiples of the least that is asked for.

        They are written with every fit, and released figures aren't: two exact sizes that differ by
        a person would tell of that person.
        """
        return size - size % self.smallest


@dataclass(frozen=True)
class Choice:
    """What was chosen and why.

    Attributes
    ----------
    recipe
        The chosen recipe.
    reason
        Why, in words.
    table
        One row per candidate, the best score first (``comparison``).
    left_out
        Features without a source.
    """

    recipe: Recipe
    reason: str
    table: pd.DataFrame
    left_out: list[str]


@dataclass
class _Checks:
    """What is only looked at when the choice depends on it, each at most once."""

    rule: Rule
    sample: pd.DataFrame
    current: pd.DataFrame | None
    judge: Judge | None
    stability: dict[Recipe, float] = field(default_factory=dict)
    objections: dict[Recipe, str] = field(default_factory=dict)
    in_force: Recipe | None = None

    def stable(self, recipe: Recipe) -> float:
        """Return the bootstrap stability, -1 where resamples can't be fitted."""
        if recipe not in self.stability:
            try:
                self.stability[recipe] = bootstrap_stability(
                    self.sample,
                    recipe,
                    resamples=self.rule.stability_resamples,
                    n_starts=self.rule.n_starts,
                    seed=self.rule.seed,
                )
            except ValueError:
                self.stability[recipe] = -1.0
        return self.stability[recipe]

    def objection(self, recipe: Recipe) -> str:
        """Return what speaks against a recipe of sufficient size on the earlier day, or ""."""
        if recipe not in self.objections:
            self.objections[recipe] = self._instability(recipe) or self._now(recipe)
        return self.objections[recipe]

    def _instability(self, recipe: Recipe) -> str:
        found = self.stable(recipe)
        return "" if found >= self.rule.stability else f"stability {found:.2f}"

    def _now(self, recipe: Recipe) -> str:
        if self.current is None:
            return ""
        try:
            segments = fit_model(self.current, recipe).assign(self.current)
        except ValueError as error:
            return f"on the current day: {error}"
        smallest = codes_smallest(segments)
        if smallest < self.rule.least:
            return f"smallest segment now below {self.rule.least}"
        return self.judge(recipe, segments) if self.judge else ""


def choose(
    earlier: pd.DataFrame,
    rule: Rule | None = None,
    *,
    current: pd.DataFrame | None = None,
    forbidden: Collection[str] = (),
    judge: Judge | None = None,
    in_force: Recipe | None = None,
    measure_all: bool = False,
    subjects: int | None = None,
) -> Choice:
    """Choose a recipe by the rule at the head of this module.

    Parameters
    ----------
    earlier
        One row per subject: features at the earlier day, ``following_value``, ``following_visits``.
    rule
        The numbers of the rule.
    current
        Features at the current day. Given, a choice must have segments large enough there too; no
        outcome of that day is looked at.
    forbidden
        Features that no candidate may use.
    judge
        Asked, with the segments of ``current``, about a candidate that would be chosen; an answer
        other than "" turns it down and is shown in the table.
    in_force
        The recipe of the model that the choice may replace; it stays if nothing better is found.
    measure_all
        Also measure the stability of candidates on which the choice doesn't depend.
    subjects
        How many there were on the earlier day, if ``earlier`` is a sample of them.

    Raises
    ------
    ValueError
        If nothing can be tried, data are missing or too few, or no candidate passes.
    """
    rule = rule or Rule()
    if judge is not None and current is None:
        raise ValueError("a judge needs the current features")
    recipes, left_out = candidates(
        earlier,
        rule.segments,
        smallest=rule.smallest,
        forbidden=forbidden,
        methods=rule.methods,
        scales=rule.scales,
        seed=rule.seed,
    )
    sample = sampled(earlier, recipes, rule.max_rows, rule.seed)
    measured = measure(
        recipes,
        sample,
        subjects=subjects or len(earlier),
        resamples=rule.resamples,
        n_starts=rule.n_starts,
        seed=rule.seed,
    )
    checks = _Checks(rule, sample, current, judge, in_force=in_force)
    best, chosen = _decide(measured, checks)
    for other in measured if measure_all else _best_of_each_method(measured, rule):
        if not other.failure:
            checks.stable(other.recipe)
    table = comparison(measured, checks.stability, checks.objections, best, chosen, rule)
    return Choice(chosen.recipe, _reason(chosen, best, checks), table, left_out)


def _decide(measured: Sequence[Measured], checks: _Checks) -> tuple[Measured, Measured]:
    """Return the best fit candidate and the chosen one."""
    large = [m for m in measured if not m.failure and m.smallest >= checks.rule.smallest]
    by_score = sorted(large, key=_by_score)
    best = next((m for m in by_score if not checks.objection(m.recipe)), None)
    if best is None:
        raise ValueError(_nobody(measured, large, checks))
    level = [m for m in large if _behind(best, m) <= standard_error(best, m)]
    level.sort(
        key=lambda m: (m.recipe != checks.in_force, m.recipe.n_segments, len(m.recipe.features),
                       *_by_score(m))
    )  # fmt: skip
    return best, next(m for m in level if not checks.objection(m.recipe))


def _by_score(one: Measured) -> tuple[float, int, int, str]:
    return (-one.score, one.recipe.n_segments, len(one.recipe.features), one.recipe.title())


def _behind(best: Measured, other: Measured) -> float:
    return best.score - other.score


def standard_error(one: Measured, other: Measured) -> float:
    """Return the standard error of the difference of two scores, from shared resamples."""
    return float(np.nanstd(one.resampled - other.resampled, ddof=1))


def _best_of_each_method(measured: Sequence[Measured], rule: Rule) -> list[Measured]:
    found: dict[str, Measured] = {}
    for one in sorted((m for m in measured if m.smallest >= rule.smallest), key=_by_score):
        found.setdefault(one.recipe.method, one)
    return list(found.values())


def _nobody(measured: Sequence[Measured], large: Sequence[Measured], checks: _Checks) -> str:
    rule = checks.rule
    if not large:
        return (
            f"no candidate has {rule.smallest} subjects in its smallest segment: ask for fewer "
            "segments or smaller ones, and look whether most subjects may be processed at all"
        )
    steadiest = max(checks.stability.values(), default=float("nan"))
    return (
        f"none of {len(large)} candidates with segments large enough passes: the highest stability "
        f"is {steadiest:.2f} (asked for: {rule.stability:.2f}); objections: "
        + "; ".join(sorted(set(checks.objections.values()))[:3])
    )


def _reason(chosen: Measured, best: Measured, checks: _Checks) -> str:
    recipe = chosen.recipe
    if chosen is best:
        place = "the highest score of all that pass"
    elif recipe == checks.in_force:
        place = (
            f"within one standard error ({standard_error(best, chosen):.3f}) of the highest "
            f"score that passes ({best.score:.3f}, {best.recipe.title()}), and in force already"
        )
    else:
        place = (
            f"within one standard error ({standard_error(best, chosen):.3f}) of the highest "
            f"score that passes ({best.score:.3f}, {best.recipe.title()}), with fewer segments or "
            "features"
        )
    explained = " and ".join(f"{share:.1%} of {name}" for name, share in chosen.shares.items())
    return (
        f"{recipe.title()}; features: {', '.join(recipe.features)}. On the earlier window its "
        f"segments explain {explained} in the 8 weeks that followed, a score of "
        f"{chosen.score:.3f}: {place}. Stability {checks.stable(recipe):.2f} (at least "
        f"{checks.rule.stability:.2f}), smallest segment of {checks.rule.told(chosen.smallest)} or "
        f"more (at least {checks.rule.smallest})."
    )


def comparison(
    measured: Sequence[Measured],
    stability: dict[Recipe, float],
    objections: dict[Recipe, str],
    best: Measured,
    chosen: Measured,
    rule: Rule,
) -> pd.DataFrame:
    """Return how every candidate stands.

    Returns
    -------
    DataFrame
        One row per candidate, the highest score first: ``candidate`` (title), ``method``,
        ``feature_set``, ``features`` (number), ``scale``, ``segments``, ``spend_share``,
        ``visits_share``, ``score``, ``behind`` (the best that passes), ``standard_error`` (of
        that), ``smallest`` (as :meth:`Rule.told` has it), ``stability`` (NaN: the choice didn't
        depend on it), ``verdict`` (``chosen``; ``passes`` all that was asked; ``turned down``;
        ``level`` with the best, but no simpler than the chosen one; ``behind``; ``failed`` to be
        fitted), ``remark``.
    """
    rows = []
    for one in sorted(measured, key=lambda m: (bool(m.failure), *_by_score(m))):
        recipe = one.recipe
        verdict, remark = _verdict(one, objections, best, chosen, rule)
        rows.append(
            {
                "candidate": recipe.title(),
                "method": recipe.method,
                "feature_set": recipe.feature_set,
                "features": len(recipe.features),
                "scale": recipe.scale,
                "segments": recipe.n_segments,
                **{f"{name}_share": share for name, share in one.shares.items()},
                "score": one.score,
                "behind": _behind(best, one),
                "standard_error": np.nan if one.failure else standard_error(best, one),
                "smallest": rule.told(one.smallest),
                "stability": stability.get(recipe, np.nan),
                "verdict": verdict,
                "remark": remark,
            }
        )
    return pd.DataFrame(rows)


def _verdict(
    one: Measured, objections: dict[Recipe, str], best: Measured, chosen: Measured, rule: Rule
) -> tuple[str, str]:
    if one is chosen:
        return "chosen", ""
    if one.failure:
        return "failed", one.failure
    if one.smallest < rule.smallest:
        return "turned down", f"smallest segment below {rule.smallest}"
    if one.recipe not in objections:
        return ("level" if _behind(best, one) <= standard_error(best, one) else "behind"), ""
    objection = objections[one.recipe]
    return ("turned down", objection) if objection else ("passes", "")
