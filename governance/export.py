"""Exports: the members of a segment, for one purpose, to one named recipient.

Belongs here: the second check at the moment of export, re-identification, what the file holds, and
its manifest. Does not belong here: where a file for a recipient may lie, and writing it
(``governance.handover``), the published files themselves (``governance.release``).
"""

import hashlib
import json
import secrets
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from governance import acts, aging, consent, evidence, handover, identity, inbox
from governance.consent_relations import KNOWN_NOW
from governance.permission_bound import require_current
from governance.policy.columns import purpose_named
from governance.policy.load import policy_hash
from governance.policy.model import Policy, Recipient
from governance.policy.problems import nearest
from governance.policy.rules import override_of
from governance.policy.words import PERMISSION, SEGMENT_PURPOSE
from governance.rights import kept, recipients, suppressed
from governance.rights.recipients import HandedOver
from warehouse.clock import now, utc_naive, whose
from warehouse.connect import published_store
from warehouse.errors import RuleBrokenError, UsageError
from warehouse.home import Home
from warehouse.journal import write_durably
from warehouse.sql import identifier, quoted

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True)
class Manifest:
    """What an export consisted of: facts and counts, never a row.

    Attributes
    ----------
    at, clock : str
        The act's own moment, and whose word it is (:func:`warehouse.clock.whose`).
    judged_at : str
        The moment that permission was judged at, never before the newest event that is known.
    apostrophes : int
        Texts of a CSV that were given an apostrophe, so that no spreadsheet takes them for a
        formula.
    """

    release_id: str
    at: str
    clock: str
    judged_at: str
    actor: str
    purpose: str
    segment: str
    recipient: str
    role: str
    country: str
    policy_hash: str
    columns: list[str]
    members: int
    exported: int
    held_back: dict[str, int] = field(default_factory=dict)
    encrypted: bool = True
    apostrophes: int = 0
    file_sha256: str = ""
    label: str | None = None


def export(
    policy: Policy,
    *,
    segment: str,
    purpose: str,
    recipient: str,
    to: Path,
    encrypted: bool = True,
) -> Manifest:
    """Export a segment's members who may be processed for the purpose at this moment.

    Parameters
    ----------
    segment
        A published segment's number or name.
    to
        A ``.csv`` or ``.parquet`` file; where, see :func:`governance.handover.target`.

    Raises
    ------
    RuleBrokenError
        If the recipient isn't listed for the purpose, a consent event can't be read, or the segment
        has become too small.
    UsageError
        If the file can't be written there, or the recipient has no public key.
    """
    named = {
        "purpose": acts.known(purpose, policy.purposes),
        "recipient": acts.known(recipient, policy.recipients),
    }
    with ExitStack() as taken_back:
        with handover.handing_over("export", **named) as (act, hand_over):
            kept.require_as_far()
            manifest, content, target = _prepared(
                policy, segment, purpose, recipient, to, taken_back, encrypted=encrypted
            )
            act |= {k: v for k, v in vars(manifest).items() if k not in acts.OURS}
            _write_manifest(manifest, taken_back)
            hand_over(target, content)
        taken_back.pop_all()
    return manifest


def _prepared(
    policy: Policy, segment: str, purpose: str, recipient: str, to: Path, taken_back: ExitStack,
    *, encrypted: bool,
) -> tuple[Manifest, bytes, Path]:  # fmt: skip
    """Check and work out everything: manifest, what the file holds, where it goes."""
    purpose_named(policy, purpose)
    listed = _recipient(policy, recipient, purpose)
    target = handover.target(to, FORMATS, "an export", encrypted=encrypted)
    key = handover.key_of_recipient(policy, recipient) if encrypted else None
    columns = list(listed.receives or ("customer_id",))
    release_id, at = secrets.token_hex(8), now()  # an act's own instant
    # Before the permission file is opened: a run puts an event there, then takes it from here.
    waiting = inbox.waiting()
    beside = (
        published_store(SEGMENT_PURPOSE, alias="segments"),
        published_store(PERMISSION, alias="permission"),
    )
    with identity.opened(*beside) as connection:
        waiting.register(connection)
        judged_at = _judge(connection, policy, utc_naive(at))
        number, name, day = _segment(connection, segment)
        _audience(connection, number, purpose)
        _hold_back_erased(connection)
        held_back = Counter(
            dict(
                connection.execute(
                    "select reason, count(*) from audience where reason is not null group by all"
                ).fetchall()
            )
        )
        members = int(connection.execute("select count(*) from audience").fetchall()[0][0])
        _require_size(policy, name, members, day)
        table = _table(connection, columns)
        handed = HandedOver(release_id, recipient, purpose, utc_naive(at), tuple(columns))
        _remember(handed, _table(connection, ["customer_id"]), taken_back)
    if to.suffix == ".csv":
        table, apostrophes = handover.without_formulas(table)
    else:
        apostrophes = 0
    content = handover.sealed(handover.encoded(table, to.suffix), key)
    manifest = Manifest(
        release_id=release_id, at=at.isoformat(), clock=whose(),
        judged_at=judged_at.replace(tzinfo=UTC).isoformat(), actor=acts.actor(), purpose=purpose,
        segment=name, recipient=recipient, role=listed.role, country=listed.country,
        policy_hash=policy_hash(policy), columns=columns, members=members,
        exported=members - held_back.total(), held_back=dict(sorted(held_back.items())),
        encrypted=encrypted, apostrophes=apostrophes,
        file_sha256=hashlib.sha256(content).hexdigest(),
        label=evidence.label(),
    )  # fmt: skip
    return manifest, content, target


