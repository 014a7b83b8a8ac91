"""Texts that are kept in clear, for good, name nobody: no key of a subject stands in them.

Belongs here: finding in a text the keys that subjects have, and refusing it. Does not belong here:
which texts are kept so (``orchestration.door``, ``orchestration.model_store``).

No erasure looks into such texts. What isn't keyed (a list of one figure per subject) can't be told
from figures over many; whoever writes it is told in docs/checks.md. Ids of anything else, such as
what a company calls its categories, may have the shape of a key: only keys are refused.
"""

import re
from base64 import b64decode

import duckdb

from warehouse.errors import RuleBrokenError

SHAPE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
ANYWHERE = re.compile(f"(?=({SHAPE.pattern}))", re.IGNORECASE)  # after other such letters, too
# A picture within a text, be it wrapped over lines.
ENCODED = re.compile(r";base64,([0-9A-Za-z+/\s]+)", re.IGNORECASE)


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
    shaped = {found.replace("-", "").lower() for found in ANYWHERE.findall(_decoded(text))}
    if not shaped:
        return
    ((keys,),) = connection.execute(
        "select count(*) from (select unnest($shaped)::uuid as key) where key in"
        " (select subject_key from landing.purpose_keys union all"
        " select purpose_key from landing.purpose_keys)",
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


def _decoded(text: str) -> str:
    """Return a text with what is encoded within it, such as an SVG as metadata, behind it."""
    found = [re.sub(r"\s", "", encoded) for encoded in ENCODED.findall(text)]
    return "\n".join([text, *(_plain(one) for one in found)])


def _plain(encoded: str) -> str:
    """Return what base64 says, whether its end is filled up or not; a lone last letter is none."""
    if len(encoded) % 4 == 1:
        encoded = encoded[:-1]
    return b64decode(encoded + "==").decode(errors="replace")
