"""What the demo's households do about consent: how many of them, what, and in which order.

Belongs here: the scenarios as data, each with the purposes that it leaves permitted at the end of
the year. Does not belong here: turning them into rows (``consents``) or judging permission (the
dbt project does; what is written here is what a reader expects of it, and a test derives it again
from the events).

Days count from 1 January 2017 (day 0), New York time; negative days lie in 2016.
"""

from dataclasses import dataclass

SEGMENTATION, OFFERS, CHURN, BIAS = (
    "segmentation",
    "personalised_offers",
    "churn_prevention",
    "bias_monitoring",
)
ASKED = (SEGMENTATION, OFFERS, CHURN)  # the purposes that rest on consent
CURRENT_NOTICE = {SEGMENTATION: 1, OFFERS: 2, CHURN: 1, None: 2}

SIGN_UP = (0, 58)  # most households are asked in January and February, when they join
OLD_LEAFLET = (0, 30)  # some shops handed out notice 1 of the offers until the end of January
PREVIOUS_YEAR = (-60, -2)  # consent to offers lasts 365 days: these run out before the year does
SPRING_TO_SUMMER, AUTUMN = (75, 240), (260, 350)


@dataclass(frozen=True)
class Step:
    """One consent event of a scenario.

    Attributes
    ----------
    action : str
    purpose : str or None
        None names no purpose, and so covers all.
    days : tuple of int
        The first and last day on which it may happen.
    notice_version : int or None
        None: the current one for a grant, none for a denial.
    signal : str or None
        ``gpc`` for Global Privacy Control.
    late : bool
        It becomes known only weeks after it happened.
    same_instant : bool
        It happens at the very time of the step before.
    """

    action: str
    purpose: str | None
    days: tuple[int, int]
    notice_version: int | None = None
    signal: str | None = None
    late: bool = False
    same_instant: bool = False


@dataclass(frozen=True)
class Scenario:
    """What a number of households do, and which purposes that leaves permitted."""

    name: str
    households: int
    steps: tuple[Step, ...]
    permitted: tuple[str, ...]


def _signed_up(*purposes: str) -> tuple[Step, ...]:
    """Grants on one form, at one instant."""
    return tuple(
        Step("granted", purpose, SIGN_UP, same_instant=index > 0)
        for index, purpose in enumerate(purposes)
    )


_ALL = _signed_up(*ASKED)

# Households whose story concerns more than one purpose. The others follow BY_PURPOSE.
HOUSEHOLD_WIDE = (
    Scenario("never answered", 120, (), (BIAS,)),
    Scenario("general grant", 90, (Step("granted", None, SIGN_UP),), (*ASKED, BIAS)),
    Scenario("general withdrawal", 40, (*_ALL, Step("withdrawn", None, AUTUMN)), ()),
    Scenario(
        "general withdrawal, then segmentation granted again",
        15,
        (
            *_ALL,
            Step("withdrawn", None, SPRING_TO_SUMMER),
            Step("granted", SEGMENTATION, AUTUMN),
        ),
        (SEGMENTATION,),
    ),
    Scenario("general opt-out", 25, (*_ALL, Step("opted_out", None, SPRING_TO_SUMMER)), ()),
    Scenario("general objection", 10, (*_ALL, Step("objected", None, SPRING_TO_SUMMER)), ()),
    Scenario(
        "objection to segmentation, then a general grant (which undoes no objection)",
        8,
        (
            *_ALL,
            Step("objected", SEGMENTATION, SPRING_TO_SUMMER),
            Step("granted", None, AUTUMN),
        ),
        (OFFERS, CHURN, BIAS),
    ),
    Scenario(
        "Global Privacy Control signal",
        180,
        (*_ALL, Step("opted_out", None, SPRING_TO_SUMMER, signal="gpc")),
        (SEGMENTATION, CHURN, BIAS),
    ),
    Scenario(
        "Global Privacy Control signal, then offers granted",
        12,
        (
            *_ALL,
            Step("opted_out", None, SPRING_TO_SUMMER, signal="gpc"),
            Step("granted", OFFERS, AUTUMN),
        ),
        (*ASKED, BIAS),
    ),
    Scenario(
        "opted out of segmentation, then opted in",
        8,
        (
            *_ALL,
            Step("opted_out", SEGMENTATION, SPRING_TO_SUMMER),
            Step("opted_in", SEGMENTATION, AUTUMN),
        ),
        (*ASKED, BIAS),
    ),
    Scenario(
        "segmentation granted and withdrawn at the same instant (the denial wins)",
        6,
        (
            *_signed_up(OFFERS, CHURN),
            Step("granted", SEGMENTATION, SPRING_TO_SUMMER),
            Step("withdrawn", SEGMENTATION, SPRING_TO_SUMMER, same_instant=True),
        ),
        (OFFERS, CHURN, BIAS),
    ),
    Scenario(
        "objection to bias monitoring", 30, (*_ALL, Step("objected", BIAS, SPRING_TO_SUMMER)), ASKED
    ),
    # Their unreadable event keeps them out of every mart, whatever they granted before.
    Scenario("unreadable event", 15, _ALL, ()),
)


