"""Keeping a fitted model as the content of a file, and comparing two models.

Belongs here: writing and reading it through skops (never pickle), with the types that may be loaded
listed; the model's parameters as plain values. Does not belong here: where the file lies (the
caller's), the card (``models.model_card``).
"""

import hashlib
import json
from dataclasses import asdict
from typing import Any
from zipfile import BadZipFile

import numpy as np
import skops.io
from sklearn.base import BaseEstimator
from skops.io.exceptions import UntrustedTypesFoundException

from models.model import SegmentModel
from models.recipe import Recipe

FORMAT = 1

# Besides what skops itself trusts (NumPy and scikit-learn), only these may be in a file.
TRUSTED = (
    "models.prepare.SkewTransformer",
    "models.rfm.RFMQuantiles",
    "models.segmenter.KMeansSegments",
    "models.segmenter.MixtureSegments",
)


def dumped(model: SegmentModel) -> bytes:
    """Return a fitted model as the content of a file (customarily ending in ``.skops``).

    Raises
    ------
    ValueError
        If the model holds something that isn't a parameter, such as a value per subject.
    """
    _refuse_surplus(model)
    content = {
        "format": FORMAT,
        "recipe": {**asdict(model.recipe), "features": list(model.recipe.features)},
        "pipeline": model.pipeline,
        "ids": list(model.ids),
        "names": {str(segment): name for segment, name in model.names.items()},
        # As text: what is in there is data, whatever types it has.
        "reference": json.dumps(model.reference, sort_keys=True),
        "highest_id": model.highest_id,
        "facts": json.dumps(model.facts, sort_keys=True),
    }
    return bytes(skops.io.dumps(content))


def loaded(stored: bytes) -> SegmentModel:
    """Read a model back from the content of a file.

    Raises
    ------
    ValueError
        If it isn't a model, is of another format, or holds a type that isn't listed.
    """
    try:
        content = skops.io.loads(stored, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise ValueError(f"it holds types that a model doesn't have: {error}") from error
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ValueError("it is not a stored model") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"it is not a stored model of format {FORMAT}")
    recipe = {**content["recipe"], "features": tuple(content["recipe"]["features"])}
    return SegmentModel(
        recipe=Recipe(**recipe),
        pipeline=content["pipeline"],
        ids=tuple(int(segment) for segment in content["ids"]),
        names={int(segment): name for segment, name in content["names"].items()},
        reference=json.loads(content["reference"]),
        highest_id=int(content["highest_id"]),
        facts=json.loads(content["facts"]),
    )


# Every array that a fitted pipeline may hold: none of them has a row per subject.
_FITTED = {
    "SkewTransformer": {"shapes_", "scaler_", "fill_"},
    "StandardScaler": {"mean_", "var_", "scale_", "n_samples_seen_"},
    "KMeansSegments": {"cluster_centers_", "inertia_"},
    "MixtureSegments": {"weights_", "means_", "variances_"},
    "RFMQuantiles": {"cuts_", "sum_cuts_"},
}
_COMMON = {"n_features_in_", "feature_names_in_"}


def _refuse_surplus(model: SegmentModel) -> None:
    for estimator in _estimators(model):
        kind = type(estimator).__name__
        surplus = set(_fitted(estimator)) - _FITTED.get(kind, set()) - _COMMON
        if surplus:
            raise ValueError(f"{kind} holds {', '.join(sorted(surplus))}, which is not stored")


def _estimators(model: SegmentModel) -> list[BaseEstimator]:
    prepare = model.pipeline.named_steps["prepare"]
    return [prepare, prepare.scaler_, model.pipeline.named_steps["group"]]


def _fitted(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the learnt attributes: those that end in one underscore, by convention."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def parameters(model: SegmentModel) -> dict[str, Any]:
    """Return everything that decides an assignment, as plain values that can be compared.

    Parameters
    ----------
    model
        The fitted model.

    Returns
    -------
    dict
        ``recipe``, ``ids``, and the learnt attributes by estimator. Facts and names are not
        parameters.
    """
    learnt = {
        type(estimator).__name__: {
            name: _plain(value)
            for name, value in sorted(_fitted(estimator).items())
            if not isinstance(value, BaseEstimator)
        }
        for estimator in _estimators(model)
    }
    recipe = {**asdict(model.recipe), "features": list(model.recipe.features)}
    return {"recipe": recipe, "ids": list(model.ids), "learnt": learnt}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def deciding(model: SegmentModel) -> dict[str, Any]:
    """Return what :func:`models.deciding.deciding` reads a model back from, as plain values.

    Parameters
    ----------
    model
        The fitted model.
    """
    _refuse_surplus(model)
    return {**parameters(model), "names": model.names, "facts": model.facts}


def fingerprint(model: SegmentModel) -> str:
    """Return the SHA-256 of the parameters: equal for models equal in parameters.

    Parameters
    ----------
    model
        The fitted model.
    """
    text = json.dumps(parameters(model), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
