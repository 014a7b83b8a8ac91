"""Recording one subject's word.

Belongs here: what ``assent consent record`` keeps, and the bounds of it. Does not belong here: the
inbox's file (``governance.inbox``), what the word leads to (``governance.subject_consent``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from governance import acts, consent, identity, inbox, limits, subject_consent
from governance.policy.columns import purpose_named
from governance.policy.model import Policy
from governance.policy.words import ACTIONS, GRANTS, PERMISSION
from governance.rights import suppressed
from warehouse.clock import TICK, now, utc_naive
from warehouse.connect import connected, published_store
from warehouse.errors import (
    DAMAGED,
    NO_FILE,
    RESTORE_BEGUN,
    AssentError,
    KeyMissingError,
    RuleBrokenError,
    UsageError,
)

WORDS = ("channel", "language", "wording_hash", "signal")  # on one line; the others are free


@dataclass(frozen=True)
class Recorded:
    """An event in the inbox.

    ``known`` says whether there is such a customer, None: can't say; ``erased`` whether there was
    one who was erased, so that the next run stops the event at the door. ``at`` is the moment it
    counts as recorded, in UTC; ``behind`` says that the clock was behind that.
    """

    event_id: int
    known: bool | None
    at: datetime
    behind: bool
    erased: bool


def record(
    policy: Policy,
    customer_id: str,
    action: str,
    *,
    purpose: str | None = None,
    occurred_at: datetime | None = None,
    notice_version: int | None = None,
    method: str = "",
    channel: str | None = None,
    language: str | None = None,
    wording_hash: str | None = None,
    evidence_ref: str | None = None,
    signal: str | None = None,
    given_by: str | None = None,
    unprompted: bool = False,
) -> Recorded:
    """Put a subject's word into the inbox, if a run could land it.

    A subject that isn't known yet may be: the event applies when it appears. So may a denial of a
    purpose that the policy has no more: it counts if that comes back.

    Parameters
    ----------
    method, channel
        How and where the subject expressed it.
    language, wording_hash
        The language of the wording shown, and its hash.
    evidence_ref
        Where the evidence is kept.
    signal
        Name of the raw signal, if one was received: of ``gpc`` that names no purpose only what is
        sold or shared is meant.
    given_by
        Who said it, if it wasn't the subject (``GIVERS``).
    unprompted
        Whether nobody asked the subject to: within the months after an opt-out or a limit in which
        the policy forbids to ask, an opt-in is taken down only then, as far as can be told here.

    Raises
    ------
    RuleBrokenError
        If the subject may not have been asked.
    UsageError
        If the action or the purpose is unknown, a grant names no notice or a signal, or a value is
        beyond the limits.
    """
    named = {
        "action": acts.known(action, ACTIONS),
        "purpose": acts.known(purpose or "", policy.purposes),
    }
    with acts.acting("consent.record", **named) as act:
        _require_known(policy, action, purpose, notice_version, _word(signal))
        identity.require_an_id(customer_id)
        texts = {"method": method, "channel": channel, "language": language,
                 "wording_hash": wording_hash, "evidence_ref": evidence_ref,
                 "signal": _word(signal)}  # fmt: skip
        _require_texts(texts)
        clock = utc_naive(now())
        # At the same instant a denial wins: a grant comes after what it answers.
        later = TICK if action in GRANTS else timedelta()
        recorded_at = _newest_known(clock - later) + later
        _require_possible(notice_version, occurred_at, recorded_at)
        if action in GRANTS:
            act["unprompted"] = unprompted
            if not unprompted:
                _require_askable(policy, customer_id, purpose)
        number = inbox.add(
            "consent_events",
            {
                "customer_id": identity.as_landed(customer_id),
                "action": action, "purpose": purpose,
                "occurred_at": occurred_at or recorded_at, "recorded_at": recorded_at,
                "notice_version": notice_version, "given_by": given_by, **texts,
            }
        )  # fmt: skip
        known, act["subject_key"] = identity.look_up(customer_id)
    erased = known is False and suppressed.is_suppressed(customer_id)
    return Recorded(number, known, recorded_at, behind=recorded_at > clock, erased=erased)


def _require_askable(policy: Policy, customer_id: str, purpose: str | None) -> None:
    """Refuse an opt-in that the subject may not be asked for (Cal. Civ. Code 1798.135(c)(4)).

    Whoever takes words down needs no key; without those to what decides, nobody can tell.
    """
    try:
        states = subject_consent.account(policy, customer_id).states
    except AssentError:
        return
    for state in states:
        if state.ask_again_at and purpose in (None, state.purpose):
            raise RuleBrokenError(
                f"the subject opted out of '{state.purpose}', or limited it, and may not be asked"
                f" to opt in before {state.ask_again_at} UTC",
                "if nobody asked, and they came of their own accord, pass --unprompted",
                rule="consent.asked",
            )


def _was_known(purpose: str) -> bool:
    """Tell whether a word that has landed, or waits, names a purpose that the policy has no more.

    A denial of one is taken down: it may come back. A misspelt one never was.
    """
    if any(word["purpose"] == purpose for word in inbox.waiting().consent_events):
        return True
    try:
        with connected(published_store(PERMISSION, alias="permission")) as connection:
            return bool(
                connection.execute(
                    "select 1 from permission.consent_events where purpose = ? limit 1", [purpose]
                ).fetchall()
            )
    except AssentError:
        return False


def _newest_known(clock: datetime) -> datetime:
    """Return the moment a word counts as recorded: never before what is known already.

    By a clock that is behind, a denial would come before the grant that it takes back. Whoever
    takes words down needs no key to what decides permission; without it, what waits counts.
    """
    waiting = inbox.waiting()
    try:
        with connected(published_store(PERMISSION, alias="permission")) as connection:
            waiting.register(connection)
            return consent.moment(connection, clock)
    except AssentError as error:
        if error.rule not in (KeyMissingError.rule, NO_FILE, RESTORE_BEGUN, DAMAGED):
            raise
        recorded: list[datetime] = [word["recorded_at"] for word in waiting.consent_events]
        return max([clock, *recorded])


def _require_known(
    policy: Policy, action: str, purpose: str | None, notice_version: int | None, signal: str | None
) -> None:
    if action not in ACTIONS:
        raise UsageError(f"unknown action '{action}'", f"use one of {', '.join(ACTIONS)}")
    if purpose is not None and (action in GRANTS or not _was_known(purpose)):
        purpose_named(policy, purpose)
    if action in GRANTS and notice_version is None:
        raise UsageError("a grant needs the notice that was shown", "pass --notice-version")
    if action in GRANTS and signal == consent.GPC:
        raise UsageError(
            f"{consent.GPC} opts out only: that it is sent no more is no consent",
            "leave out --signal, if the subject agreed by what they did",
        )


def _require_possible(
    notice_version: int | None, occurred_at: datetime | None, recorded_at: datetime
) -> None:
    if notice_version is not None and not 1 <= notice_version <= limits.GREATEST_NOTICE:
        raise UsageError(
            f"there is no notice {notice_version}", "notices are numbered from 1, see the policy"
        )
    if occurred_at is None:
        return
    if occurred_at < limits.EARLIEST:
        raise UsageError(
            f"--occurred-at is before {limits.EARLIEST.year}", "say when the subject said so"
        )
    if occurred_at > recorded_at + timedelta(minutes=limits.FUTURE_TOLERANCE_MINUTES):
        raise UsageError("--occurred-at is in the future", "write it in UTC, or leave it out")


def _word(text: str | None) -> str | None:
    """Return a word as landing writes it: capitals, blanks around and ``-`` make no difference."""
    return text and text.strip(limits.BLANKS).lower().translate(str.maketrans("- ", "__"))


def _require_texts(texts: Mapping[str, str | None]) -> None:
    """Refuse texts that are too long, or words that hold what can't be seen."""
    for name, text in texts.items():
        said = f"the {name.replace('_', ' ')}"
        if len((text or "").encode()) > limits.LONGEST_TEXT:
            raise UsageError(
                f"{said} is longer than {limits.LONGEST_TEXT} bytes", "name where it is kept"
            )
        if name in WORDS and set(text or "") & set(limits.UNSEEN):
            raise UsageError(f"{said} holds a character that can't be seen", "write it on one line")
