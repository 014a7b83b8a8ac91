"""Plain-words names and one-line characters of segments, from effect sizes.

Belongs here: turning effect sizes into words. Names say how people shop, never what they are worth
or what kind of people they are. Does not belong here: the effect sizes (``models.effects``), cards
(``models.cards``).
"""

from collections.abc import Mapping

import pandas as pd

from models.features import MIX_PREFIX

# What Cohen (1988) calls small, medium and large.
SMALL, MEDIUM, LARGE = 0.2, 0.5, 0.8

# Least effect, and the words for a segment that reaches it; the mean of the effects on visits.
_FREQUENCY = (
    (2.0, "very frequent", "shoppers"),
    (0.6, "frequent", "shoppers"),
    (-0.4, "regular", "shoppers"),
    (-1.2, "occasional", "visitors"),
    (float("-inf"), "rare", "visitors"),
)
_LAPSED, _LAPSING = 1.5, LARGE

# Higher and lower than the others, with a place for how much.
_PHRASES = {
    "recency_days": ("last came {}longer ago", "came {}more recently"),
    "visits": ("visits {}more often", "visits {}less often"),
    "value_total": ("spends {}more in all", "spends {}less in all"),
    "tenure_days": ("has been coming {}longer", "has been coming {}less long"),
    "basket_value_mean": ("spends {}more per visit", "spends {}less per visit"),
    "basket_lines_mean": ("fills {}larger baskets", "fills {}smaller baskets"),
    "discount_share": ("buys {}more on offer", "buys {}less on offer"),
    "category_breadth": ("buys {}more widely", "buys {}less widely"),
    "category_concentration": ("keeps {}more to one category", "spreads {}more over categories"),
    "gap_mean_days": ("lets {}more time pass between visits", "comes back {}sooner"),
    "gap_variation": ("comes {}more irregularly", "comes {}more regularly"),
    "value_trend": ("spend is rising {}more", "spend is falling {}more"),
    "visits_8w": ("came {}more often of late", "came {}less often of late"),
    "value_8w": ("spent {}more of late", "spent {}less of late"),
}

# One of each family is enough to say.
_FAMILIES = {
    "visits": "often", "visits_8w": "often", "gap_mean_days": "often",
    "value_total": "spend", "value_8w": "spend",
    "basket_value_mean": "basket", "basket_lines_mean": "basket",
    "category_breadth": "breadth", "category_concentration": "breadth",
}  # fmt: skip

# What tells segments of one name apart: high, middle, low.
_LEVELS = {
    "recency_days": ("away for longer", "away for a while", "here lately"),
    "visits": ("more visits", "medium visits", "fewer visits"),
    "value_total": ("higher spend", "medium spend", "lower spend"),
    "tenure_days": ("known for longer", "known for a while", "newer"),
    "basket_value_mean": ("larger baskets", "medium baskets", "smaller baskets"),
    "basket_lines_mean": ("more articles", "medium articles", "fewer articles"),
    "discount_share": ("more offers", "some offers", "fewer offers"),
    "category_breadth": ("more categories", "medium range", "fewer categories"),
    "category_concentration": ("more focused", "medium focus", "more varied"),
    "gap_mean_days": ("longer gaps", "medium gaps", "shorter gaps"),
    "gap_variation": ("less regular", "medium rhythm", "more regular"),
    "value_trend": ("spend rising", "spend steady", "spend falling"),
    "visits_8w": ("more visits lately", "medium visits lately", "fewer visits lately"),
    "value_8w": ("higher spend lately", "medium spend lately", "lower spend lately"),
}


def name_segments(effects: pd.DataFrame, keep: Mapping[int, str] | None = None) -> dict[int, str]:
    """Name every segment; names are unique, and equal tables give equal names.

    Parameters
    ----------
    effects
        Result of ``models.effects.effect_table``.
    keep
        Names that stay, by segment id (segments kept from an earlier model).

    Returns
    -------
    dict
        Segment id to name, such as "Frequent big-basket shoppers" or "Lapsing occasional visitors".
    """
    table = effects.pivot(index="segment", columns="feature", values="effect")
    medians = effects.pivot(index="segment", columns="feature", values="median")
    kept = {segment: name for segment, name in (keep or {}).items() if segment in table.index}
    names = {int(s): kept.get(int(s)) or _base(table.loc[s], medians.loc[s]) for s in table.index}
    for name in sorted(set(names.values())):
        clashing = [segment for segment in sorted(names) if names[segment] == name]
        if len(clashing) > 1:
            told_apart = _told_apart(name, table.loc[clashing])
            names |= {s: told_apart[s] for s in clashing if s not in kept}
    return _numbered(names, kept)


