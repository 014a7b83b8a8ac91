"""The shape of ``policy.yaml``: one frozen model per block.

Belongs here: keys, types, bounds and a description of each key in plain words (they feed
``docs/policy.md`` and the JSON Schema). Does not belong here: what must hold between blocks
(``checks``), reading the file (``load``), what follows from a policy (``derive``).
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from governance.policy.checks import cross_checks
from governance.policy.part import Country, Days, Name, Part, Share, Text
from governance.policy.regime import Regime
from governance.policy.words import (
    AttributeClass,
    Basis,
    CustodyBasis,
    EvidenceBasis,
    Form,
    PermissionAttribute,
    Role,
)


class Controller(Part):
    """Who decides about the processing and answers for it."""

    name: Text = Field(description="The company that decides why and how data is processed")
    contact: Text = Field(description="Where subjects and authorities reach the controller")
    country: Country = Field(
        description="Where the controller is established: two capital letters (ISO 3166-1)"
    )
    stored_in: Annotated[tuple[Country, ...], Field(min_length=1)] = Field(
        description="The countries that the data is stored in (ISO 3166-1)"
    )


class SpecialValue(Part):
    """Values of an attribute that reveal more about a person than the attribute's class says."""

    pattern: Text = Field(
        description="Which values: `*` stands for any characters, `?` for one; capitals make no "
        "difference"
    )
    reveals: Text = Field(
        description="The special category that such a value reveals (GDPR Art. 9(1))"
    )


class Attribute(Part):
    """One source column: what it says about a person, and how delicate that is."""

    class_: AttributeClass = Field(alias="class", description="How delicate the attribute is")
    description: Text = Field(description="What the attribute says, in plain words")
    special_values: tuple[SpecialValue, ...] = Field(
        default=(),
        description="Values that are of the class special_category whatever the attribute's class",
    )


class Custody(Part):
    """The built-in purpose of holding data at all."""

    basis: CustodyBasis = Field(description="The legal basis for holding the data")
    interest: Text | None = Field(
        default=None, description="The interest pursued, if the basis is legitimate_interest"
    )
    retention_days: Days = Field(
        description="The greatest age of any row, in days; rows of subjects with no live purpose "
        "are deleted after it too"
    )
    purge_within_days: Days = Field(
        description="Days within which an expired or erased value is physically gone"
    )
    salt_backup_days: Days = Field(
        description="The greatest age of a backup of salts, in days: an older one isn't restored, "
        "and has to be deleted"
    )


class Evidence(Part):
    """What is kept of requests, of exports and of those who have left, and who may not come back.

    It is personal data too (GDPR Art. 5(1)(e), 17(3)(b) and (e)).
    """

    basis: EvidenceBasis = Field(description="The legal basis for keeping it")
    interest: Text | None = Field(
        default=None, description="The interest pursued, if the basis is legitimate_interest"
    )
    retention_days: Days = Field(
        description="How long proof of consent, the steps of requests, receipts, confirmed notices "
        "and the register of exports are kept, in days: from when the subject left, the request "
        "ended, the notice was confirmed, or the export was made"
    )
    suppression_days: Days = Field(
        description="How long an entry that stops an erased subject at the door is kept, in days, "
        "since a feed delivered the subject, or may have, for the last time"
    )


class Permission(Part):
    """The built-in purpose of deciding who may be processed."""

    attributes: tuple[PermissionAttribute, ...] = Field(
        description="What may be read to answer yes or no, and for nothing else"
    )


Cuts = Annotated[tuple[float, ...], Field(min_length=1)]
Labels = Annotated[
    dict[Text, Annotated[tuple[Text, ...], Field(min_length=1)]], Field(min_length=1)
]


def _kind_of_bands(bands: Any) -> str | None:
    if isinstance(bands, tuple | list):
        return "cuts"
    return "labels" if isinstance(bands, dict) else None


