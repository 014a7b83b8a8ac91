"""What the columns of the landing tables mean to the policy.

Belongs here: every landed column with its meaning, in one place. Does not belong here: their types
and how they are read (``ingest``), the classes of attributes (the policy).
"""

from enum import Enum

from governance.lineage.graph import Ref


class Meaning(Enum):
    """What a landed column is, if it isn't an attribute of the policy.

    ``KEY`` names a subject or a row; ``RECORD`` is read to decide about permission; ``TECHNICAL``
    says nothing about a subject.
    """

    KEY = "key"
    RECORD = "record"
    TECHNICAL = "technical"


_KEY, _RECORD, _TECHNICAL = Meaning.KEY, Meaning.RECORD, Meaning.TECHNICAL


def _attributes(*names: str) -> dict[str, str | Meaning]:
    return {name: name for name in names}


def _records(*names: str) -> dict[str, str | Meaning]:
    return dict.fromkeys(names, _RECORD)


_ROW: dict[str, str | Meaning] = {"subject_key": _KEY, "row_key": _KEY, "load_id": _TECHNICAL}

# By table: each column with its meaning, or the name of the attribute that it is.
LANDING: dict[str, dict[str, str | Meaning]] = {
    "landing.customers": {
        **_ROW,
        **_attributes(
            "jurisdiction", "age_years", "income_band", "marital_status", "home_ownership",
            "household_size", "household_composition", "kids_count",
        ),
        "recorded_on": _TECHNICAL,
    },
    "landing.transactions": {
        **_ROW,
        **_attributes(
            "basket_id", "product_id", "category", "product_group", "occurred_at", "quantity",
            "value", "discount",
        ),
        "event_day": "occurred_at",
    },
    "landing.consent_events": {
        **_ROW,
        **_records(
            "action", "purpose", "occurred_at", "recorded_at", "notice_version", "method",
            "channel", "language", "wording_hash", "evidence_ref", "signal",
            "given_by",
        ),
    },
    "landing.rights_requests": {
        **_ROW,
        **_records("request_id", "type", "received_at", "status", "channel"),
    },
    "landing.quarantine": {
        **_records(
            "quarantine_id", "feed", "reason", "column_name", "source", "position",
            "quarantined_at", "resolved_at", "resolution", "note",
        ),
        "subject_key": _KEY,
        "load_id": _TECHNICAL,
    },
    "landing.purpose_keys": {"subject_key": _KEY, "purpose": _TECHNICAL, "purpose_key": _KEY},
    "landing.clocks": dict.fromkeys(
        ("as_of", "as_of_end", "known_at", "newest_day", "fit"), _TECHNICAL
    ),
    "landing.changed_days": {"event_day": "occurred_at", "load_id": _TECHNICAL},
    "landing.corrected": {"feed": _TECHNICAL, "subject_key": _KEY, "row_key": _KEY},
    "landing.loads": dict.fromkeys(
        (
            "load_id", "feed", "loaded_at", "source", "fingerprint", "rows_read",
            "rows_accepted", "rows_quarantined", "rows_duplicate", "rows_corrected",
            "rows_suppressed", "rows_emptied", "counted_in", "subjects", "orders",
            "value_total", "first_day", "last_day", "known_until",
        ),
        _TECHNICAL,
    ),
}  # fmt: skip

SOURCES: dict[str, tuple[str, ...]] = {table: tuple(c) for table, c in LANDING.items()}


def meaning(ref: Ref) -> str | Meaning | None:
    """Return the attribute that a column is, what else it is, or None if it isn't known."""
    return LANDING.get(ref.relation, {}).get(ref.column)
