"""Notices: who received a subject's data is told what has become of it (GDPR Art. 19).

Belongs here: which notices are owed, writing those of one recipient, noting that they were handed
over and that the recipient confirmed. Also told are denials and limits (Cal. Code Regs. tit. 11
§§ 7026(f), 7027(g)). Does not belong here: remembering who was in which export (``recipients``),
where a file may lie (``governance.handover``).

What a notice tells, the identifiers by which the recipient knows the subject, stands in ``kept``
until the recipient has confirmed, or for the policy's ``purge_within_days`` after it was handed
over: the vault doesn't know who is erased.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb

from governance import acts, consent, handover, identity, inbox
from governance.consent_relations import (
    KNOWN_NOW,
    STOPS,
    listed,
    requests_sql,
    require_current,
)
from governance.policy.model import Policy
from governance.policy.words import DENIALS
from governance.release import PERMISSION
from governance.rights import kept
from governance.rights.holding import plain
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".json",)
WHAT_TO_DO = {
    "erasure": "Delete what you received of this customer.",
    "rectification": "Replace what you received by what is said here.",
    "restriction": "Keep what you received, and use it for nothing.",
    "objection": "Stop using what you received; the customer objects to it.",
    "marketing_objection": "Stop using what you received for direct marketing; it is objected to.",
    "limit": "Stop using sensitive data of this customer beyond what the customer asked for.",
    "opt_out": "Stop using what you received; the customer has opted out.",
    "withdrawal": "Stop using what you received for these purposes; consent has been withdrawn.",
    "restriction_ended": "The restriction that you were told of has ended.",
    "objection_ended": "The objection that you were told of has ended.",
    "marketing_objection_ended": "The objection to direct marketing has been taken back.",
    "limit_ended": "The limit that you were told of has ended.",
}
WITHDRAWN_ALL = "Stop using what you received; consent has been withdrawn."  # for every purpose
# What isn't told again while something else waits: it has been handed over.
NEW = (
    "(n.handed_at is null or not exists (from kept.notices as w where w.recipient = n.recipient"
    " and w.handed_at is null))"
)
STANDING = ("restriction", "objection", "limit")  # requests that are owed a notice while they stand


@dataclass(frozen=True)
class Notice:
    """One notice, as it stands; ``state`` is waiting, handed over or confirmed."""

    request_id: str | None
    recipient: str
    kind: str
    since: datetime
    notice_id: str | None
    state: str


def owe(
    connection: duckdb.DuckDBPyConnection, subjects: "pa.Table", kind: str, *, since: datetime
) -> None:
    """Note the notices that some subjects' recipients are owed; done twice, it is done once.

    Parameters
    ----------
    connection
        As :func:`governance.rights.kept.opened` yields it.
    subjects
        ``customer_id``, ``request_id``, and by which identifiers each was known (``known_as``) and
        is now (``known_now``): maps.
    """
    connection.register("owing", subjects)
    connection.execute(
        f"create or replace temp table owed as select *, {quoted(kind)} as kind,"
        f" timestamp {quoted(since.isoformat(sep=' '))} as since,"
        " null::varchar as purpose, null::varchar[] as purposes, null::varchar[] as stopped,"
        " null::varchar as recipient,"
        " null::varchar[] as spared"
        " from owing"
    )
    connection.unregister("owing")
    # What it says goes beyond whatever the recipient wasn't told yet.
    connection.execute(
        "delete from kept.notices where kind <> ? and handed_at is null and ? = 'erasure'"
        f" and handle in (select {kept.handle_sql('customer_id')} from owed)",
        [kind, kind],
    )
    _insert(connection)


def _insert(connection: duckdb.DuckDBPyConnection) -> None:
    """Note what is owed to whom by the temporary table ``owed``; only who received it is told.

    Several words may be of one moment: each that is of another request or purpose is told.
    """

    def received(known: str) -> str:
        entries = f"list_filter(map_entries({known}), e -> list_contains(h.columns, e.key))"
        return f"map_from_entries({entries})"

    connection.execute(
        "insert into kept.notices (handle, recipient, kind, since, request_id, purpose, told)"
        " select distinct o.handle, h.recipient, o.kind, o.since, o.request_id, o.purpose,"
        f" to_json({{'known_as': {received('o.known_as')}, 'now': {received('o.known_now')},"
        " 'purposes': o.purposes})::varchar"
        f" from (select *, {kept.handle_sql('customer_id')} as handle from owed) as o"
        " join (select handle, recipient, list_distinct(flatten(list(columns))) as columns"
        " from kept.handed_over group by handle, recipient) as h using (handle)"
        " where exists (from kept.handed_over as e"
        " where e.handle = o.handle and e.recipient = h.recipient"
        " and (o.recipient is null or o.recipient = e.recipient)"
        " and (o.purposes is null or list_contains(o.purposes, e.purpose))"
        " and (o.spared is null or not list_contains(o.spared, e.recipient))"
        # A word may bear an earlier date than the export and have come after it: what it stops now
        # can't have left since it took effect.
        ' and (e."at" <= o.since or list_contains(o.stopped, e.purpose)))'
        " and (o.kind <> 'rectification' or"
        f" {received('o.known_as')} is distinct from {received('o.known_now')})"
        " and not exists (from kept.notices as n where n.handle = o.handle"
        " and n.recipient = h.recipient and n.kind = o.kind and n.since = o.since"
        " and n.request_id is not distinct from o.request_id"
        " and coalesce(n.purpose, o.purpose) is not distinct from o.purpose)"
    )


def gather(policy: Policy) -> None:
    """Note what is owed for denials and for requests that stand or have ended, whoever said so."""
    if not Home.current().published_file(PERMISSION).exists():
        return
    with kept.opened() as connection:
        if not connection.execute("select count(*) from kept.handed_over").fetchall()[0][0]:
            return  # nobody has received anything
    waiting = inbox.waiting()
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        waiting.register(connection)
        require_current(connection)
        at = consent.moment(connection, utc_naive(now()))
        consent.state(connection, policy, WORDS, at=at, known=at, into="state")
        owed = connection.execute(
            _STANDING.format(known=identity.known_as(connection), stopped=_stopped(policy)),
            {
                "sold": [name for name, p in policy.purposes.items() if p.sale_or_share],
                "own": [name for name, r in policy.recipients.items() if r.role != "third_party"],
            },
        ).to_arrow_table()
    with kept.opened() as connection:
        connection.register("found", owed)
        connection.execute("create or replace temp table owed as from found where not ended")
        _insert(connection)
        _end(connection)
        connection.unregister("found")


def _end(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what nobody was told of a request of ``found`` that has ended; who was is told that.

    Who was told of it again since, as its number came anew, is told that again. Nobody is told so
    while a request of the kind stands, that one or another.
    """
    said = f"(select *, {kept.handle_sql('customer_id')} as handle from found where {{}})"
    ended, stands = said.format("ended"), said.format("request_id is not null and not ended")
    connection.execute(
        f"delete from kept.notices as n using {ended} as f where n.handle = f.handle"
        " and n.request_id = f.request_id and n.kind = f.kind and n.handed_at is null"
    )
    connection.execute(
        f"delete from kept.notices as n using {stands} as f where n.handle = f.handle"
        " and n.kind = f.kind || '_ended' and n.handed_at is null"
    )
    connection.execute(
        "create or replace temp table owed as select f.* exclude (handle) replace"
        " (f.kind || '_ended' as kind, ?::timestamp as since, n.recipient as recipient)"
        f" from {ended} as f join kept.notices as n using (handle, request_id, kind)"
        f" where (f.handle, f.kind) not in (select handle, kind from {stands})"
        " and not exists (from kept.notices as told where told.handle = f.handle"
        " and told.request_id = f.request_id and told.recipient = n.recipient"
        " and told.kind = f.kind || '_ended'"
        " and coalesce(told.handed_at, told.since) >= n.handed_at)",
        [utc_naive(now())],
    )
    _insert(connection)


