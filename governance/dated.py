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

from governance.lineage.graph import Form, Lineage, Ref, Relation
from governance.lineage.keeping import BASKETS

DAY, SUBJECT = "event_day", "subject_key"
LANDED = "landing.transactions"
SPECIAL_VALUES = "int_transactions_special_values"  # words, without a subject


class Undated(NamedTuple):
    """A model that reads transactions, from ``source``, and loses their day or key."""

    model: str
    source: str


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
            if not _row_by_row(lineage, model) or not {SUBJECT, f"{purpose}_key"} & set(
                model.columns
            ):
                yield Undated(model.name, source)
            elif key not in model.columns:  # not yet of the purpose
                waiting.append(model.name)


def _row_by_row(lineage: Lineage, model: Relation) -> bool:
    """Tell whether a model has the rows that it reads, with their day; or those of a visit."""
    if lineage.forms(model.name, DAY) != {Ref(LANDED, DAY): Form.RAW}:
        return False
    return model.name == BASKETS or not any(
        made.aggregate or set(made.refs.values()) - {Form.RAW} for made in model.columns.values()
    )
