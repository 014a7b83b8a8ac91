"""Transactions on their way to a purpose: row by row, each with its day.

Belongs here: refusing models on the way from landing to a mart that lose the day of a row before
the purpose has it. Does not belong here: how old the rows are (``expectations.ages``).

How old a figure is, and whether a consent covers it, can be told only from the rows that it is made
from. So they reach a purpose as rows: the model that joins them to permission has the purpose's key
and `event_day`, both as they landed, and adds nothing up. Its rows are judged after each build;
whatever is made from them is as young as they are.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from governance.lineage.graph import Form, Lineage, Made, Ref, Relation
from governance.lineage.keeping import BASKETS

DAY, SUBJECT = "event_day", "subject_key"
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
    """Return what a model lacks of the rows that it reads, if anything; one may add up visits."""
    day = model.columns.get(DAY, Made())
    if not day.copied or lineage.origins(model.name, DAY) != {Ref(LANDED, DAY)}:
        return f"has no {DAY} as it landed"
    if not {SUBJECT, key} & model.columns.keys():
        return f"has neither {SUBJECT} nor {key}"
    if model.name == BASKETS:
        return ""
    made = model.columns.items()
    beyond = [name for name, m in made if m.aggregate or set(m.refs.values()) - {Form.RAW}]
    return f"makes {', '.join(beyond)} from several of them" if beyond else ""
