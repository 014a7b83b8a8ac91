"""Would other subjects have given the same segments? The bootstrap stability of a recipe.

Belongs here: that measure. Does not belong here: the least stability asked for
(``models.selection``), identity from one model to the next (``models.identity``).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from models.frames import matrix
from models.ordering import canonical_order, side_by_side
from models.recipe import Recipe, build

RESAMPLES = 20
STARTS = 10


def bootstrap_stability(
    frame: pd.DataFrame,
    recipe: Recipe,
    *,
    resamples: int = RESAMPLES,
    n_starts: int = STARTS,
    seed: int = 0,
) -> float:
    """Return the mean agreement of segmentations fitted on bootstrap resamples with the full one.

    The recipe, its preparation included, is fitted on all subjects and on resamples of them; each
    fit assigns all subjects; agreement is the adjusted Rand index (Hubert and Arabie 1985): 1 if
    the segments are the same, 0 on average for unrelated ones. By the simulations of Steinley
    (2004, Psychological Methods 9) 0.65 and more is moderate, 0.80 good, 0.90 excellent.

    Parameters
    ----------
    frame
        One row per subject.
    recipe
        What to fit.
    resamples, n_starts, seed
        Number of resamples, starts of k-means, seed of the draws.

    Raises
    ------
    ValueError
        As ``models.model.fit_model``; also if a resample can't be fitted.
    """
    values = matrix(frame, recipe.features)
    values = values.iloc[canonical_order(values.to_numpy())].reset_index(drop=True)
    whole = build(recipe, n_starts).fit(values).predict(values)
    rng = np.random.default_rng(seed)
    draws = [np.sort(rng.integers(0, len(values), len(values))) for _ in range(resamples)]

    def agreement(drawn: npt.NDArray[np.intp]) -> float:
        refitted = build(recipe, n_starts).fit(values.iloc[drawn])
        return float(adjusted_rand_score(whole, refitted.predict(values)))

    return float(np.mean(side_by_side(agreement, draws)))
