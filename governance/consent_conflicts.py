"""Whose words on sale and sharing are at odds, and who may not be asked to opt in, as a file.

Belongs here: finding them, and the act that hands the list to the privacy officer. Does not belong
here: counting them for a run (``permission``), what a word does (``consent``), where the file may
lie (``handover``).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from governance import consent, handover, identity, inbox
from governance.consent import heard_sql, placed_sql
from governance.consent_relations import KNOWN_NOW, Relations
from governance.consent_relations import listed as in_sql
from governance.permission_bound import require_current
from governance.policy.model import Policy
from governance.policy.words import GRANTS, PERMISSION
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.sql import quoted

FORMATS = (".csv", ".json")
# Signals that an opt-in by name overrules; opt-ins within the months in which nobody may ask; who
# may not be asked now.
OVERRULED, EARLY, UNASKED = "signal_overruled", "opted_in_early", "not_to_be_asked"
_NONE = (
    "select null::varchar as kind, null::uuid as subject_key, null::varchar as purpose,"
    " null::timestamp as said_at, null::timestamp as until where false"
)


@dataclass(frozen=True)
class Listed:
    """What is said of a list on record: counts, nobody's name."""

    format: str
    encrypted: bool
    customers: int
    signal_overruled: int
    opted_in_early: int
    not_to_be_asked: int
    apostrophes: int
    file_sha256: str


def conflicts_sql(policy: Policy, relations: Relations, *, known: str) -> str:
    """Return the ``select`` of words that are at odds, of whatever is sold or shared.

    Yields kind (``OVERRULED`` or ``EARLY``), subject_key, purpose, when it was said (said_at), and
    until when nobody may have asked for it.
    """
    sold = {name: body for name, body in policy.purposes.items() if body.sale_or_share}
    if not sold:
        return _NONE
    # Whoever never opted out, in whichever words, has neither.
    events = (
        f"(select * from {relations.events} where subject_key in (select subject_key from"
        f" {relations.events} where action not in {in_sql(GRANTS)}))"
    )
    heard = heard_sql(
        policy.model_copy(update={"purposes": sold}), Relations(events, relations.subjects),
        known=known,
    )  # fmt: skip
    return f"""
        with heard as materialized ({heard}),
        unasked as (
            select subject_key, about, occurred_at,
                occurred_at + to_months(unasked_months) as until
            from heard join ({placed_sql(policy, relations.subjects)}) using (subject_key)
            where not grants and not repeats
        )
        select {quoted(OVERRULED)} as kind, subject_key, about as purpose, occurred_at as said_at,
            null::timestamp as until
        from heard where repeats
        union all
        select {quoted(EARLY)}, subject_key, about, occurred_at, until
        from (
            select g.subject_key, g.about, g.occurred_at,
                (select max(o.until) from unasked as o
                    where o.subject_key = g.subject_key and o.about = g.about
                    and o.occurred_at <= g.occurred_at and g.occurred_at < o.until) as until
            from heard as g where g.grants and g.named and g.counts
        )
        where until is not null
    """


def write(
    policy: Policy, *, to: Path, encrypted: bool = True, public_key: str | None = None
) -> Listed:
    """Write whose words are at odds and who may not be asked for what until when, one row each.

    By what is known now, words included that wait for the next run; times in UTC.

    Parameters
    ----------
    to
        A ``.csv`` or ``.json`` file; where, see :func:`governance.handover.target`.
    public_key
        The age public key of whoever it is for.

    Raises
    ------
    UsageError
        If the file can't be written there, there is no key, or nothing has been published.
    """
    with handover.handing_over("consent.conflicts") as (act, hand_over):
        target = handover.target(to, FORMATS, "a list of customers", encrypted=encrypted)
        key = handover.key_given(public_key, "your own") if encrypted else None
        table = _table(policy)
        kinds, customers = (table.column(name).to_pylist() for name in ("kind", "customer_id"))
        content, apostrophes = _encoded(table, to.suffix)
        sealed = handover.sealed(content, key)
        listed = Listed(
            to.suffix[1:], encrypted, len(set(customers)), kinds.count(OVERRULED),
            kinds.count(EARLY), kinds.count(UNASKED), apostrophes,
            hashlib.sha256(sealed).hexdigest(),
        )  # fmt: skip
        act |= asdict(listed)
        hand_over(target, sealed)
    return listed


def _table(policy: Policy) -> Any:
    """Return the rows, as an Arrow table."""
    # Before the permission file is opened: a run puts an event there, then takes it from here.
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        waiting.register(connection)
        require_current(connection)
        present = consent.moment(connection, utc_naive(now()))
        consent.state(connection, policy, KNOWN_NOW, at=present, known=present, into="state")
        words = conflicts_sql(policy, KNOWN_NOW, known=f"timestamp '{present}'")
        # Each once: a word may be in the inbox and where it has landed for a moment.
        return connection.execute(
            f"""
            select distinct customer_id, kind, purpose, said_at, until from (
                from ({words})
                union all
                select {quoted(UNASKED)}, subject_key, purpose, null, ask_again_at
                from state where ask_again_at is not null
            ) join vault.subjects using (subject_key) order by all
            """
        ).to_arrow_table()


def _encoded(table: Any, suffix: str) -> tuple[bytes, int]:
    """Return what the file holds, and how many texts got an apostrophe in it."""
    if suffix == ".csv":
        table, apostrophes = handover.without_formulas(table)
        return handover.encoded(table, suffix), apostrophes
    return json.dumps(table.to_pylist(), indent=1, default=str, ensure_ascii=False).encode(), 0
