"""Transactions on their way to a purpose: row by row, each with its day.

Belongs here: refusing models on the way from landing to a mart that lose the day of a row before
the purpose has it. Does not belong here: how old the rows are (``expectations.ages``).

How old a figure is, and whether a consent covers it, can be told only from the rows that it is
made from. So they reach a purpose as rows: the model that joins them to permission has
`event_day` as it landed and the purpose's key, and copies all else: what is computed could be
computed from other rows. Its rows are judged after each build.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from governance.keying import SUBJECT
from governance.lineage.graph import Lineage, Ref, Relation
from governance.lineage.keeping import BASKETS
from governance.lineage.marts import MART, PERMITTED

DAY = "event_day"
LANDED = "landing.transactions"
SPECIAL_VALUES = "int_transactions_special_values"  # words, without a subject


class Undated(NamedTuple):
    """A model whose rows of transactions nobody could judge, and what it does to them."""

    model: str
    why: str


def undated(lineage: Lineage, models: Iterable[Relation], purpose: str) -> Iterator[Undated]:
    """Find the models whose rows of transactions nobody could judge.

    Parameters
    ----------
    lineage : Lineage
        The graph.
    models : iterable of Relation
        The marts of the purpose, and all models behind them.
    purpose : str
        Its name.
    """
    unjudged = {model.name: model for model in models if model.name != SPECIAL_VALUES}
    key, waiting = f"{purpose}_key", [LANDED]
    while waiting:
        source = waiting.pop()
        for model in [m for m in unjudged.values() if source in lineage.parents(m.name)]:
            del unjudged[model.name]
            if why := _why(lineage, model, key):
                yield Undated(model.name, f"{source}, but {why}")
            elif key not in model.columns:  # not yet of the purpose
                waiting.append(model.name)


def _why(lineage: Lineage, model: Relation, key: str) -> str:
    """Return why the rows that a model reads can't be judged in it, if so."""
    if model.name.startswith(MART):
        return "is a mart"
    if not lineage.is_copy(Ref(model.name, DAY), Ref(LANDED, DAY)):
        return f"has no {DAY} as it landed"
    if key in model.columns:
        if not lineage.is_copy(Ref(model.name, key), Ref(PERMITTED, "purpose_key")):
            return f"doesn't take {key} from {PERMITTED} as it is"
    elif SUBJECT not in model.columns:
        return f"has neither {SUBJECT} nor {key}"
    if model.name == BASKETS:  # which adds up the rows of a visit
        return ""
    changed = [
        name for name, m in model.columns.items() if not m.copied and (m.refs or m.aggregate)
    ]
    return f"computes {', '.join(changed)}" if changed else ""