def _for_purpose(purpose: str, *scenarios: Scenario) -> tuple[Scenario, ...]:
    granted = Scenario("granted", -1, _signed_up(purpose), (purpose,))  # -1: everybody left
    return (*scenarios, granted)


def _denied(action: str, purpose: str, households: int) -> Scenario:
    steps = (*_signed_up(purpose), Step(action, purpose, SPRING_TO_SUMMER))
    return Scenario(f"granted, then {action.replace('_', ' ')}", households, steps, ())


def _regranted(purpose: str, households: int) -> Scenario:
    steps = (
        *_signed_up(purpose),
        Step("withdrawn", purpose, SPRING_TO_SUMMER),
        Step("granted", purpose, AUTUMN),
    )
    return Scenario("withdrawn, then granted again", households, steps, (purpose,))


def _refused(purpose: str, households: int) -> Scenario:
    steps = (Step("withdrawn", purpose, SIGN_UP),)
    return Scenario("denied at sign-up, never granted", households, steps, ())


def _late_denial(purpose: str, households: int) -> Scenario:
    steps = (*_signed_up(purpose), Step("withdrawn", purpose, SPRING_TO_SUMMER, late=True))
    return Scenario("withdrawal that arrived late", households, steps, ())


def _late_grant(purpose: str, households: int) -> Scenario:
    steps = (Step("granted", purpose, SPRING_TO_SUMMER, late=True),)
    return Scenario("grant that arrived late", households, steps, (purpose,))


BY_PURPOSE: dict[str, tuple[Scenario, ...]] = {
    SEGMENTATION: _for_purpose(
        SEGMENTATION,
        Scenario("no answer", 60, (), ()),
        _refused(SEGMENTATION, 25),
        _denied("withdrawn", SEGMENTATION, 40),
        _denied("opted_out", SEGMENTATION, 10),
        _denied("objected", SEGMENTATION, 8),
        _late_denial(SEGMENTATION, 12),
        _late_grant(SEGMENTATION, 30),
        _regranted(SEGMENTATION, 45),
    ),
    OFFERS: _for_purpose(
        OFFERS,
        Scenario("no answer", 480, (), ()),
        _refused(OFFERS, 60),
        _denied("withdrawn", OFFERS, 120),
        _denied("opted_out", OFFERS, 60),
        _late_denial(OFFERS, 15),
        _regranted(OFFERS, 40),
        Scenario(
            "granted on an outdated notice",
            180,
            (Step("granted", OFFERS, OLD_LEAFLET, notice_version=1),),
            (),
        ),
        Scenario(
            "granted on an outdated notice, renewed",
            160,
            (
                Step("granted", OFFERS, OLD_LEAFLET, notice_version=1),
                Step("granted", OFFERS, SPRING_TO_SUMMER),
            ),
            (OFFERS,),
        ),
        Scenario("expired", 90, (Step("granted", OFFERS, PREVIOUS_YEAR),), ()),
        Scenario(
            "renewed before it expired",
            40,
            (Step("granted", OFFERS, PREVIOUS_YEAR), Step("granted", OFFERS, AUTUMN)),
            (OFFERS,),
        ),
    ),
    CHURN: _for_purpose(
        CHURN,
        Scenario("no answer", 520, (), ()),
        _refused(CHURN, 40),
        _denied("withdrawn", CHURN, 60),
        _denied("objected", CHURN, 25),
        _regranted(CHURN, 30),
        Scenario(
            "granted late in the year (covers little)",
            80,
            (Step("granted", CHURN, AUTUMN),),
            (CHURN,),
        ),
    ),
}
"""Scenarios of the households that are not in HOUSEHOLD_WIDE, drawn for each purpose apart."""