class Allowance(Part):
    """How a purpose may use one attribute."""

    form: Form = Field(
        description="raw: the value itself; banded: the band it falls in; aggregated: only counts, "
        "sums and other figures over many values"
    )
    retention_days: Days = Field(
        description="The greatest age, in days, that the attribute may reach for this purpose"
    )
    bands: (
        Annotated[
            Annotated[Cuts, Tag("cuts")] | Annotated[Labels, Tag("labels")],
            Discriminator(_kind_of_bands),
        ]
        | None
    ) = Field(
        default=None,
        description="For the form banded: increasing cuts (`[35, 55]` makes under 35, 35-54, 55 "
        "and over), or labels with the values that fall under each; a value in no band counts as "
        "unknown",
    )


class Purpose(Part):
    """Why data is processed, on which basis, with what and for how long."""

    description: Text = Field(description="The purpose in the words of its notice")
    notice_version: Annotated[int, Field(ge=1)] = Field(
        description="The oldest version of the notice whose consent still counts"
    )
    consent_valid_days: Days = Field(description="Days after which a consent has to be renewed")
    consent_covers_earlier_data: bool = Field(
        description="Whether consent also covers data from before it was given"
    )
    basis: dict[Name, Basis] = Field(description="The legal basis, for every regime")
    interest: Text | None = Field(
        default=None,
        description="The interest pursued, where the basis is legitimate_interest "
        "(GDPR Art. 6(1)(f), 13(1)(d))",
    )
    sale_or_share: bool = Field(
        description="Whether data is sold, or shared for advertising (Cal. Civ. Code 1798.120)"
    )
    direct_marketing: bool = Field(
        description="Whether subjects are marketed to directly (GDPR Art. 21(2)-(3))"
    )
    sensitive: bool = Field(
        description="Whether special categories are processed, by explicit consent (GDPR Art. 9)"
    )
    snapshots: Annotated[int, Field(ge=1)] = Field(
        default=1,
        description="How many `as_of` days the mart keeps. Of older ones only the rows stay whose "
        "data is within its retention still, and covered by the present consent, as far as the "
        "mart tells (`tenure_days`); where it doesn't, none do",
    )
    attributes: Annotated[dict[Name, Allowance], Field(min_length=1)] = Field(
        description="The attributes that the purpose may use, and how; no others"
    )
    completeness: dict[Name, Share] = Field(
        default={},
        description="Columns with a least share of non-null values of their own, because subjects "
        "are free not to tell; for the others `thresholds.completeness` counts",
    )
    columns: Annotated[
        dict[Name, Annotated[tuple[Name, ...], Field(min_length=1)]], Field(min_length=1)
    ] = Field(description="The columns of the mart, with the attributes that each is made from")


class Recipient(Part):
    """Someone who receives a release; one that isn't listed is refused."""

    description: Text = Field(description="Who it is and what they do with the data")
    role: Role = Field(description="The recipient's role under data protection law")
    country: Country = Field(description="Where the recipient is: two capital letters (ISO 3166-1)")
    purposes: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="The purposes for which they may receive data"
    )
    receives: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="The direct identifiers that an export to them holds, and nothing else; "
        "`customer_id` where none is named",
    )
    public_key: str | None = Field(
        default=None,
        description="The recipient's age public key (`age1...`), to which exports are encrypted",
    )


class SegmentationRules(Part):
    """Limits on the choice of the segments."""

    segments: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = Field(
        description="The smallest and the largest number of segments that may be chosen"
    )
    refit_days: Days = Field(
        description="The greatest age of the fitted model, in days; older, it is fitted again"
    )
    aggregates_days: Days | None = Field(
        default=None,
        description="Days for which what is shown of segments and of consent as groups (sizes, "
        "medians, cards, statistics) stands before it is made anew; without it `refit_days`",
    )

    @property
    def release_days(self) -> int:
        """Days for which a release of aggregates stands."""
        return self.aggregates_days or self.refit_days


