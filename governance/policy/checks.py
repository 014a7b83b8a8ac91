"""What must hold in a policy beyond its shape: between blocks, names and the law.

Belongs here: the list of checks, in the order in which they are documented. Does not belong here:
types and bounds of single keys (``model``), judging data (``expectations``).

Each check reads plain data, so that a file with a fault of shape still gets every other fault
reported; what has to hold is printed in ``docs/policy.md``.
"""

from collections.abc import Callable
from typing import NamedTuple

from governance.policy import checks_law as law
from governance.policy import checks_use as use
from governance.policy.plain import Data, Problems
from governance.policy.problems import Problem


class Check(NamedTuple):
    """What has to hold, in words, and the function that finds where it doesn't."""

    holds: str
    find: Callable[[Data], Problems]


CHECKS = (
    Check(
        "The time zone is known (IANA time zone database).",
        law.time_zone,
    ),
    Check(
        "A jurisdiction falls under one regime only, however it is spelt.",
        law.jurisdictions,
    ),
    Check(
        "Ages of consent of their own are those of jurisdictions that the regime lists.",
        law.ages_of_consent,
    ),
    Check(
        "`unknown_jurisdiction` names a regime whose basis for a purpose is as strict as others'.",
        law.unknown_jurisdiction,
    ),
    Check(
        "The regime of unknown places protects children as long as the others do.",
        law.unknown_age,
    ),
    Check(
        "Times of their own are set for types of rights requests that there are.",
        law.request_types,
    ),
    Check(
        "A calendar of public holidays is known (country, or country and subdivision).",
        law.calendars,
    ),
    Check(
        "`permission`, `custody`, `subject`, `row`, `purpose` name no purpose; `as_of` and keys no"
        " column.",
        law.names,
    ),
    Check(
        "Only attributes listed under `attributes` may be used, by a purpose or by `permission`.",
        use.listed,
    ),
    Check(
        "No purpose uses a direct identifier in any form, nor a pseudonym in raw form.",
        use.identifiers,
    ),
    Check(
        "Protected attributes are used by `bias_monitoring` alone.",
        use.protected,
    ),
    Check(
        "`bias_monitoring` neither sells nor shares data, nor markets.",
        use.bias_purpose,
    ),
    Check(
        "Attributes of the class special_category are used by purposes flagged sensitive only.",
        use.special_categories,
    ),
    Check(
        "A purpose flagged sensitive is based on consent in every regime (GDPR Art. 9(2)(a)).",
        law.sensitive,
    ),
    Check(
        "Every purpose has a basis for every regime, and none for others.",
        law.bases,
    ),
    Check(
        "No opt-out is a basis for the EU, EEA, UK or a country of theirs (GDPR Art. 6(1)).",
        law.gdpr_bases,
    ),
    Check(
        "The basis legitimate_interest says which interest is pursued.",
        law.interests,
    ),
    Check(
        "A column is made from attributes that its purpose allows, each named once.",
        use.column_attributes,
    ),
    Check(
        "Every allowed attribute is used by a column: what isn't needed isn't allowed.",
        use.needed,
    ),
    Check(
        "The form banded has bands, other forms have none; bands don't overlap.",
        use.bands,
    ),
    Check(
        "A column made from a banded attribute is made from nothing else: it holds the band.",
        use.banded_columns,
    ),
    Check(
        "A share of completeness is set for a column that the purpose has.",
        use.completeness,
    ),
    Check(
        "No purpose keeps an attribute longer than `custody` holds any row.",
        use.retention,
    ),
    Check(
        "A recipient's purposes exist; a third party receives only what may be sold or shared.",
        law.recipients,
    ),
    Check(
        "A recipient receives direct identifiers only: who is in a segment, nothing about them.",
        law.received,
    ),
    Check(
        "A recipient's public key is an age public key.",
        law.public_keys,
    ),
    Check(
        "The smallest number of segments isn't greater than the largest.",
        law.segments,
    ),
)


def cross_checks(data: Data) -> list[Problem]:
    """Return what is wrong between the blocks of a policy.

    Parameters
    ----------
    data : dict
        The policy as plain data; what has the wrong shape is passed over.
    """
    return [problem for check in CHECKS for problem in check.find(data)]
