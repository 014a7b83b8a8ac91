"""A subject's own copy of its consent, as a file.

Belongs here: filling the records, and the act that hands them over. Does not belong here: what is
known of the subject (``governance.subject_consent``), the records' shape
(``governance.consent_record``), where the file may lie (``governance.handover``).
"""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from governance import consent_page, evidence, handover
from governance.consent_record import Data, Effect, Event, Receipt, Receiver, Record
from governance.policy.model import Policy
from governance.subject_consent import Account, Heard, State, account
from warehouse.clock import now

FORMATS = (".json", ".html")
WITHDRAWAL = (
    "Tell {contact}, with your customer number ({subject}), which purpose you no longer allow, or"
    " that you allow none. You need not say why. It counts from the moment it is recorded; what was"
    " done before stays lawful."
)


@dataclass(frozen=True)
class Issued:
    """What is said of a receipt on record: facts and counts, nothing of the subject."""

    receipt_id: str
    format: str
    encrypted: bool
    purposes: int
    permitted: int
    events: int
    file_sha256: str


def issue(
    policy: Policy, customer_id: str, *, to: Path, encrypted: bool = True,
    public_key: str | None = None,
) -> Issued:  # fmt: skip
    """Write a subject's copy of its consent: what is allowed now, why, and what it has said.

    Parameters
    ----------
    to
        A ``.json`` or ``.html`` file; where, see :func:`governance.handover.target`.
    public_key
        The subject's age public key, to which the file is encrypted.

    Raises
    ------
    UsageError
        If no subject has that id, the file can't be written there, or there is no key.
    """
    with handover.handing_over("consent.receipt") as (act, hand_over):
        target = handover.target(to, FORMATS, "a receipt", encrypted=encrypted)
        key = handover.key_given(public_key) if encrypted else None
        found = account(policy, customer_id)
        act["subject_key"] = found.key
        receipt = filled(policy, found)
        content = handover.sealed(_encoded(receipt, to.suffix), key)
        issued = Issued(
            receipt.receipt_id, to.suffix[1:], encrypted, len(receipt.records),
            sum(record.permitted for record in receipt.records),
            len({heard.event.event_id for heard in found.heard}),
            hashlib.sha256(content).hexdigest(),
        )  # fmt: skip
        act |= asdict(issued)
        hand_over(target, content)
    return issued


def filled(policy: Policy, found: Account) -> Receipt:
    """Return the records of one subject, in the order of the policy's purposes."""
    zone = ZoneInfo(policy.time_zone)
    states = {state.purpose: state for state in found.states}
    return Receipt(
        receipt_version=1,
        receipt_id=secrets.token_hex(8),
        issued_at=now().astimezone(zone),
        judged_at=_local(found.at, zone),
        time_zone=policy.time_zone,
        label=evidence.label(),
        controller=policy.controller,
        subject=found.customer_id,
        records=tuple(_record(policy, found, states[purpose], zone) for purpose in policy.purposes),
    )


def _record(policy: Policy, found: Account, state: State, zone: ZoneInfo) -> Record:
    name, purpose = state.purpose, policy.purposes[state.purpose]
    number = hashlib.sha256(f"consent record:{name}:{found.key}".encode()).hexdigest()[:16]
    return Record(
        record_id=number,
        subject=found.customer_id,
        purpose=name,
        description=purpose.description,
        basis=state.basis,
        interest=purpose.interest if state.basis == "legitimate_interest" else None,
        jurisdiction=found.jurisdiction,
        regime=state.regime,
        regime_description=policy.regimes[state.regime].description,
        notice_version=purpose.notice_version,
        consent_valid_days=purpose.consent_valid_days,
        sale_or_share=purpose.sale_or_share,
        direct_marketing=purpose.direct_marketing,
        data=tuple(
            Data(
                attribute=attribute, description=policy.attributes[attribute].description,
                form=allowance.form, retention_days=allowance.retention_days,
            )
            for attribute, allowance in purpose.attributes.items()
        ),
        recipients=tuple(
            Receiver(name=who, description=r.description, role=r.role, country=r.country)
            for who, r in policy.recipients.items()
            if name in r.purposes
        ),
        permitted=state.permitted,
        rule=state.rule,
        why=state.why,
        decided_by=state.event.event_id if state.event else None,
        valid_until=_local(state.until, zone) if state.until else None,
        ask_again_at=_local(state.ask_again_at, zone) if state.ask_again_at else None,
        withdrawal=WITHDRAWAL.format(
            contact=policy.controller.contact, subject=found.customer_id
        ),
        events=tuple(_event(h, state, zone) for h in found.heard if h.purpose == name),
    )  # fmt: skip


def _event(heard: Heard, state: State, zone: ZoneInfo) -> Event:
    effect: Effect = "counts" if heard.counts else "does not count"
    if state.event == heard.event:
        effect = "decides"
    said = asdict(heard.event) | {
        "occurred_at": _local(heard.event.occurred_at, zone),
        "recorded_at": _local(heard.event.recorded_at, zone),
        "effect": effect,
    }
    return Event(**said)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(zone)


def _encoded(receipt: Receipt, suffix: str) -> bytes:
    if suffix == ".html":
        return consent_page.page(receipt)
    return (receipt.model_dump_json(indent=2) + "\n").encode()
