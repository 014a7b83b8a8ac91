"""Made-up shoppers for the tests of `models`: features, and what followed.

Belongs here: frames of the shape that the marts have. Does not belong here: what is tested.
"""

from typing import Any

import numpy as np
import pandas as pd

CATEGORIES = ("GROCERY", "PRODUCE", "MEAT", "DELI", "PASTRY", "GARDEN")


def shoppers(count: int = 240, seed: int = 0, following: bool = True) -> pd.DataFrame:
    """Return subjects of three habits (rare, regular, frequent), in a random order.

    Visits and spend follow from a latent rate, so that segments foretell what followed; a few
    subjects have come once, and so have no gap.
    """
    rng = np.random.default_rng(seed)
    habit = rng.integers(0, 3, count)
    rate = np.array([0.05, 0.9, 3.5])[habit] * rng.lognormal(0, 0.25, count)
    basket = np.array([18.0, 30.0, 42.0])[habit] * rng.lognormal(0, 0.3, count)
    visits = 1 + rng.poisson(rate * 44)
    recent = rng.poisson(rate * 8)
    frame = pd.DataFrame(
        {
            "recency_days": rng.exponential(7 / rate),
            "visits": visits.astype(float),
            "value_total": visits * basket,
            "tenure_days": 360 - rng.exponential(7 / rate).clip(max=300),
            "basket_value_mean": basket,
            "basket_lines_mean": basket / 3 * rng.lognormal(0, 0.1, count),
            "discount_share": rng.beta(2, 8, count),
            "category_breadth": np.minimum(1 + rng.poisson(2 + rate), 6).astype(float),
            "category_concentration": rng.beta(3, 5, count),
            "category_mix": [_mix(rng) for _ in range(count)],
            "gap_mean_days": np.where(visits > 1, 7 / rate, np.nan),
            "gap_variation": np.where(visits > 2, rng.gamma(9, 1 / 9, count), np.nan),
            "value_trend": rng.uniform(-1, 1, count),
            "visits_8w": recent.astype(float),
            "value_8w": recent * basket,
        },
        index=[f"{rng.integers(2**62):016x}" for _ in range(count)],
    )
    if following:
        frame["following_visits"] = rng.poisson(rate * 8).astype(float)
        frame["following_value"] = frame.following_visits * basket
    return shuffled(frame, seed + 1)


def _mix(rng: np.random.Generator) -> dict[str, float] | None:
    if rng.random() < 0.03:
        return None
    shares = rng.dirichlet(np.ones(len(CATEGORIES)))
    return {name: float(share) for name, share in zip(CATEGORIES, shares, strict=True)}


def shuffled(frame: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """Return the same subjects in another order."""
    return frame.iloc[np.random.default_rng(seed).permutation(len(frame))]


def arrays_within(thing: Any) -> list[np.ndarray]:
    """Return every array held anywhere inside an object, however deep."""
    found: list[np.ndarray] = []
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type(None) | type):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            found.append(one)
        elif isinstance(one, pd.Series | pd.DataFrame | pd.Index):
            found.append(one.to_numpy())
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            if len(one) > 20:
                found.append(np.asarray(list(one), dtype=object))
            waiting += list(one)
        elif hasattr(one, "__dict__"):
            waiting += list(vars(one).values())
    return found