def notices(policy: Policy, customer_id: str | None = None) -> list[Notice]:
    """Return every notice, or those about one customer, oldest first."""
    gather(policy)
    with kept.opened() as connection:
        whose = kept.handle_of(connection, customer_id) if customer_id else None
        rows = connection.execute(
            "select request_id, recipient, kind, since, notice_id, case when confirmed_at is not"
            " null then 'confirmed' when handed_at is not null then 'handed over' else 'waiting'"
            " end from kept.notices where handle = coalesce(?, handle)"
            " order by since, recipient, kind, request_id",
            [whose],
        ).fetchall()
    return [Notice(*row) for row in rows]


def notify(policy: Policy, recipient: str, to: Path, *, encrypted: bool = True) -> dict[str, Any]:
    """Write what a recipient is to be told to a file for it; return how much that is.

    All that waits is in it; if nothing does, what isn't confirmed, by the number it was given.

    Raises
    ------
    UsageError
        If there is nothing to tell, the recipient has no public key, or the file can't be written
        there.
    """
    named = acts.known(recipient, policy.recipients)
    with acts.acting("rights.notify", recipient=named) as act:
        target = handover.target(to, FORMATS, "a notice", encrypted=encrypted)
        key = handover.key_of_recipient(policy, recipient) if encrypted else None
        gather(policy)
        notice_id, at = secrets.token_hex(8), utc_naive(now())
        these, changes = _unconfirmed(recipient, notice_id)
        if not changes:
            raise UsageError(
                "there is nothing to tell that recipient",
                "see `assent rights notices`",
                rule="notice.none",
            )
        numbers = sorted({change["notice_id"] for change in changes})
        told = {
            "made_at": plain(at), "recipient": recipient,
            "controller": policy.controller.model_dump(mode="json"), "changes": changes,
        }  # fmt: skip
        content = handover.sealed(json.dumps(told, indent=1, ensure_ascii=False).encode(), key)
        act |= {"notice_ids": numbers, "changes": len(changes), "encrypted": encrypted}
    with handover.set_aside(target, content) as put:
        _hand_over(these, notice_id, at)
        try:
            put()
        except BaseException:
            _hand_over(these, None, None)
            raise
    return {"notice_ids": numbers, "changes": len(changes), "file": target.name}


