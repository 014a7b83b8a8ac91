"""Texts that are kept in clear, for good, name nobody: no key of a subject stands in them.

Belongs here: finding in a text the keys that subjects have, and refusing it. Does not belong here:
which texts are kept so (``orchestration.door``, ``orchestration.model_store``).

No erasure looks into such texts. What isn't keyed (a list of one figure per subject) can't be told
from figures over many; whoever writes it is told in docs/checks.md. Ids of anything else, such as
what a company calls its categories, may have the shape of a key: only keys are refused.
"""

import re

import duckdb

from warehouse.errors import RuleBrokenError

SHAPE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def require_unkeyed(connection: duckdb.DuckDBPyConnection, where: str, text: str) -> None:
    """Refuse a text in which any subject's key stands, with hyphens or without.

    Parameters
    ----------
    connection
        To the warehouse; asked only if anything has the shape of a key.
    where
        What is called so in the message, which repeats no key: it may be kept in clear itself.
    text
        All of what is to be kept.

    Raises
    ------
    RuleBrokenError
        If there is any.
    """
    shaped = {found.replace("-", "").lower() for found in SHAPE.findall(text)}
    if not shaped:
        return
    ((keys,),) = connection.execute(
        "with shaped as (select unnest($shaped)::uuid as key) select count(distinct key)"
        " from shaped join landing.purpose_keys on key in (subject_key, purpose_key)",
        {"shaped": sorted(shaped)},
    ).fetchall()
    if keys:
        where = SHAPE.sub("...", where)  # the name of a file, too
        many = "the key of a subject" if keys == 1 else f"{keys} keys of subjects"
        raise RuleBrokenError(
            f"{where} would hold {many}, in clear, where no erasure looks: only counts over many"
            " subjects belong there",
            "keep rows by the door (`marts.keep`), and tell counts (docs/checks.md, "
            '"Adding a Python asset")',
        )
