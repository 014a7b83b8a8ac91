"""Rights requests: listing them with what has been done, finding the one that is meant.

Belongs here: the requests as they stand, by the feed, by the inbox and by the steps taken here.
Does not belong here: opening one (``opening``), taking a step (``steps``), what fulfilling one does
(``access``, ``erasure``), by when one has to be answered (``due``), whom a request keeps out of
marts (``governance.consent``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from governance import identity, inbox, permission_bound, vault_bound
from governance.consent_relations import requests_sql
from governance.kept_bound import noted_in
from governance.policy.words import HELD, PERMISSION, REQUEST_STATES, STOPPING_REQUESTS, TAKEN_BACK
from governance.rights import kept
from warehouse.clock import now
from warehouse.connect import published_store
from warehouse.errors import UsageError
from warehouse.sql import quoted

OPEN = "open"
WITHDRAWN, LIFTED = TAKEN_BACK  # by the subject; by the company, of a restriction
RESTRICTION = "restriction"
GRANTED = ("fulfilled", "partial")


@dataclass(frozen=True)
class Request:
    """One request; times in UTC without a zone.

    Attributes
    ----------
    customer_id
        Whose it is; printed nowhere but where that customer was named.
    number
        What acts, receipts and the journal call it (:func:`governance.rights.kept.numbers`).
    status
        As it stands: by the last word of the feed, of the inbox or of a step taken here.
    jurisdiction
        Where the subject lives, as far as is known.
    said_at
        When the newest of its words was received: a step that ends it ends them all.
    customers
        How many customers have requests of its number, those who were erased, too.
    steps
        What was done about it: step, at, actor, and what belongs to it (method, ground). Of a
        number that came anew after its request had ended, those since.
    """

    request_id: str
    number: str
    type: str
    received_at: datetime
    status: str
    customer_id: str = field(repr=False)
    subject_key: UUID | None = field(repr=False, default=None)
    jurisdiction: str | None = None
    channel: str | None = None
    said_at: datetime | None = field(repr=False, default=None)
    customers: int = 1
    steps: tuple[dict[str, Any], ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it was decided, or taken back; see :attr:`stands`."""
        return self.status != OPEN

    @property
    def stands(self) -> bool:
        """Whether it was answered and stops something since, until it is taken back, or lifted.

        What was granted does; a refused objection still stops direct marketing (GDPR Art. 21(3)).
        """
        refused = self.type == "objection" and self.status == "refused"
        return refused or (self.type in STOPPING_REQUESTS and self.status in GRANTED)

    def takes(self, step: str = "") -> bool:
        """Tell whether anything can be done about it, or of what has ended: this step."""
        if not self.ended:
            return True
        ends = TAKEN_BACK if self.type == RESTRICTION else (WITHDRAWN,)
        return self.stands and step in ends

    @property
    def verified(self) -> bool:
        """Whether somebody has verified who asks."""
        return any(step["step"] == "verified" for step in self.steps)

    @property
    def acknowledged(self) -> bool:
        """Whether the subject was told that it has arrived, by itself or with an extension."""
        return any(step["step"] in ("acknowledged", "extended") for step in self.steps)

    @property
    def extended(self) -> bool:
        """Whether the time to answer was extended."""
        return any(step["step"] == "extended" for step in self.steps)

    @property
    def is_hold(self) -> bool:
        """Whether it is a legal hold: nobody asked for it, and nobody has to answer it."""
        return any(step["step"] == HELD for step in self.steps)


def hold_is_over(steps: Iterable[Mapping[str, Any]]) -> bool:
    """Tell by its steps whether a request is a legal hold whose last day has ended."""
    ends = [step["until"] for step in steps if step["step"] == HELD]
    return bool(ends) and date.fromisoformat(max(ends)) < day_everywhere()


def day_everywhere() -> date:
    """Return the day that has begun everywhere: a hold ends when its last day has, wherever."""
    return (now() - timedelta(hours=12)).date()


@vault_bound.again_if_older
def listing(
    customer_id: str | None = None, request_ids: Sequence[str] | None = None
) -> list[Request]:
    """Return requests, oldest first, those that wait in the inbox, too.

    All of them, or one customer's, or those of everybody who has one of some numbers.
    """
    waiting = inbox.waiting()
    beside = published_store(PERMISSION, alias="permission")
    with identity.opened(beside) as connection:
        waiting.register(connection)
        permission_bound.require_newest(connection)
        rows = connection.execute(
            _LISTED,
            {
                "id": customer_id and identity.as_landed(customer_id),
                "numbers": None if request_ids is None else list(request_ids),
            },
        )
        columns = [name for name, *_ in rows.description]
        found = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
        least = [mark for file in ("vault", "permission") for mark in noted_in(connection, file)]
        come = vault_bound.come(connection)
    asked = {row["request_id"] for row in found}
    with kept.opened(least=least) as connection:
        vault_bound.require(connection, come)
        handles = kept.handles_of(connection, {row["customer_id"] for row in found})
        steps = kept.steps_of(connection, handles)
        numbers = kept.numbers(connection, asked)
        whose = kept.whose(connection, asked)
    for row in found:
        whose.setdefault(row["request_id"], set()).add(handles[row["customer_id"]])
    return [
        Request(
            **row,
            number=numbers[row["request_id"]],
            customers=len(whose[row["request_id"]]),
            steps=_since_it_came(
                row, steps.get((row["customer_id"], row["request_id"], row["type"]), [])
            ),
        )
        for row in found
    ]


