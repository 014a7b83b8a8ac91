"""Synthetic people for the demo's households: names, addresses, telephones, jurisdictions.

Belongs here: the word lists and how they are put together. Does not belong here: anything read
from the data set (``feeds``), consent (``consents``).

Everything is plainly invented. Surnames and streets are composed of syllables, so that no full
name, e-mail address or postal address occurs anywhere but in this demo and a search for one finds
nothing else. Mail domains are those that RFC 2606 reserves. Telephone numbers lie in the ranges
set aside for fiction: 555-0100 to 555-0199 in North America, 01632 960xxx in the United Kingdom
(Ofcom), 030 23125xxx in Germany (Bundesnetzagentur).
"""

import unicodedata
from dataclasses import dataclass

import numpy as np

from examples.journey.synthetic import SEED


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_NAMES = _words(
    "Ada Anouk Beatriz Bo Carla Cem Chidi Chloé Dana Dara Edda Eino Elif Esmé Farid Femke Gil "
    "Greta Hana Hugo Ida Ines Iván Jaro Jun Kai Katya Kofi Lars Leïla Lio Mads Malin Mina Mirko "
    "Nadia Nils Noor Oda Ola Orla Pau Petra Quim Rania René Rosa Runa Sami Sanna Søren Tara Teo "
    "Tilda Udo Uma Vera Wim Xenia Yara Yusuf Zoë"
)
SURNAME_STARTS = _words(
    "Alder Amber Ash Birch Bram Bryn Cobble Crag Dray Ebb Elder Fen Finch Frost Gale Glim Gorse "
    "Hazel Heron Holly Ivy Juni Larch Loam Marl Mist Oat Peat Pike Quill Reed Rook Sedge Thistle "
    "Umber Vole Wend Yarrow"
)
SURNAME_ENDS = _words("bottle combe crest dingle ferry garth hollow kettle lund moor penny quist")
STREET_STARTS = _words("Barley Clover Damson Fennel Hops Lentil Millet Nettle Oregano Quince")
STREET_ENDS = _words("Approach Close Crescent Parade Rise Row Terrace Yard")
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
SHARE_WITHOUT_EMAIL, SHARE_WITHOUT_PHONE = 0.04, 0.08


@dataclass(frozen=True)
class Place:
    """Where a share of the households is said to live."""

    jurisdiction: str | None
    share: float
    towns: tuple[str, ...]
    phone: str  # a template over serial; or over area and last, a hundred numbers in each area


PLACES = (
    Place("EU", 0.12, ("10000 Musterhausen, Germany",), "+49 30 23125 {serial:03d}"),
    Place("UK", 0.06, ("Ficton ZZ1 1ZZ, United Kingdom",), "+44 1632 960{serial:03d}"),
    Place("US-CA", 0.22, ("Exampleton, CA 90000", "Mock Valley, CA 95000"), "+1 {area}-555-{last}"),
    Place("US", 0.52, ("Sampleville, OH 45000", "Specimen, NY 10000"), "+1 {area}-555-{last}"),
    Place(None, 0.08, ("Placeholder, US",), "+1 {area}-555-{last}"),
)
AREA_CODES = range(205, 1000, 19)  # a hundred fictional numbers in each


def people(households: list[int]) -> dict[str, list[str | None]]:
    """Give every household a name, addresses, a telephone number and a jurisdiction.

    Parameters
    ----------
    households : list of int
        Numbers of the households, ascending; the same list gives the same people.

    Returns
    -------
    dict of str to list
        Columns ``full_name``, ``email``, ``phone``, ``postal_address`` and ``jurisdiction``, one
        value for each household, in order. Names are unique, and so is every e-mail address and
        telephone number; some of these two are missing.

    Notes
    -----
    ``RandomState`` on purpose: NumPy freezes its stream (NEP 19), so that the people stay the same
    whatever version is installed.
    """
    random = np.random.RandomState(SEED)
    names = _names(len(households), random)
    places = _places(len(households), random)
    order = random.permutation(len(households))
    return {
        "full_name": [f"{given} {surname}" for given, surname in names],
        "email": _thinned([_email(*name, random) for name in names], SHARE_WITHOUT_EMAIL, random),
        "phone": _thinned(_phones(places, order), SHARE_WITHOUT_PHONE, random),
        "postal_address": [_address(place, random) for place in places],
        "jurisdiction": [place.jurisdiction for place in places],
    }


def _names(count: int, random: np.random.RandomState) -> list[tuple[str, str]]:
    surnames = [start + end for start in SURNAME_STARTS for end in SURNAME_ENDS]
    picks = random.choice(len(GIVEN_NAMES) * len(surnames), count, replace=False)
    return [(GIVEN_NAMES[pick // len(surnames)], surnames[pick % len(surnames)]) for pick in picks]


def _email(given: str, surname: str, random: np.random.RandomState) -> str:
    plain = given.replace("ø", "o")  # has no decomposition
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return f"{plain}.{surname}@{MAIL_DOMAINS[random.randint(len(MAIL_DOMAINS))]}".lower()


def _places(count: int, random: np.random.RandomState) -> list[Place]:
    """Exact shares, in random order; the rounding falls on the largest place."""
    places = [place for place in PLACES for _ in range(int(place.share * count))]
    places += [max(PLACES, key=lambda place: place.share)] * (count - len(places))
    return [places[index] for index in random.permutation(count)]


def _phones(places: list[Place], order: np.ndarray) -> list[str]:
    """Count each kind of telephone for itself, so that every number is given once."""
    used: dict[str, int] = {}
    phones = [""] * len(places)
    for index in order:
        template = places[index].phone
        serial = used.setdefault(template, 0)
        used[template] += 1
        area, last = AREA_CODES[serial // 100], f"01{serial % 100:02d}"
        phones[index] = template.format(serial=serial, area=area, last=last)
    return phones


def _address(place: Place, random: np.random.RandomState) -> str:
    number = 1 + random.randint(299)
    street = f"{STREET_STARTS[random.randint(len(STREET_STARTS))]} "
    street += STREET_ENDS[random.randint(len(STREET_ENDS))]
    return f"{number} {street}, {place.towns[random.randint(len(place.towns))]}"


def _thinned(
    values: list[str], share_missing: float, random: np.random.RandomState
) -> list[str | None]:
    missing = random.random_sample(len(values)) < share_missing
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]