class BiasLimits(Part):
    """Limits on how unevenly the segments may fall on groups of people."""

    representation_ratio: tuple[
        Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(ge=1)]
    ] = Field(
        description="The least and greatest ratio of a segment's share in a group to its share "
        "overall; the usual four-fifths rule is [0.8, 1.25] (29 CFR 1607.4(D))"
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        description="Confidence of the interval; a limit is broken when the whole interval lies "
        "outside it"
    )
    smallest_group: Annotated[int, Field(ge=1)] = Field(
        description="Subjects; smaller groups are judged together, and not named"
    )
    predictability: Annotated[float, Field(ge=0.5, le=1)] = Field(
        description="The greatest area under the curve (AUC) with which segments predict a "
        "protected attribute"
    )
    coverage: Share = Field(
        description="The least share of subjects whose attribute is known; below it, not judged"
    )


class Thresholds(Part):
    """The limits that data and results are checked against."""

    completeness: Share = Field(
        description="The least share of non-null values of every mart column that has a source"
    )
    freshness_days: Days = Field(
        description="The greatest age, in days, of the newest complete day of the feeds"
    )
    smallest_segment: Annotated[int, Field(ge=1)] = Field(
        description="Subjects; a smaller segment isn't published"
    )
    release_difference: Annotated[int, Field(ge=5)] = Field(
        default=5,
        description="Subjects; a group in a release of aggregates differs from each in an earlier "
        "one by none or by at least so many, so that nobody subtracts the two and reads one person"
        "; figures of the feeds tell of no fewer",
    )
    request_warning_days: Days = Field(
        default=7,
        description="How many days before the last day to answer a rights request a warning is "
        "given",
    )
    notice_days: Days = Field(
        default=7,
        description="How many days a recipient may go without being told what has become of data "
        "that it received; longer, a warning is given",
    )
    bias: BiasLimits = Field(description="Limits on bias")
    drift: Annotated[float, Field(gt=0)] = Field(
        description="The greatest population stability index of a feature against the fit; a "
        "greater one warns"
    )


class Override(Part):
    """A recorded exception: results are published although a rule is broken."""

    rule: Text = Field(description="The rule's id, as `assent status` prints it")
    reason: Text = Field(description="Why the exception is justified")
    approved_by: Text = Field(description="Who answers for it")
    until: date = Field(description="The last day on which it counts (YYYY-MM-DD)")


class Policy(Part):
    """The rules. The only place where a rule is written."""

    version: Literal[1] = Field(description="The version of this file's shape")
    controller: Controller = Field(description="Who decides about the processing")
    time_zone: Text = Field(
        description="The time zone (IANA name) in which days, `as_of` included, begin and end"
    )
    regimes: Annotated[dict[Name, Regime], Field(min_length=1)] = Field(
        description="Which rules apply to whom, by name of the regime"
    )
    unknown_jurisdiction: Name = Field(
        description="The regime of subjects whose jurisdiction isn't listed or isn't known"
    )
    attributes: Annotated[dict[Name, Attribute], Field(min_length=1)] = Field(
        description="What may be known about a person, by name; what isn't listed may not be used"
    )
    custody: Custody = Field(description="Holding data at all")
    evidence: Evidence = Field(description="What is kept of requests, exports and the erased")
    permission: Permission = Field(description="Deciding who may be processed")
    purposes: Annotated[dict[Name, Purpose], Field(min_length=1)] = Field(
        description="Why data is processed, by name of the purpose"
    )
    recipients: dict[Name, Recipient] = Field(
        default={}, description="Who may receive a release, by name"
    )
    segmentation: SegmentationRules = Field(description="Limits on the choice of the segments")
    thresholds: Thresholds = Field(description="What data and results are checked against")
    overrides: tuple[Override, ...] = Field(default=(), description="Recorded exceptions")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        """Refuse a policy whose blocks contradict each other: none such ever exists."""
        problems = cross_checks(self.model_dump(by_alias=True))
        if problems:
            raise PydanticCustomError("policy", "{text}", {"text": "; ".join(map(str, problems))})
        return self