def _known(row: pd.Series, *features: str) -> list[float]:
    return [float(row[name]) for name in features if name in row and pd.notna(row[name])]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _base(effects: pd.Series, medians: pd.Series) -> str:
    state = _state(effects, medians)
    often = _mean(_known(effects, "visits", "visits_8w"))
    frequency, noun = next((word, noun) for least, word, noun in _FREQUENCY if often >= least)
    if state == "lapsed" and frequency in ("rare", "occasional"):
        frequency = ""  # nobody who has stopped coming comes often
    words = [state, frequency, _basket(effects), noun]
    return " ".join(word for word in words if word).capitalize()


def _state(effects: pd.Series, medians: pd.Series) -> str:
    away = _mean(_known(effects, "recency_days"))
    if away >= _LAPSED or (away >= _LAPSING and medians.get("visits_8w") == 0):
        return "lapsed"
    if away >= _LAPSING:
        return "lapsing"
    trend = _mean(_known(effects, "value_trend"))
    if abs(trend) >= LARGE:
        return "growing" if trend > 0 else "slowing"
    return ""


def _basket(effects: pd.Series) -> str:
    basket = _mean(_known(effects, "basket_value_mean"))
    if abs(basket) < MEDIUM:
        return ""
    return "big-basket" if basket > 0 else "small-basket"


def _told_apart(name: str, effects: pd.DataFrame) -> dict[int, str]:
    """Add to one name, by segment, the level of the feature that differs most."""
    spreads = {f: float(effects[f].max() - effects[f].min()) for f in _LEVELS if f in effects}
    spreads = {f: spread for f, spread in spreads.items() if pd.notna(spread)}
    if not spreads:
        return {int(segment): name for segment in effects.index}
    widest = max(sorted(spreads), key=lambda f: spreads[f])
    filled = effects[widest].fillna(0.0)
    order = sorted(effects.index, key=lambda segment: (-filled[segment], segment))
    return {
        int(segment): f"{name}, {_level(widest, place, len(order))}"
        for place, segment in enumerate(order)
    }


def _level(feature: str, place: int, count: int) -> str:
    high, middle, low = _LEVELS[feature]
    if place in (0, count - 1):
        return low if place else high
    return middle if count == 3 else f"{middle} ({place} of {count - 2})"


def _numbered(names: dict[int, str], kept: Mapping[int, str]) -> dict[int, str]:
    """Make what is still the same unique by a number; kept names come first and stay."""
    taken: set[str] = set()
    unique: dict[int, str] = {}
    for segment in sorted(names, key=lambda s: (s not in kept, s)):
        name, number = names[segment], 1
        while name in taken:
            number += 1
            name = f"{names[segment]} ({number})"
        taken.add(name)
        unique[segment] = name
    return dict(sorted(unique.items()))


def character(effects: pd.DataFrame, segment: int, most: int = 3) -> str:
    """Say in one line what sets a segment apart from everybody else.

    Parameters
    ----------
    effects
        Result of ``models.effects.effect_table``.
    segment
        Segment id.
    most
        How many traits at most; one of each kind, the greatest effects first.
    """
    own = effects[(effects.segment == segment) & (effects.effect.abs() >= SMALL)]
    own = own.assign(strength=own.effect.abs())
    own = own.sort_values(["strength", "feature"], ascending=[False, True])
    said: dict[str, str] = {}
    for name, effect in zip(own.feature, own.effect, strict=True):
        said.setdefault(_FAMILIES.get(name, name), _trait(name, effect))
    if not said:
        return "Shops much like everybody else."
    traits = list(said.values())[:most]
    return f"Compared with the others: {', '.join(traits)}."


def _trait(name: str, effect: float) -> str:
    strength = abs(effect)
    how_much = "much " if strength >= LARGE else "" if strength >= MEDIUM else "a little "
    if name.startswith(MIX_PREFIX):
        category = name[len(MIX_PREFIX) :].lower()
        return f"gives {how_much}{'more' if effect > 0 else 'less'} of the spend to {category}"
    return _PHRASES[name][0 if effect > 0 else 1].format(how_much)