def _recipient(policy: Policy, name: str, purpose: str) -> Recipient:
    if name not in policy.recipients:
        raise RuleBrokenError(
            "the recipient is not listed in the policy",
            nearest(name, policy.recipients, "add it under recipients, with role and country"),
            rule="recipient.unlisted",
        )
    listed = policy.recipients[name]
    if purpose not in listed.purposes:
        raise RuleBrokenError(
            f"the policy doesn't let '{name}' receive anything for '{purpose}'",
            f"its purposes are: {', '.join(listed.purposes)}",
            rule="recipient.purpose",
        )
    return listed


def _judge(connection: duckdb.DuckDBPyConnection, policy: Policy, at: datetime) -> datetime:
    """Work out everybody's state now: published events and those that wait in the inbox.

    Returns when that is; see :func:`governance.consent.moment`.
    """
    unread = connection.execute("select events from permission.unread").fetchall()[0][0]
    if unread:
        raise RuleBrokenError(
            f"{unread} consent event(s) or request(s) name no readable subject; nothing leaves",
            "see `assent quarantine list`; then `assent quarantine resolve`",
            rule="readable",
        )
    require_current(connection)
    at = consent.moment(connection, at)
    consent.state(connection, policy, KNOWN_NOW, at=at, known=at, into="state")
    return at


def _segment(connection: duckdb.DuckDBPyConnection, wanted: str) -> tuple[int, str, date]:
    """Find a segment's number, its name and the day that it is of."""
    rows = connection.execute(
        "select segment_id, name, as_of from segments.segments"
        " where as_of = (select max(as_of) from segments.segments)"
    ).fetchall()
    for number, name, day in rows:
        if wanted in (str(number), name):
            return number, name, day
    raise UsageError(
        "there is no such published segment",
        nearest(
            wanted,
            [name for _, name, _ in rows],
            "see `assent query --purpose segmentation 'from segments'`",
        ),
        rule="segment.unknown",
    )


def _require_size(policy: Policy, name: str, members: int, day: date) -> None:
    """Stop if withdrawals that have landed have left a segment smaller than one may be."""
    rule, limit = f"size.{SEGMENT_PURPOSE}", policy.thresholds.smallest_segment
    present = aging.present_day(policy, day)
    if members < limit and not override_of(policy, rule, present):
        raise RuleBrokenError(
            f"segment '{name}' has fewer than {limit} members left, so it would point at persons",
            "`assent run` forms the segments anew",
            rule=rule,
        )


def _audience(connection: duckdb.DuckDBPyConnection, number: int, purpose: str) -> None:
    """Find the segment's members by subject, with what holds each of them back, if anything."""
    needed = ", ".join(f"({quoted(p)})" for p in sorted({purpose, SEGMENT_PURPOSE}))
    connection.execute(
        f"""
        create or replace temp table audience as
        with members as (
            select k.subject_key
            from segments.assignments as a
            join ({identity.purpose_keys([SEGMENT_PURPOSE])}) as k
                on k.purpose_key = a.segmentation_key
            where a.segment_id = $number
                and a.as_of = (select max(as_of) from segments.assignments)
        ),
        refused as (
            select subject_key, min(purpose || ': ' || coalesce(rule, 'unknown subject')) as reason
            from members cross join (values {needed}) as needed(purpose)
            left join state using (subject_key, purpose)
            where not coalesce(permitted, false) group by all
        )
        select members.subject_key, refused.reason
        from members left join refused using (subject_key)
        """,
        {"number": number},
    )


def _hold_back_erased(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold back whoever was erased, should older files have been put back by hand."""
    secret, handles = suppressed.entries()
    if not handles.num_rows:
        return
    connection.register("handles", handles)
    handle = kept.handle_sql("customer_id", "($secret::blob)")
    connection.execute(
        "update audience set reason = 'erased' from vault.subjects as s"
        " where s.subject_key = audience.subject_key"
        f" and {handle} in ({suppressed.standing('handles', '($secret::blob)')})",
        {"secret": secret},
    )
    connection.unregister("handles")


def _table(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> Any:
    """Return what the recipient receives of everybody who isn't held back, as an Arrow table."""
    names = ", ".join(identifier(name) for name in columns)
    return connection.execute(
        f"select {names} from audience join vault.subjects using (subject_key)"
        " left join vault.identifiers using (subject_key)"
        " where reason is null order by customer_id"
    ).to_arrow_table()


def _write_manifest(manifest: Manifest, taken_back: ExitStack) -> None:
    """Write the manifest, before the file: no file is without its manifest.

    A process killed between the two leaves a manifest without a file, which discloses nothing.
    """
    path = Home.current().make().releases / f"{manifest.release_id}.json"
    taken_back.callback(path.unlink, missing_ok=True)
    write_durably(path, json.dumps(vars(manifest), indent=1, sort_keys=True).encode())


def _remember(handed: HandedOver, subjects: Any, taken_back: ExitStack) -> None:
    """Remember who is in it, before the file: nobody is handed over without its being known.

    And before the vault is let go: who corrects or erases somebody waits for that, and then notes
    who has to be told. A process killed before the file is there leaves a subject told of a file
    that never was, which is the safe side to err on.
    """
    taken_back.callback(recipients.take_back, handed.release_id)
    recipients.remember(subjects, handed)
