"""Where consent events and subjects are: in the warehouse, or with readers of published files.

Belongs here: the relations that permission is worked out from, and which requests stand against
what. Does not belong here: the derivation itself (``governance.consent``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from governance.policy.words import (
    HOLDING_FEEDS,
    HOLDING_REQUESTS,
    HOLDING_STATES,
    NOT_DELIVERED,
    RELEASING_STATES,
    REQUEST_STATES,
    STOPPING_REQUESTS,
    TAKEN_BACK,
)
from warehouse.sql import quoted


@dataclass(frozen=True)
class Relations:
    """Where the events and the subjects are: names of tables, or parenthesised selects.

    events: subject_key, action, purpose, occurred_at, recorded_at, notice_version, signal,
    given_by; to tell what decided (``consent.heard_sql``), ``EVIDENCE`` too.
    subjects: subject_key, jurisdiction, age_years, ``STOPS``, and limited_since, from when the use
    of sensitive data is limited.
    """

    events: str
    subjects: str


def listed(words: Iterable[str]) -> str:
    """Return words as a list of SQL."""
    return f"({', '.join(map(quoted, words))})"


def _last(said: str) -> str:
    """Return SQL of when the last of these words of a request was received, grouped or windowed."""
    return f"max(received_at) filter (status in {said})"


def _outlasts(said: str, ended: str) -> str:
    """Return SQL of a request's words, grouped: one of the first kind that none of the others ends.

    A word ends what was received no later than it itself.
    """
    return (
        f"coalesce(bool_or(status in {said}) and (not bool_or(status in {ended})"
        f" or {_last(said)} > {_last(ended)}), false)"
    )


def requests_sql(words: str, whose: str = "subject_key") -> str:
    """Return the ``select`` of requests as they stand by all that the feed and Assent say of them.

    A number that comes again as open, received later than what ended the request, is a request
    anew; but it stands on without a break if what ended it granted it.

    Parameters
    ----------
    words
        What stands behind ``from`` to yield ``whose``, request_id, type, received_at and status.
    whose
        The column that says whose they are.

    Returns
    -------
    str
        Yields ``whose``, request_id, type, received_at, said_at (when its newest word was), stands
        (it holds its subject), not_taken_back (by the subject), each of both with ``_since``, and
        unanswered.
    """
    of = f"partition by {whose}, request_id, type"
    opens, ends = "('open')", listed(REQUEST_STATES[1:])
    holding, releasing = listed(HOLDING_STATES), listed(RELEASING_STATES)
    taken_back = listed(TAKEN_BACK)
    kept = listed(state for state in REQUEST_STATES if state not in TAKEN_BACK)

    def since(last: str) -> str:
        return f"min(received_at) filter ({last} is null or received_at > {last})"

    return f"""(
        select {whose}, request_id, type, max(received_at) as said_at,
            {since("ended_at")} as received_at,
            {_outlasts(holding, releasing)} as stands, {since("released_at")} as stands_since,
            {_outlasts(kept, taken_back)} as not_taken_back,
            {since("taken_back_at")} as not_taken_back_since,
            {_outlasts(opens, ends)} as unanswered
        from (
            select *, max(received_at) filter (status in {ends} and received_at < opened_at)
                over ({of}) as ended_at
            from (
                select *, {_last(opens)} over ({of}) as opened_at,
                    {_last(releasing)} over ({of}) as released_at,
                    {_last(taken_back)} over ({of}) as taken_back_at
                from {words}
            )
        )
        group by {whose}, request_id, type
    )"""


# What is kept of an event beside what decides.
EVIDENCE = ("method", "channel", "language", "wording_hash", "evidence_ref")

# What stands against a subject besides its consents, each a column that says so, beside one with
# `_since`: against everything, against purposes flagged sensitive, against direct marketing.
STOPS = ("held", "limited", "marketing_objected")


# Held: a request to erase, object or restrict that is open or was granted, or a row that couldn't
# be read and may forbid all: a consent event or a request a denial, a customer's row a child's age.
# A refused objection goes on standing against direct marketing (GDPR Art. 21(3)).
# A request counts from when it was received; a row that couldn't be read may be of any date.
def landed(*, waits: bool = True) -> Relations:
    """Return what landing knows.

    Parameters
    ----------
    waits
        Whether a row of customers that is only waited for holds, as one does that can't be read.
    """
    but = "" if waits else f" and reason <> {quoted(NOT_DELIVERED)}"
    return Relations(
        events="landing.consent_events",
        subjects=f"""(
        select k.subject_key, c.jurisdiction, c.age_years,
            {", ".join(f"h.{name}_since is not null as {name}, h.{name}_since" for name in STOPS)}
        from (select distinct subject_key from landing.purpose_keys) as k
        left join landing.customers as c using (subject_key)
        left join (
            select subject_key,
                min(stands_since) filter (stands and type <> 'limit') as held_since,
                min(stands_since) filter (stands and type = 'limit') as limited_since,
                min(not_taken_back_since) filter (type = 'objection' and not_taken_back)
                    as marketing_objected_since
            from (
                select subject_key, type, stands, not_taken_back,
                    coalesce(stands_since, timestamp '-infinity') as stands_since,
                    coalesce(not_taken_back_since, timestamp '-infinity') as not_taken_back_since
                from {requests_sql("landing.rights_requests")}
                where type in {listed(STOPPING_REQUESTS)}
                union all
                select subject_key, 'unread', true, true, timestamp '-infinity', null
                from landing.quarantine
                where feed in {listed(HOLDING_FEEDS)} and resolved_at is null
                    and subject_key is not null{but}
            )
            group by subject_key
        ) as h using (subject_key)
    )""",
    )


LANDED = landed()


def restricted_sql(words: str = "landing.rights_requests") -> str:
    """Return the ``select`` of those of whom nothing may leave, with the number of the request.

    They are under a restriction that stands (a legal hold is one: GDPR Art. 18(1)(c)), or a request
    couldn't be read, which may be one: that has no number.

    Parameters
    ----------
    words
        As of :func:`requests_sql`.
    """
    return f"""(
        select subject_key, request_id from {requests_sql(words)}
        where type = 'restriction' and stands
        union all
        select subject_key, null from landing.quarantine
        where feed = 'rights_requests' and resolved_at is null and subject_key is not null
    )"""


RESTRICTED = f"(select subject_key from {restricted_sql()})"  # as landing knows it

_WAITING = {
    "held": HOLDING_REQUESTS,
    "limited": ("limit",),
    "marketing_objected": ("objection",),
}


def _known_now(stops: str, received: str) -> Relations:
    """Return what readers judge by, of the requests those that meet a condition.

    ``stops`` is the condition on what has landed, with the column in place of ``{}``.
    """

    def waits(name: str) -> str:
        return f"""waiting_requests as w join vault.subjects as s using (customer_id)
                where w.type in {listed(_WAITING[name])}
                    and w.status in {listed(HOLDING_STATES)} and {received}"""

    columns = ", ".join(
        f"{stops.format(name, name)} or p.subject_key in (select s.subject_key from {waits(name)})"
        f" as {name}"
        for name in STOPS
    )
    limited_since = f"""least(
            case when {stops.format("limited", "limited")} then p.limited_since end,
            (select min(w.received_at) from {waits("limited")} and s.subject_key = p.subject_key)
        )"""
    return Relations(
        events=f"""(
            select subject_key, action, purpose, occurred_at, recorded_at, notice_version, signal,
                given_by, {", ".join(EVIDENCE)}
            from permission.consent_events
            union all
            select s.subject_key, w.action, w.purpose, w.occurred_at, w.recorded_at,
                w.notice_version, w.signal, w.given_by,
                {", ".join(f"w.{name}" for name in EVIDENCE)}
            from waiting as w join vault.subjects as s using (customer_id)
        )""",
        subjects=f"(select p.subject_key, p.jurisdiction, p.age_years, {columns},"
        f" {limited_since} as limited_since"
        " from permission.subjects as p)",
    )


# For readers: the permission file, and words that wait in the inbox (`Waiting.register`; the vault,
# attached, says whose they are).
KNOWN_NOW = _known_now("p.{}", "true")


def known_then(known: datetime) -> Relations:
    """Return the same without the requests that came later than a moment (UTC, without a zone).

    They are not to act upon, but to tell what was known then.
    """
    until = f"timestamp '{known}'"
    return _known_now(f"(p.{{}} and p.{{}}_since <= {until})", f"w.received_at <= {until}")