def _since_it_came(
    request: Mapping[str, Any], steps: list[dict[str, Any]]
) -> tuple[dict[str, Any], ...]:
    """Return the steps of a request: who was verified before it ended isn't for the new one.

    What ended it is a step, whose word may have left with its subject, or a word of the feed, which
    the new one may have replaced.
    """
    if request["status"] != OPEN:
        return tuple(steps)
    ends = [n for n, step in enumerate(steps, 1) if step["step"] in REQUEST_STATES]
    since = steps[max(ends, default=0) :]
    return tuple(step for step in since if step["at"] >= request["received_at"])


def find(
    request_id: str, customer_id: str | None = None, step: str = "", kind: str | None = None
) -> Request:
    """Return one request; see :func:`find_all`."""
    return find_all([request_id], listing(customer_id, [request_id]), customer_id, step, kind)[0]


def find_all(
    request_ids: Sequence[str], among: Sequence[Request], customer_id: str | None = None,
    step: str = "", kind: str | None = None,
) -> list[Request]:  # fmt: skip
    """Return some requests of a listing, in the order of their numbers as given.

    Parameters
    ----------
    customer_id
        Whose they are. If nobody says so, a number may be that of an erased customer, too.
    step
        What is to be done about them, see :func:`the_one`.
    kind
        Their type. If nobody says so, a number has to tell it.

    Raises
    ------
    UsageError
        If there is none of a number, several customers have one, or one has it of several types.
    """
    by_number: dict[str, list[Request]] = {}
    of_others = set()
    for request in among:
        if kind not in (None, request.type):
            of_others.add(request.request_id)
            continue
        by_number.setdefault(request.request_id, []).append(request)
    found = []
    for place, number in enumerate(request_ids, 1):
        standing = by_number.get(number, [])
        customers = standing[0].customers if standing and not customer_id else None
        try:
            if not standing and number in of_others:
                raise UsageError(
                    f"there is no such request of the type {kind}", "name its own, or none",
                    rule="request.unknown",
                )  # fmt: skip
            found.append(the_one(standing, customers, step))
        except UsageError as error:
            if len(request_ids) == 1:
                raise
            which = f"of the numbers given, the one at place {place}: {error.what}"
            raise UsageError(which, error.mend, rule=error.rule) from None
    return found


def the_one(found: Sequence[Request], customers: int | None = None, step: str = "") -> Request:
    """Return the request of a number, if there is one; ``customers`` counts the erased, too.

    Of one customer's under several types that is the one that hasn't ended, or takes the step: a
    request that was filed under a wrong type is withdrawn. If none does, it is the one that wasn't
    withdrawn.

    Raises
    ------
    UsageError
        If there is none, or there are several.
    """
    customers = customers or len({request.customer_id for request in found})
    if not customers:
        raise UsageError(
            "there is no such request",
            "see `assent rights list`; `assent rights show` tells of one whose subject was erased",
            rule="request.unknown",
        )
    if customers > 1:
        raise UsageError(
            f"{max(customers, len(found))} requests have that number",
            "name the customer too: --subject", rule="request.ambiguous",
        )  # fmt: skip
    standing = [request for request in found if request.takes(step)]
    meant = standing or [request for request in found if request.status != WITHDRAWN] or found
    if len(meant) > 1:
        raise of_several_types(request.type for request in meant)
    return meant[0]


def of_several_types(kinds: Iterable[str]) -> UsageError:
    """Return what is said where one customer has requests of several types under one number."""
    named = ", ".join(sorted(kinds))
    return UsageError(
        f"one customer's requests of several types have that number: {named}",
        "name the type too: --type; one that was filed under a wrong type ends by `assent rights"
        " withdraw`, or in the feed by a row whose status is `withdrawn`",
        rule="request.ambiguous",
    )


# How a request stands that has several words, of the newest: what releases, then what has ended.
RANK = ("withdrawn", "refused", "lifted", "fulfilled", "partial", OPEN)
_LISTED = f"""
    with said as materialized (
        select s.customer_id, s.subject_key, r.request_id, r.type, r.received_at, r.status,
            r.channel
        from permission.rights_requests as r join vault.subjects as s using (subject_key)
        union all by name
        select w.customer_id, s.subject_key, w.request_id, w.type, w.received_at, w.status,
            w.channel
        from waiting_requests as w left join vault.subjects as s using (customer_id)
    ),
    words as (
        select * from said
        where customer_id = coalesce($id, customer_id)
            and ($numbers::varchar[] is null or customer_id in
                (select customer_id from said where list_contains($numbers, request_id)))
    )
    select request_id, type, any_value(r.received_at) as received_at,
        first(w.status order by w.received_at desc,
            list_position([{", ".join(map(quoted, RANK))}], w.status)) as status,
        customer_id, any_value(w.subject_key) as subject_key,
        any_value(p.jurisdiction) as jurisdiction,
        first(w.channel order by w.received_at desc) filter (w.channel is not null) as channel,
        any_value(r.said_at) as said_at
    from words as w join {requests_sql("words", "customer_id")} as r
        using (customer_id, request_id, type)
    left join permission.subjects as p on p.subject_key = w.subject_key
    group by customer_id, request_id, type order by received_at, request_id, type
"""