def confirm(notice_id: str, how: str) -> int:
    """Note that a recipient has confirmed a notice; return how many changes it was of."""
    with acts.acting("rights.confirm") as act, kept.opened() as connection:
        rows = connection.execute(
            "update kept.notices set confirmed_at = ?, how = ?, told = null"
            " where notice_id = ? and confirmed_at is null",
            [utc_naive(now()), how, notice_id],
        ).fetchall()
        if not rows[0][0]:
            raise UsageError("no notice of that number waits to be confirmed",
                             "see `assent rights notices`", rule="notice.unknown")  # fmt: skip
        act |= {"notice_id": notice_id, "changes": rows[0][0]}
    return int(rows[0][0])


def forget_told(days: int) -> None:
    """Drop what notices told, so many days after they were handed over, confirmed or not."""
    with kept.opened() as connection:
        connection.execute(
            "update kept.notices set told = null where handed_at < ?",
            [utc_naive(now()) - timedelta(days=days)],
        )


def _unconfirmed(recipient: str, notice_id: str) -> tuple[list[UUID], list[dict[str, Any]]]:
    """Return which notices wait, to be handed over by a number, and what a recipient is told."""
    with kept.opened() as connection:
        rows = connection.execute(
            "select if(handed_at is null, owed_id, null), coalesce(notice_id, ?), kind, since, told"
            " from kept.notices as n where recipient = ?"
            f" and confirmed_at is null and told is not null and {NEW}"
            " order by since, kind, told, owed_id",
            [notice_id, recipient],
        ).fetchall()
    return [owed_id for owed_id, *_ in rows if owed_id], [_change(*row) for _, *row in rows]


