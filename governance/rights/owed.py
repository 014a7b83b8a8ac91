"""Which notices are owed: to whom, of what, and by which identifiers they know the subject.

Belongs here: working that out, of requests, of words of consent and of those who leave, and noting
it in ``kept``. Does not belong here: handing a notice over (``notices``), who was in which export
(``recipients``), which identifiers the vault doesn't hold any more (``known``).
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb

from governance import consent, identity, inbox
from governance.consent_relations import KNOWN_NOW, STOPS, Relations, listed, requests_sql
from governance.permission_bound import require_current
from governance.policy.model import Policy
from governance.policy.words import DENIALS, PERMISSION
from governance.rights import kept
from governance.rights.known import known_as
from governance.rights.recipients import REACHED, RECEIVED
from warehouse.clock import now, utc_naive
from warehouse.connect import published_store
from warehouse.home import Home
from warehouse.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa

STANDING = ("restriction", "objection", "limit")  # requests that are owed a notice while they stand


def owe(
    connection: duckdb.DuckDBPyConnection, subjects: "pa.Table", kind: str, *, since: datetime
) -> None:
    """Note the notices that some subjects' recipients are owed; done twice, it is done once.

    Parameters
    ----------
    connection
        As :func:`governance.rights.kept.opened` yields it.
    subjects
        ``customer_id``, ``request_id``, and by which identifiers each was known (``known_as``, with
        what exports held else: ``former``) and is now (``known_now``).
    """
    connection.register("owing", subjects)
    connection.execute(
        f"create or replace temp table owed as select *, {quoted(kind)} as kind,"
        f" timestamp {quoted(since.isoformat(sep=' '))} as since,"
        " null::varchar as purpose, null::varchar[] as purposes, null::varchar[] as stopped,"
        " null::varchar as recipient, null::varchar[] as spared, null::varchar[] as overruled"
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

    def received(names: str) -> str:
        entries = f"list_filter(map_entries({names}), e -> list_contains(h.columns, e.key))"
        return f"map_from_entries({entries})"

    _note_known(connection)
    connection.execute(
        "insert into kept.notices (handle, recipient, kind, since, request_id, purpose, told)"
        " select distinct o.handle, h.recipient, o.kind, o.since, o.request_id, o.purpose,"
        " to_json({'known_as': k.known_as, 'also_known_as': k.also_known_as,"
        " 'received': k.received,"
        f" 'now': {received('o.known_now')}, 'purposes': o.purposes}})::varchar"
        f" from (select *, {kept.handle_sql('customer_id')} as handle from owed) as o"
        " join (select handle, recipient, list_distinct(flatten(list(columns))) as columns"
        f" from {RECEIVED} group by handle, recipient) as h using (handle)"
        " join knows as k on k.handle = h.handle and k.recipient = h.recipient"
        f" where exists (from {RECEIVED} as e"
        " where e.handle = o.handle and e.recipient = h.recipient"
        " and (o.recipient is null or o.recipient = e.recipient)"
        " and (o.purposes is null or list_contains(o.purposes, e.purpose))"
        " and (o.spared is null or not list_contains(o.spared, e.recipient))"
        " and (o.overruled is null or not list_contains(o.overruled, e.purpose))"
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


def _note_known(connection: duckdb.DuckDBPyConnection) -> None:
    """Note by what each recipient knows the subjects of ``owed``, in the temporary table ``knows``.

    That is the newest of what it received under each name, beside it what it received else, and in
    which exports: another customer may have had the same address before, or have it now. Who
    received nothing under any name isn't in it: nothing could be said of whom.
    """
    connection.execute(
        f"""
        create or replace temp table knows as
        with subject as (
            select {kept.handle_sql("customer_id")} as handle, any_value(known_as) as known_as,
                any_value(former) as former
            from owed group by all
        ),
        otherwise as (select handle, unnest(former, recursive := true) from subject),
        held as (
            select r.handle, r.recipient, r.release_id, r."at", r.name,
                o.release_id is null as still, if(still, s.known_as[r.name], o.value) as value
            from (select * exclude (columns), unnest(columns) as name from {REACHED}) as r
            join subject as s using (handle)
            left join otherwise as o on o.handle = r.handle and o.release_id = r.release_id
                and o.name = r.name
            where map_contains(s.known_as, r.name)
        ),
        by_export as (
            select handle, recipient, release_id, "at",
                map_from_entries(list(distinct (name, value))) as known_as
            from held where value is not null group by all
        ),
        exports as (
            select handle, recipient, list({{
                'number': release_id, 'at': strftime("at", '%Y-%m-%dT%H:%M:%SZ'),
                'known_as': known_as
            }} order by "at", release_id) as received
            from by_export group by all
        ),
        by_name as (
            select handle, recipient, name,
                last(value order by "at", still) filter (value is not null) as newest,
                list(distinct value) filter (value is not null) as all_values
            from held group by all
        )
        select handle, recipient, map(list(name), list(newest)) as known_as,
            map_from_entries(
                list((name, list_filter(all_values, v -> v <> newest)))
                    filter (len(all_values) > 1)
            ) as also_known_as, any_value(received) as received
        from by_name join exports using (handle, recipient)
        group by handle, recipient having count(newest) > 0
        """
    )


def gather(policy: Policy, subject: UUID | None = None) -> None:
    """Note what is owed for denials and for requests that stand or have ended, whoever said so.

    Of everybody, or of one subject.
    """
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
        words = _of(WORDS, subject)
        consent.state(connection, policy, words, at=at, known=at, into="state")
        owed = connection.execute(
            _STANDING.format(
                known=known_as(connection, _subjects(subject)),
                stopped=_stopped(policy),
                events=words.events,
                theirs="true" if subject is None else f"subject_key = '{subject}'::uuid",
            ),
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


def _subjects(subject: UUID | None) -> str:
    if subject is None:
        return "vault.subjects"
    return f"(select * from vault.subjects where subject_key = '{subject}'::uuid) as s"


def _of(words: Relations, subject: UUID | None) -> Relations:
    """Return the words of one subject, or of all."""
    if subject is None:
        return words
    theirs = f"(select * from {{}} where subject_key = '{subject}'::uuid)"
    return replace(words, events=theirs.format(words.events),
                   subjects=theirs.format(words.subjects))  # fmt: skip


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
        where type in {listed(STANDING)} and {{theirs}}
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
        from {{events}} where action in {listed(DENIALS)}
        union all
        -- A limit concerns sensitive data only (Cal. Code Regs. tit. 11 § 7027(g)).
        select subject_key, type, stands_since, request_id, null,
            if(type = 'limit', {{stopped}}['limit'], null), null, not stands, null
        from requests
        union all
        -- One that was refused goes on standing against direct marketing (GDPR Art. 21(3)).
        select subject_key, 'marketing_objection', not_taken_back_since, request_id, null,
            {{stopped}}['marketing_objection'], null, not not_taken_back,
            null
        from requests where type = 'objection' and not stands
    )
    select customer_id, request_id, known_as, former, known_as as known_now, kind, since, purpose,
        purposes,
        coalesce({{stopped}}[kind], (
            select list(state.purpose) from state
            where state.subject_key = words.subject_key
                and state.rule in {listed(DENIED)}
                and state.decided_at = words.decided_at
        )) as stopped,
        ended, null::varchar as recipient, spared,
        -- For these purposes newer consents have overruled it.
        case when request_id is null then (
            select list(state.purpose) from state
            where state.subject_key = words.subject_key
                and state.rule not in {listed(DENIED)}
        ) end as overruled
    from words join ({{known}}) using (subject_key)
    -- A word that newer consents have overruled is owed to nobody.
    where request_id is not null or coalesce((
        select bool_or(state.rule in {listed(DENIED)}) from state
        where state.subject_key = words.subject_key
            and (words.purposes is null or list_contains(words.purposes, state.purpose))
    ), true)
"""
