"""The shape of a regime in ``policy.yaml``: whom it applies to, ages, times of requests.

Belongs here: its keys and their descriptions. Does not belong here: the other blocks (``model``),
what must hold between them (``checks``).
"""

from typing import Annotated

from pydantic import Field

from governance.policy.part import Calendar, Name, Part, Period, Text


class Times(Part):
    """How long a rights request may take, from the day on which it is received."""

    acknowledge: Period | None = Field(
        default=None, description="Within which its receipt is confirmed"
    )
    answer: Period = Field(description="Within which it is answered")
    extension: Period | None = Field(
        default=None, description="What may be added to the time to answer, if the subject is told"
    )


class Requests(Times):
    """The times of rights requests, and how they are counted."""

    by_type: dict[Name, Times] = Field(
        default={},
        description="Types of requests that have times of their own: for them none of those above "
        "counts",
    )
    ends_on_working_day: bool = Field(
        default=False,
        description="Whether a period whose last day is no working day ends with the next one",
    )
    holidays: Calendar | None = Field(
        default=None,
        description="Whose public holidays are no working days: a country (ISO 3166-1), or a "
        "subdivision (ISO 3166-2, such as `US-CA`); without it only Saturdays and Sundays are "
        "none",
    )


class Regime(Part):
    """The rules that apply to the subjects of some jurisdictions."""

    description: Text = Field(description="What the regime asks for, in plain words")
    jurisdictions: tuple[Text, ...] = Field(
        description="The jurisdictions that fall under it, spelt as in the feed of customers"
    )
    age_of_consent: Annotated[int, Field(ge=0, le=21)] = Field(
        description="The youngest age, in years, at which a subject's own consent counts; below "
        "it, only a parent's does"
    )
    ages_of_consent: dict[Text, Annotated[int, Field(ge=0, le=21)]] = Field(
        default={},
        description="Jurisdictions with an age of consent of their own, such as member states "
        "(GDPR Art. 8(1))",
    )
    opt_in_below: Annotated[int, Field(ge=0, le=21)] | None = Field(
        default=None,
        description="The age below which nothing is done without consent, whatever the basis; "
        "without it, the age of consent",
    )
    opt_in_outlasts_signal: bool = Field(
        default=False,
        description="Whether who opts in by name after a signal (Global Privacy Control) stays in "
        "although the signal is repeated (Cal. Code Regs. tit. 11 § 7025(c)(3))",
    )
    ask_again_after_months: Annotated[int, Field(ge=1, le=120)] | None = Field(
        default=None,
        description="Months after an opt-out of sale or sharing, in whichever words, or after a "
        "limit that stands, in which the subject may not be asked to opt in (Cal. Civ. Code "
        "1798.135(c)(4)); without it, they may be asked",
    )
    requests: Requests = Field(
        default=Requests(answer="1 month"),
        description="Within which times rights requests are answered; without it in one month, "
        "never extended",
    )

    def age_in(self, jurisdiction: str) -> int:
        """Return the age of consent in one of its jurisdictions."""
        return self.ages_of_consent.get(jurisdiction, self.age_of_consent)
