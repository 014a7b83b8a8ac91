"""Rights requests: listing them with what has been done, taking a step.

Belongs here: the requests as they stand, by the feed, by the inbox and by the steps taken here.
Does not belong here: opening one (``opening``), what fulfilling one does (``access``, ``erasure``),
by when one has to be answered (``due``), whom a request keeps out of marts
(``governance.consent``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from governance import acts, identity, inbox, limits
from governance.consent_relations import requests_sql
from governance.policy.model import Policy
from governance.policy.words import (
    HELD,
    REQUEST_STATES,
    STEPS,
    STOPPING_REQUESTS,
    TAKEN_BACK,
    VERIFIED_REQUESTS,
)
from governance.release import PERMISSION
from governance.rights import kept
from governance.rights.deadlines import due_dates, regime_of
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.errors import UsageError
from warehouse.sql import quoted

OPEN = "open"
WITHDRAWN = TAKEN_BACK[0]  # by the subject
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
        """Whether nothing is to be done about it; a granted restriction may still be lifted."""
        return self.status != OPEN and not (self.type == "restriction" and self.status in GRANTED)

    @property
    def stands(self) -> bool:
        """Whether it was answered and stops something since, until its subject takes it back.

        What was granted does; a refused objection still stops direct marketing (GDPR Art. 21(3)).
        """
        refused = self.type == "objection" and self.status == "refused"
        return refused or (self.type in STOPPING_REQUESTS and self.status in GRANTED)

    def takes(self, step: str = "") -> bool:
        """Tell whether anything can be done about it, or of what has ended: this step."""
        return not self.ended or (step == WITHDRAWN and self.stands)

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
        rows = connection.execute(
            _LISTED,
            {
                "id": customer_id and identity.as_landed(customer_id),
                "numbers": None if request_ids is None else list(request_ids),
            },
        )
        columns = [name for name, *_ in rows.description]
        found = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
    asked = {row["request_id"] for row in found}
    with kept.opened() as connection:
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


def find(request_id: str, customer_id: str | None = None, step: str = "") -> Request:
    """Return one request; see :func:`find_all`."""
    return find_all([request_id], listing(customer_id, [request_id]), customer_id, step)[0]


def find_all(
    request_ids: Sequence[str], among: Sequence[Request], customer_id: str | None = None,
    step: str = "",
) -> list[Request]:  # fmt: skip
    """Return some requests of a listing, in the order of their numbers as given.

    Parameters
    ----------
    customer_id
        Whose they are. If nobody says so, a number may be that of an erased customer, too.
    step
        What is to be done about them, see :func:`the_one`.

    Raises
    ------
    UsageError
        If there is none of a number, or several customers have one.
    """
    by_number: dict[str, list[Request]] = {}
    for request in among:
        by_number.setdefault(request.request_id, []).append(request)
    found = []
    for place, number in enumerate(request_ids, 1):
        standing = by_number.get(number, [])
        customers = standing[0].customers if standing and not customer_id else None
        try:
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
        raise UsageError(
            f"{len(meant)} requests of one customer have that number, of several types",
            "in the feed, let all but one end: a row whose status is `withdrawn`; what is asked for"
            " besides gets a number of its own",
            rule="request.ambiguous",
        )
    return meant[0]


def take_step(
    policy: Policy, request_id: str, step: str, *, customer_id: str | None = None, **details: Any
) -> Request:
    """Note a step on a request, and return it as it was; one that ends it lands with the next run.

    Parameters
    ----------
    policy
        Says whether a request may be extended.
    **details
        What belongs to the step, such as the ground of a refusal; no identifiers.

    Raises
    ------
    UsageError
        If there is no such step or request, it has ended already, or this isn't a step to take
        with it.
    """
    with acts.acting("rights.step", step=acts.known(step, STEPS)) as act:
        if step not in STEPS:
            raise UsageError("there is no such step", f"use one of {', '.join(STEPS)}")
        limits.require_told(*details.values())
        request = find(request_id, customer_id, step)
        act["subject_key"], act["request_id"] = request.subject_key, request.number
        require_open(request, step)
        _require_fitting(policy, request, step)
        note_step(request, step, **details)
    return request


def _require_fitting(policy: Policy, request: Request, step: str) -> None:
    """Refuse a step that this request can't take."""
    if request.is_hold and step in ("acknowledged", "extended", WITHDRAWN):
        raise UsageError(
            "a legal hold is the company's own: nobody has asked for it, so that it has no due date"
            " and nobody takes it back",
            f"`assent rights lift {request.request_id}` ends it",
            rule="request.hold",
        )
    if step == "extended":
        _require_extendable(policy, request)
    elif step == "fulfilled" and request.type == "erasure":
        raise UsageError(
            "an erasure is done by Assent, not noted",
            f"`assent rights fulfil {request.request_id}`",
        )
    elif step in GRANTED:
        require_verified(request)
    elif step == "lifted" and request.type != "restriction":
        raise UsageError("only a restriction is lifted", "`refuse` or `done` ends the others")


