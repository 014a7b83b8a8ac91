"""Where the GDPR applies, as jurisdictions are commonly written.

Belongs here: the places. Does not belong here: what follows from it (``checks_law``).
"""

# The European Union, the European Economic Area, and the United Kingdom with a GDPR of its own: by
# the codes of ISO 3166-1 and in English.
GDPR = frozenset(
    (
        "eu", "eea", "european union", "european economic area", "europe",
        "uk", "gb", "gbr", "united kingdom", "great britain", "england", "scotland", "wales",
        "northern ireland",
        "at", "be", "bg", "hr", "cy", "cz", "dk", "ee", "fi", "fr", "de", "gr", "el", "hu", "ie",
        "it", "lv", "lt", "lu", "mt", "nl", "pl", "pt", "ro", "sk", "si", "es", "se",
        "is", "li", "no",
        "aut", "bel", "bgr", "hrv", "cyp", "cze", "dnk", "est", "fin", "fra", "deu", "grc", "hun",
        "irl", "ita", "lva", "ltu", "lux", "mlt", "nld", "pol", "prt", "rou", "svk", "svn", "esp",
        "swe", "isl", "lie", "nor",
        "austria", "belgium", "bulgaria", "croatia", "cyprus", "czechia", "czech republic",
        "denmark", "estonia", "finland", "france", "germany", "greece", "hungary", "ireland",
        "italy", "latvia", "lithuania", "luxembourg", "malta", "netherlands", "poland", "portugal",
        "romania", "slovakia", "slovenia", "spain", "sweden",
        "iceland", "liechtenstein", "norway",
    )
)  # fmt: skip


def under_gdpr(jurisdiction: str) -> bool:
    """Return whether a jurisdiction, or the country that it is a part of, is under the GDPR.

    >>> under_gdpr("DE-BY"), under_gdpr("US-DE")
    (True, False)
    """
    name = jurisdiction.strip().lower()
    return name in GDPR or name.partition("-")[0] in GDPR
