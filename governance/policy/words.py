"""The fixed words of a policy: names that the code itself relies on.

Belongs here: names of classes, bases, forms, roles, built-in purposes, feeds and their columns, and
what a consent event may say. Does not belong here: anything that a policy may decide.
"""

from typing import Literal, get_args

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
# What is kept of the erased rests neither on a contract nor on consent: those may have ended.
EvidenceBasis = Literal["legal_obligation", "legitimate_interest"]
Form = Literal["raw", "banded", "aggregated"]
Role = Literal["controller", "joint_controller", "processor", "third_party"]
PermissionAttribute = Literal["jurisdiction", "age_years"]
PERMISSION_ATTRIBUTES: tuple[PermissionAttribute, ...] = get_args(PermissionAttribute)

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

PERMISSION = "permission"  # whose file holds what decides it
BUILT_IN_PURPOSES = ("custody", PERMISSION)
# Landing's own keys are called so (`subject_key`): a purpose of that name would share one.
KEYS_OF_LANDING = ("subject", "row", "purpose")
# Of the warehouse: a purpose's own tables lie in the schema of its name, which is none of these.
SCHEMAS = ("staging", "consented", "marts", "landing", "governance", "main", "temp",
           "information_schema", "pg_catalog")  # fmt: skip
SEGMENT_PURPOSE = "segmentation"  # whose subjects are put into segments
FITTED_ON = "fitted_on"  # the table of its results that tells whom the model in force is of
BIAS_PURPOSE = "bias_monitoring"  # the only one that may see protected attributes

# What landing itself knows of a customer's row.
OF_LANDING = ("subject_key", "row_key", "load_id", "recorded_on")

FeedName = Literal["customers", "transactions", "consent_events", "rights_requests"]
FEEDS: tuple[FeedName, ...] = get_args(FeedName)
# The feeds of words that Assent recorded itself, by the feed that they land with.
INBOX: dict[FeedName, str] = {"consent_events": "inbox", "rights_requests": "inbox_requests"}
# Why rows, or values, leave landing; a load of no rows is noted as come from there.
REMOVALS = ("erasure", "retention", "no_purpose", "rectification", "correction")
# A row of these that can't be read may be a denial; this is what may become of it.
WORD_FEEDS: tuple[FeedName, ...] = ("consent_events", "rights_requests")
# A row of these that can't be read holds its subject: it may say that the subject is a child, too.
HOLDING_FEEDS: tuple[FeedName, ...] = ("customers", *WORD_FEEDS)
RESOLUTIONS = ("corrected_at_source", "dismissed")
# Why a row of customers holds that nobody has read: its subject was erased and has returned, and it
# hasn't been delivered since.
NOT_DELIVERED = "none_since_return"
# Why a row doesn't land that could be read: it names a legal hold, which Assent alone ends.
OF_HOLD = "legal_hold"

GRANTS = ("granted", "opted_in")
DENIALS = ("withdrawn", "objected", "opted_out")
ACTIONS = (*GRANTS, *DENIALS)
# Who may say it: a parent is whoever holds parental responsibility (GDPR Art. 8(1)).
PARENT = "parent"
GIVERS = ("subject", PARENT)
REQUEST_TYPES = (
    "access", "portability", "rectification", "erasure", "restriction", "objection", "limit",
    "explanation",
)  # fmt: skip
REQUEST_STATES = ("open", "fulfilled", "partial", "refused", "withdrawn", "lifted")
HELD = "held"  # the step by which the company makes a restriction a legal hold
REOPENED = "reopened"  # the step by which a restore opens again what it has undone
# What the company does about a request, besides ending it in one of the last five states.
STEPS = ("acknowledged", "verified", "extended", HELD, *REQUEST_STATES[1:])
# What is only disclosed, changed or destroyed for somebody whose identity is verified.
VERIFIED_REQUESTS = ("access", "portability", "rectification", "erasure", "explanation")
# Requests that keep their subject out of everything, while they are what; and what lets it go,
# whoever says so, the feed or Assent.
HOLDING_REQUESTS = ("erasure", "objection", "restriction")
HOLDING_STATES = ("open", "fulfilled", "partial")
RELEASING_STATES = ("refused", "withdrawn", "lifted")
# Those that stop anything: one to limit the use of sensitive data stops purposes flagged so. An
# objection stops direct marketing even if it was refused, until its subject takes it back.
STOPPING_REQUESTS = (*HOLDING_REQUESTS, "limit")
TAKEN_BACK = ("withdrawn", "lifted")

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