def _require_extendable(policy: Policy, request: Request) -> None:
    """Refuse to extend what can't be: once only, where there is one, and told in time."""
    if request.extended:
        raise UsageError("the request has been extended already", "the law lets one do it once")
    regime = regime_of(policy, request.jurisdiction)
    due_dates(policy, regime, request.type, request.received_at, extended=True)
    last = due_dates(policy, regime, request.type, request.received_at).answer_by
    if now().astimezone(ZoneInfo(policy.time_zone)).date() > last:
        raise UsageError(
            f"the request had to be answered by {last}: it can't be extended any more",
            "answer it now; the subject had to be told of an extension within that time",
            rule="request.late",
        )


def require_open(request: Request, step: str = "") -> None:
    """Refuse to go on with a request that has ended, but for what it takes after that."""
    if not request.takes(step):
        back = f"`assent rights withdraw {request.request_id}` notes that its subject takes it back"
        mend = f"it stands; {back}" if request.stands else "open a new one"
        raise UsageError(f"the request has ended: {request.status}", mend, rule="request.ended")


def require_verified(request: Request) -> None:
    """Refuse to disclose, change or destroy anything before somebody has verified who asks.

    GDPR Art. 12(6); Cal. Code Regs. tit. 11 § 7060 ff.
    """
    if request.type in VERIFIED_REQUESTS and not request.verified:
        raise UsageError(
            "nobody has verified yet who makes this request",
            f"`assent rights verify {request.request_id} --method ...` notes how it was done",
            rule="request.unverified",
        )


def note_step(
    request: Request, step: str, *, receipt: Mapping[str, Any] | None = None, **details: Any
) -> None:
    """Note a step, and keep the receipt for it; if it ends the request, for landing too."""
    present = utc_naive(now())
    with kept.opened() as connection:
        connection.execute("begin")
        if receipt:
            handle = kept.handle_of(connection, request.customer_id)
            kept.add_receipts(connection, [(handle, request.request_id, receipt)])
        kept.add_step(
            connection, request.customer_id, (request.request_id, request.type), step,
            at=present, actor=acts.actor(), **details,
        )  # fmt: skip
        connection.execute("commit")
    if step in REQUEST_STATES:
        word = {
            "customer_id": request.customer_id, "request_id": request.request_id,
            "type": request.type, "received_at": request.said_at, "status": step,
            "channel": request.channel,
        }  # fmt: skip
        inbox.add("rights_requests", word)


# How a request stands that has several words, of the newest: what releases, then what has ended.
RANK = ("withdrawn", "refused", "lifted", "fulfilled", "partial", OPEN)
_LISTED = f"""
    with words as (
        select s.customer_id, s.subject_key, r.request_id, r.type, r.received_at, r.status,
            r.channel
        from permission.rights_requests as r join vault.subjects as s using (subject_key)
        union all by name
        select w.customer_id, s.subject_key, w.request_id, w.type, w.received_at, w.status,
            w.channel
        from waiting_requests as w left join vault.subjects as s using (customer_id)
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
    where customer_id = coalesce($id, customer_id)
        and ($numbers::varchar[] is null or customer_id in
            (select customer_id from words where list_contains($numbers, request_id)))
    group by customer_id, request_id, type order by received_at, request_id, type
"""
