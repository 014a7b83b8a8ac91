"""What decides which segment a row is in: a fitted model without what fitted it, on NumPy alone.

Belongs here: the arithmetic that estimators share with whoever explains one row, and a model read
back from its parameters. Importing scikit-learn takes longer than an explanation. Does not belong
here: fitting (``models.prepare``, ``models.segmenter``, ``models.rfm``), writing the parameters
(``models.store``), why a subject is in its segment (``models.explain``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


def _signed_log(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _signed_root(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


SHAPES: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {"none": np.asarray, "log": _signed_log, "root": _signed_root}
)


@dataclass(frozen=True)
class Preparation:
    """How columns are made comparable: the shape of each, its centre, scale, and fill of a null.

    ``fill`` is on the scale of the result.
    """

    shapes: Sequence[str]
    centre: Floats
    scale: Floats
    fill: Floats

    def __call__(self, values: Floats) -> Floats:
        """Return columns in their own units, NaN where null, as prepared ones without NaN."""
        scaled = (shaped(values, self.shapes) - self.centre) / self.scale
        return np.where(np.isnan(scaled), self.fill, scaled)


def shaped(values: Floats, shapes: Sequence[str]) -> Floats:
    """Return columns, each in its shape."""
    return np.column_stack([SHAPES[shape](values[:, j]) for j, shape in enumerate(shapes)])


class Centres:
    """Groups around centres: the nearest wins."""

    cluster_centers_: Floats

    def scores(self, values: Floats) -> Floats:
        """Return a score of every row for every group: the greatest wins, the first at a tie."""
        # Column by column: the result for a row is the same wherever in the chunk it stands,
        # which matrix products don't promise.
        scores = np.zeros((len(values), len(self.cluster_centers_)))
        for j in range(values.shape[1]):
            scores -= (values[:, [j]] - self.cluster_centers_[:, j]) ** 2
        return scores

    def contributions(self, before: Floats, after: Floats, source: int, target: int) -> Floats:
        """Split a row's move between two groups into one number per column.

        With d2(x, c) the squared distance, the lead of the target is d2(x, source) - d2(x, target):
        negative while the row belongs to the source, positive once it belongs to the target.

        Returns
        -------
        ndarray of shape (n_features,)
            Growth of that lead by column, in squared standard units; the sum is the whole growth,
            exactly: sum_j 2 (target_j - source_j) (after_j - before_j).
        """
        centres = self.cluster_centers_
        return np.asarray(2 * (centres[target] - centres[source]) * (after - before))


class Components:
    """Components of a Gaussian mixture with diagonal covariances: the most probable wins."""

    weights_: Floats
    means_: Floats
    variances_: Floats

    def scores(self, values: Floats) -> Floats:
        """Return a score of every row for every group: the greatest wins, the first at a tie."""
        constant = np.log(self.weights_) - 0.5 * np.log(self.variances_).sum(axis=1)
        scores = np.tile(constant, (len(values), 1))
        for j in range(values.shape[1]):
            scores += self._by_column(values[:, [j]], j)
        return scores

    def contributions(self, before: Floats, after: Floats, source: int, target: int) -> Floats:
        """Split a row's move between two groups into one number per column.

        Returns
        -------
        ndarray of shape (n_features,)
            Growth of the log odds of target against source by column; the sum is the whole growth,
            exactly, because the columns are independent within a component.
        """
        growth = np.empty(len(before))
        for j in range(len(before)):
            change = self._by_column(after[[j]], j) - self._by_column(before[[j]], j)
            growth[j] = change[target] - change[source]
        return growth

    def _by_column(self, column: Floats, j: int) -> Floats:
        """Return the log density of one column under every component, without its constant."""
        return np.asarray(-0.5 * (column - self.means_[:, j]) ** 2 / self.variances_[:, j])


class Quantiles:
    """Groups by quantiles of the summed scores of columns, each scored by its own quantiles.

    ``lower_is_better`` are the positions of the columns whose small values score high.
    """

    cuts_: Floats
    sum_cuts_: Floats
    lower_is_better: Sequence[int] = (0,)

    def column_scores(self, values: Floats) -> Integers:
        """Return the score of every row in every column, from 1.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features)
            The columns, in the order of the fit.
        """
        scores = np.empty(values.shape, dtype=np.intp)
        for j in range(values.shape[1]):
            scores[:, j] = 1 + np.searchsorted(self.cuts_[:, j], values[:, j], side="left")
            if j in self.lower_is_better:
                scores[:, j] = len(self.cuts_) + 2 - scores[:, j]
        return scores

    def scores(self, values: Floats) -> Floats:
        """Return a score of every row for every group: the greatest wins, the first at a tie."""
        total = self.column_scores(values).sum(axis=1)
        groups = np.searchsorted(self.sum_cuts_, total, side="left")
        steps = np.arange(len(self.sum_cuts_) + 1) - groups[:, np.newaxis]
        return np.asarray(-np.abs(steps), dtype=np.float64)

    def contributions(self, before: Floats, after: Floats, source: int, target: int) -> Floats:
        """Split a row's move between two groups into one number per column.

        Returns
        -------
        ndarray of shape (n_features,)
            Change of each column's score, counted towards the target; the sum is the change of the
            summed score, exactly. 0 if the groups are the same.
        """
        change = np.diff(self.column_scores(np.vstack([before, after])), axis=0)[0]
        return np.asarray(np.sign(target - source) * change, dtype=np.float64)


Groups = Centres | Components | Quantiles


@dataclass(frozen=True)
class Deciding:
    """A fitted model as it decides.

    Attributes
    ----------
    features
        Columns used, in order.
    ids, names
        Lasting id of each group, by group number; its name by id.
    facts
        What else is kept with the model.
    """

    features: tuple[str, ...]
    preparation: Preparation
    groups: Groups
    ids: tuple[int, ...]
    names: Mapping[int, str]
    facts: Mapping[str, Any]

    def prepared(self, row: Mapping[str, Any]) -> Floats:
        """Return a row's features as the groups compare them; None and NaN are nulls.

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        missing = [name for name in self.features if name not in row]
        if missing:
            raise ValueError(f"the row has no column {missing[0]!r}, which the model needs")
        values = [np.nan if row[name] is None else float(row[name]) for name in self.features]
        return np.asarray(self.preparation(np.array([values]))[0])

    def ranking(self, prepared: Floats) -> list[int]:
        """Return all group numbers, the one that a prepared row belongs to first."""
        scores = self.groups.scores(prepared[np.newaxis])[0]
        return [int(group) for group in np.argsort(-scores, kind="stable")]

    def assign(self, row: Mapping[str, Any]) -> int:
        """Return the id of the segment that a row belongs to."""
        return self.ids[self.ranking(self.prepared(row))[0]]

    def name_of(self, segment: int) -> str:
        """Return the name of a segment, or its number in words if it has none yet."""
        return name_of(self.names, segment)