def _change(notice_id: str, kind: str, since: datetime, told: str) -> dict[str, Any]:
    known: Mapping[str, Any] = json.loads(told)
    said = {"notice_id": notice_id, "kind": kind, "since": plain(since)}
    changed = {"now": known["now"]} if kind == "rectification" else {}
    of = {"purposes": known["purposes"]} if known.get("purposes") else {}
    to_do = WITHDRAWN_ALL if kind == "withdrawal" and not of else WHAT_TO_DO[kind]
    return {**said, "known_as": known["known_as"], **of, **changed, "please": to_do}


def _hand_over(these: list[UUID], notice_id: str | None, at: datetime | None) -> None:
    """Note that these were handed over, and no other: more may have become owed meanwhile."""
    with kept.opened() as connection:
        connection.execute(
            "update kept.notices set notice_id = ?, handed_at = ?"
            " where owed_id in (select unnest(?::uuid[]))",
            [notice_id, at, these],
        )


def _stopped(policy: Policy) -> str:
    """Return as a map of SQL what a request stops, while it stands: purposes by kind of notice."""
    every = policy.purposes
    stopped = {
        "restriction": list(every),
        "objection": list(every),
        "marketing_objection": [name for name, p in every.items() if p.direct_marketing],
        "limit": [name for name, p in every.items() if p.sensitive],
    }
    return f"map {stopped}"


DENIED = (consent.OBJECTED, consent.WITHDRAWN)
# What the words of consent come to by themselves, whatever request stands.
WORDS = replace(
    KNOWN_NOW,
    subjects=f"(select * replace ({', '.join(f'false as {name}' for name in STOPS)})"
    f" from {KNOWN_NOW.subjects})",
)
_STANDING = f"""
    with requests as (
        select subject_key, request_id, type, stands, stands_since, not_taken_back,
            not_taken_back_since
        from {
    requests_sql('''(
            select subject_key, request_id, type, received_at, status
            from permission.rights_requests
            union all
            select s.subject_key, w.request_id, w.type, w.received_at, w.status
            from waiting_requests as w join vault.subjects as s using (customer_id)
        )''')
}
        where type in {listed(STANDING)}
    ),
    words as (
        -- A signal opts out of sale and sharing, which is with third parties (Cal. Civ. Code
        -- 1798.135; Cal. Code Regs. tit. 11 §§ 7025, 7026(f)).
        select subject_key, if(action = 'withdrawn', 'withdrawal', 'opt_out') as kind,
            recorded_at as since, null::varchar as request_id, purpose,
            case when purpose is not null then [purpose]
                when {consent.SIGNALS} then $sold::varchar[] end as purposes,
            occurred_at as decided_at, false as ended,
            if({consent.SIGNALS}, $own::varchar[], null) as spared
        from {KNOWN_NOW.events} where action in {listed(DENIALS)}
        union all
        select subject_key, type, stands_since, request_id, null, null, null, not stands, null
        from requests
        union all
        -- One that was refused goes on standing against direct marketing (GDPR Art. 21(3)).
        select subject_key, 'marketing_objection', not_taken_back_since, request_id, null,
            {{stopped}}['marketing_objection'], null, not not_taken_back,
            null
        from requests where type = 'objection' and not stands
    )
    select customer_id, request_id, known_as, known_as as known_now, kind, since, purpose,
        purposes,
        coalesce({{stopped}}[kind], (
            select list(state.purpose) from state
            where state.subject_key = words.subject_key
                and state.rule in {listed(DENIED)}
                and state.decided_at = words.decided_at
        )) as stopped,
        ended, null::varchar as recipient, spared
    from words join ({{known}}) using (subject_key)
    -- A word that newer consents have overruled is owed to nobody.
    where request_id is not null or coalesce((
        select bool_or(state.rule in {listed(DENIED)}) from state
        where state.subject_key = words.subject_key
            and (words.purposes is null or list_contains(words.purposes, state.purpose))
    ), true)
"""
