"""One subject's published figures and segment, to explain them to or about that subject.

Belongs here: reading them, for whom it is permitted at this moment, on record. Does not belong
here: whose key it is (``governance.subject_consent``), why these figures lead there
(``models.explain``), what is typical of a segment: that is released with its card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import duckdb

from governance import acts
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.policy.words import SEGMENT_PURPOSE
from governance.subject_consent import Account, permitted_key
from warehouse import catalogue
from warehouse.connect import connected, published_store
from warehouse.errors import UsageError
from warehouse.sql import identifier

MART, KEY = f"mart_{SEGMENT_PURPOSE}", f"{SEGMENT_PURPOSE}_key"


@dataclass(frozen=True)
class Found:
    """What is published of a subject.

    Attributes
    ----------
    permitted, rule
        Whether it may be processed now, and the rule that decided it.
    segment
        The id of its segment; None if it is in none.
    days
        The days for which there are figures, the newest first: two at most.
    rows
        Its figures on each of them.
    """

    permitted: bool
    rule: str
    segment: int | None = None
    days: tuple[date, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()


def find(
    policy: Policy, customer_id: str, purpose: str, more: Mapping[str, str],
    known: Account | None = None,
) -> Found:  # fmt: skip
    """Return a subject's segment and figures, if they may be used at this moment.

    Parameters
    ----------
    customer_id
        As the feeds have it.
    more
        Figures besides the mart's numeric columns: name to the expression over its columns.
    known
        As of :func:`governance.subject_consent.permitted_key`.

    Raises
    ------
    UsageError
        If the policy has no such purpose, no subject has that id, or the purpose has no segments.
    """
    named = acts.known(purpose, policy.purposes)
    with acts.acting("segment.explain", purpose=named) as act:
        purpose_named(policy, purpose)
        if purpose != SEGMENT_PURPOSE:
            raise UsageError(f"'{purpose}' has no segments", f"ask for --purpose {SEGMENT_PURPOSE}")
        act["subject_key"], state, key = permitted_key(policy, customer_id, purpose, known)
        found = Found(state.permitted, state.rule)
        if key is not None:
            with connected(published_store(purpose)) as connection:
                found = _read(connection, key, found, more)
    return found


def _read(
    connection: duckdb.DuckDBPyConnection, key: UUID, found: Found, more: Mapping[str, str]
) -> Found:
    segments = connection.execute(
        f"select segment_id from assignments where {KEY} = ?", [key]
    ).fetchall()
    if not segments:
        return found
    figures = {name: identifier(name) for name in _numeric(connection)} | dict(more)
    columns = list(figures)
    named = (f"({sql})::double as {identifier(name)}" for name, sql in figures.items())
    mart = f"(select as_of, {KEY}, {', '.join(named)} from {MART})"
    own = connection.execute(
        f"select * exclude ({KEY}) from {mart} where {KEY} = ?"
        " and as_of <= (select max(as_of) from assignments) order by as_of desc limit 2",
        [key],
    ).fetchall()
    return Found(
        found.permitted,
        found.rule,
        segments[0][0],
        tuple(row[0] for row in own),
        tuple(dict(zip(columns, row[1:], strict=True)) for row in own),
    )


def _numeric(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = catalogue.columns(connection, "main", MART)
    return [name for name, kind in found.items() if catalogue.is_number(kind)]