def name_of(names: Mapping[int, str], segment: int) -> str:
    """Return the name of a segment, or its number in words if it has none yet."""
    return names.get(segment, f"Segment {segment}")


def deciding(said: Mapping[str, Any]) -> Deciding:
    """Return a model as it decides, from what :func:`models.store.deciding` says of it.

    Raises
    ------
    ValueError
        If that isn't whole.
    """
    try:
        learnt = said["learnt"]
        shaping, scaling = learnt["SkewTransformer"], learnt["StandardScaler"]
        return Deciding(
            features=tuple(said["recipe"]["features"]),
            preparation=Preparation(
                shaping["shapes_"], np.array(scaling["mean_"]), np.array(scaling["scale_"]),
                np.array(shaping["fill_"]),
            ),
            groups=_groups(learnt),
            ids=tuple(said["ids"]),
            names={int(segment): name for segment, name in said["names"].items()},
            facts=said["facts"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no parameters of a model") from error


def _groups(learnt: Mapping[str, Any]) -> Groups:
    """Return how what an estimator has learnt puts rows into groups."""
    if "KMeansSegments" in learnt:
        centres = Centres()
        centres.cluster_centers_ = np.array(learnt["KMeansSegments"]["cluster_centers_"])
        return centres
    if "MixtureSegments" in learnt:
        components, found = Components(), learnt["MixtureSegments"]
        components.weights_ = np.array(found["weights_"])
        components.means_ = np.array(found["means_"])
        components.variances_ = np.array(found["variances_"])
        return components
    quantiles, found = Quantiles(), learnt["RFMQuantiles"]
    quantiles.cuts_, quantiles.sum_cuts_ = np.array(found["cuts_"]), np.array(found["sum_cuts_"])
    return quantiles
