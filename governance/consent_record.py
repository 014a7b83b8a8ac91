"""The shape of a consent record, and of the copy that its subject gets.

Belongs here: the fields of both and what each means; the JSON Schema of a receipt. Does not belong
here: filling them (``governance.consent_receipt``), the readable copy
(``governance.consent_page``).

The fields are those of ISO/IEC TS 27560:2023 (consent record information structure: a header, the
processing, the parties, the events), in the words of this project; where it has another name for a
field, the description says so. Which fields it asks for is taken from the guide to it of W3C's
community group (Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV, 2024).

Regenerate ``docs/consent_receipt.schema.json`` with ``python -m governance.consent_record``.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from governance.policy.model import Controller
from governance.policy.part import Name, Part, Text
from governance.policy.words import Basis, Form, Role
from warehouse.home import PROJECT

SCHEMA = Path("docs/consent_receipt.schema.json")
Effect = Literal["decides", "counts", "does not count"]
Giver = Literal["subject", "parent"]
Action = Literal["granted", "opted_in", "withdrawn", "objected", "opted_out"]


class Event(Part):
    """One thing that the subject has said of the purpose."""

    event_id: Text = Field(description="Number of the event: the same in every copy")
    action: Action = Field(description="What was said (event_type)")
    purpose: Name | None = Field(
        description="The purpose that it names; null: all, or, of a signal "
        "(Global Privacy Control), those that sell or share"
    )
    occurred_at: AwareDatetime = Field(description="When it was said (event_time)")
    recorded_at: AwareDatetime = Field(description="When it became known to the controller")
    effect: Effect = Field(
        description="What it does to the state now (event_state): decides it, counts but is not "
        "what decides, or does not count, as a consent to a notice that is too old or unknown, "
        "a child's own, or a signal that is repeated after an opt-in by name"
    )
    notice_version: int | None = Field(description="Version of the notice shown (privacy_notice)")
    wording_hash: str | None = Field(description="Hash of the wording shown")
    language: str | None = Field(description="Language of the wording shown")
    method: str | None = Field(description="How it was said (collection_method)")
    channel: str | None = Field(description="Where it was said")
    signal: str | None = Field(description="Name of the raw signal, if one was received")
    given_by: Giver | None = Field(description="Who said it; null: the subject")
    evidence_ref: str | None = Field(description="Where the controller keeps the evidence")


class Data(Part):
    """One attribute that the purpose may use (pii_information)."""

    attribute: Name = Field(description="Name of the attribute")
    description: Text = Field(description="What it says, in plain words")
    form: Form = Field(description="How it is used: raw, banded, or aggregated")
    retention_days: int = Field(description="Its greatest age for this purpose, in days")


class Receiver(Part):
    """One who may receive data for the purpose (recipient_third_parties)."""

    name: Name = Field(description="Name of the recipient")
    description: Text = Field(description="Who it is and what they do with the data")
    role: Role = Field(description="The recipient's role under data protection law")
    country: str = Field(description="Where the recipient is (ISO 3166-1)")


class Record(Part):
    """The consent record of one subject for one purpose."""

    record_id: Text = Field(description="Number of the record: the same in every copy")
    subject: Text = Field(description="The controller's number of the customer (pii_principal_id)")
    purpose: Name = Field(description="Name of the purpose")
    description: Text = Field(description="The purpose in the words of its notice")
    basis: Basis = Field(description="The legal basis (lawful_basis)")
    interest: str | None = Field(description="The interest pursued, where that is the basis")
    jurisdiction: str | None = Field(description="Where the subject lives, as far as it is known")
    regime: Name = Field(description="The rules that apply there")
    regime_description: Text = Field(description="What these ask for, in plain words")
    notice_version: int = Field(description="The oldest version of the notice that still counts")
    consent_valid_days: int = Field(description="Days for which a consent lasts")
    sale_or_share: bool = Field(description="Whether data is sold, or shared for advertising")
    direct_marketing: bool = Field(description="Whether subjects are marketed to directly")
    data: tuple[Data, ...] = Field(description="What is used, and for how long")
    recipients: tuple[Receiver, ...] = Field(description="Who may receive data for it")
    permitted: bool = Field(description="Whether the purpose is allowed now")
    rule: Text = Field(description="The rule that decided")
    why: Text = Field(description="The same in plain words")
    decided_by: str | None = Field(description="The event that decided; null: none did")
    valid_until: AwareDatetime | None = Field(
        description="When the consent ends by itself (validity_duration), if it does"
    )
    ask_again_at: AwareDatetime | None = Field(
        description="From when the subject, who has opted out, may be asked to opt in again; null: "
        "nothing forbids it"
    )
    withdrawal: Text = Field(description="How to withdraw or object (withdrawal_method)")
    events: tuple[Event, ...] = Field(description="What the subject has said of it, oldest first")


class Receipt(Part):
    """The subject's copy of its consent records."""

    receipt_version: Literal[1] = Field(description="The version of this shape (schema_version)")
    receipt_id: Text = Field(description="Number of this copy, by which the act is on record")
    issued_at: AwareDatetime = Field(description="When it was made")
    judged_at: AwareDatetime = Field(
        description="The moment that it tells of, never before the newest event that is known"
    )
    time_zone: Text = Field(description="The time zone (IANA name) in which times are given")
    label: str | None = Field(description="What the controller says of all of its data, if it does")
    controller: Controller = Field(description="Who holds the data and answers for it")
    subject: Text = Field(description="The controller's number of the customer")
    records: tuple[Record, ...] = Field(description="One record for each purpose")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a receipt."""
    schema = Receipt.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write(root: Path = PROJECT) -> None:
    """Write the schema below a folder, by default the project."""
    (root / SCHEMA).parent.mkdir(parents=True, exist_ok=True)
    (root / SCHEMA).write_text(schema_text(), encoding="utf-8")


def schema_text() -> str:
    """Return the schema as its file has it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
