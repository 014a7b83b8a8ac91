"""The fixed words of a policy: names that the code itself relies on.

Belongs here: names of classes, bases, forms, roles, built-in purposes, feeds and their columns.
Does not belong here: anything that a policy may decide.
"""

from typing import Literal

AttributeClass = Literal[
    "direct_identifier",
    "special_category",
    "protected",
    "pseudonym",
    "quasi_identifier",
    "behaviour",
    "other",
]
Basis = Literal["consent", "legitimate_interest", "opt_out", "contract", "legal_obligation"]
CustodyBasis = Literal["contract", "legal_obligation", "legitimate_interest", "consent"]
Form = Literal["raw", "banded", "aggregated"]
Role = Literal["controller", "joint_controller", "processor", "third_party"]
PermissionAttribute = Literal["jurisdiction", "age_years"]

# From the most delicate to the least: a column that mixes attributes takes the first that occurs.
DELICACY: tuple[AttributeClass, ...] = (
    "direct_identifier",
    "special_category",
    "protected",
    "pseudonym",
    "quasi_identifier",
    "behaviour",
    "other",
)

BUILT_IN_PURPOSES = ("custody", "permission")
# Landing's own keys are called so (`subject_key`): a purpose of that name would share one.
KEYS_OF_LANDING = ("subject", "row", "purpose")
SEGMENT_PURPOSE = "segmentation"  # whose subjects are put into segments
BIAS_PURPOSE = "bias_monitoring"  # the only one that may see protected attributes

FEEDS = ("customers", "transactions", "consent_events", "rights_requests")
WORD_FEEDS = ("consent_events", "rights_requests")  # a row that can't be read may be a denial

# Columns of the transactions feed: their age is the age of the purchase.
TRANSACTION_ATTRIBUTES = (
    "basket_id",
    "product_id",
    "category",
    "product_group",
    "occurred_at",
    "quantity",
    "value",
    "discount",
)
