"""Who falls under which rules: regimes, bases, recipients, names and the time zone.

Belongs here: checks about a purpose as a whole and about the blocks around it. Does not belong
here: attributes within a purpose (``checks_use``). Each function passes over what has the wrong
shape.
"""

from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from governance.policy.places import under_gdpr
from governance.policy.plain import Data, Problems, at, blocks, mapping, one_of, words
from governance.policy.problems import Path, Problem, nearest, shown
from governance.policy.words import BUILT_IN_PURPOSES, KEYS_OF_LANDING, REQUEST_TYPES, SCHEMAS


def time_zone(data: Data) -> Problems:
    """Find a time zone that doesn't exist."""
    name = data.get("time_zone")
    if not isinstance(name, str):
        return
    try:
        ZoneInfo(name.strip())
    except (OSError, ValueError, KeyError):
        yield Problem(
            ("time_zone",),
            "no such time zone",
            nearest(name, available_timezones(), "use an IANA name such as Europe/Berlin"),
        )


def jurisdictions(data: Data) -> Problems:
    """Find jurisdictions that are listed twice."""
    regimes: dict[str, str] = {}
    spellings: set[str] = set()
    for regime, block in blocks(data, "regimes"):
        for i, name in words(block.get("jurisdictions")):
            other = regimes.setdefault(name.strip().lower(), regime)
            if other != regime or name.strip() in spellings:
                yield Problem(
                    ("regimes", regime, "jurisdictions", i),
                    f"the jurisdiction '{name}' is listed twice: under '{other}' and '{regime}'",
                    "leave it under the regime that applies",
                )
            spellings.add(name.strip())


def ages_of_consent(data: Data) -> Problems:
    """Find ages of consent of places that the regime doesn't list."""
    for regime, block in blocks(data, "regimes"):
        listed = {name: None for _, name in words(block.get("jurisdictions"))}
        for name in mapping(block.get("ages_of_consent")):
            if name not in listed:
                yield Problem(
                    ("regimes", regime, "ages_of_consent", name),
                    f"'{shown(str(name))}' is no jurisdiction of '{regime}'",
                    nearest(str(name), listed, "list it under jurisdictions, spelt alike"),
                )


def unknown_jurisdiction(data: Data) -> Problems:
    """Find a regime that doesn't exist, or that asks less of a purpose than another does."""
    name, regimes = data.get("unknown_jurisdiction"), mapping(data.get("regimes"))
    if not isinstance(name, str):
        return
    if name not in regimes:
        yield Problem(("unknown_jurisdiction",), f"no such regime: '{name}'", one_of(name, regimes))
    for purpose, block in blocks(data, "purposes"):
        bases = mapping(block.get("basis"))
        stricter = [r for r in regimes if r in bases and _asks(bases[r]) > _asks(bases.get(name))]
        if name in bases and stricter:
            yield Problem(
                ("unknown_jurisdiction",),
                f"whoever lives in no known place may fall under '{stricter[0]}', but for"
                f" '{purpose}' the basis would be {bases[name]}, not {bases[stricter[0]]}",
                "name the regime that asks most, for every purpose",
            )


def unknown_age(data: Data) -> Problems:
    """Find a regime of unknown places under which a child decides earlier than under another."""
    name = data.get("unknown_jurisdiction")
    if not isinstance(name, str):  # told by what it has to be
        return
    for key in ("age_of_consent", "opt_in_below"):
        ages = {r: _protected(block, key) for r, block in blocks(data, "regimes")}
        eldest = max(ages, key=ages.__getitem__, default="")
        if name in ages and ages[eldest] > ages[name]:
            yield Problem(
                ("unknown_jurisdiction",),
                f"whoever lives in no known place may fall under '{eldest}', where {key} is"
                f" {ages[eldest]}, but '{name}' protects children only below {ages[name]}",
                "name the regime that protects them longest",
            )


def request_types(data: Data) -> Problems:
    """Find times of requests that nobody can make."""
    for regime, block in blocks(data, "regimes"):
        for name in mapping(at(block, "requests", "by_type")):
            if name not in REQUEST_TYPES:
                yield Problem(
                    ("regimes", regime, "requests", "by_type", name),
                    f"no such type of request: '{shown(str(name))}'",
                    nearest(str(name), REQUEST_TYPES, f"use one of: {', '.join(REQUEST_TYPES)}"),
                )


def calendars(data: Data) -> Problems:
    """Find calendars of public holidays that don't exist."""
    for regime, block in blocks(data, "regimes"):
        code = at(block, "requests", "holidays")
        if not isinstance(code, str):
            continue
        if not _is_calendar(code):
            yield Problem(
                ("regimes", regime, "requests", "holidays"),
                f"no such calendar: '{shown(code)}'",
                nearest(
                    code, _calendars(), "use a country, such as DE, or a subdivision, such as US-CA"
                ),
            )


def _is_calendar(code: str) -> bool:
    """Tell whether there is such a calendar; to list all takes a fifth of a second."""
    import holidays

    name, _, part = code.partition("-")
    country: Any = getattr(holidays, name, None)
    if getattr(country, "country", None) != name:  # nothing of that name, or an alias
        return False
    return "-" not in code or part in country.subdivisions


def _calendars() -> list[str]:
    import holidays

    countries = holidays.list_supported_countries(include_aliases=False)
    return [
        code
        for country, parts in countries.items()
        for code in (country, *(f"{country}-{part}" for part in parts))
    ]


def names(data: Data) -> Problems:
    """Find names that are taken."""
    for purpose, block in blocks(data, "purposes"):
        if purpose in BUILT_IN_PURPOSES:
            yield Problem(
                ("purposes", purpose), f"the purpose '{purpose}' is built in", "choose another name"
            )
        if purpose in KEYS_OF_LANDING:
            yield Problem(
                ("purposes", purpose),
                f"the name is taken: `{purpose}_key` is a key of landing, and of no purpose",
                "choose another name",
            )
        if purpose in SCHEMAS:
            yield Problem(
                ("purposes", purpose),
                f"the name is taken: the schema {purpose} holds tables of all purposes",
                "choose another name",
            )
        for column in mapping(block.get("columns")):
            if column == "as_of" or str(column).endswith("_key"):
                yield Problem(
                    ("purposes", purpose, "columns", column),
                    "the name is taken: every mart is keyed by `as_of` and its own key",
                    "choose another name",
                )


def bases(data: Data) -> Problems:
    """Find regimes without a basis (gaps), and bases for no regime."""
    regimes = mapping(data.get("regimes"))
    for purpose, block in blocks(data, "purposes"):
        bases = block.get("basis")
        if not isinstance(bases, dict):
            continue
        path: Path = ("purposes", purpose, "basis")
        for regime in (r for r in regimes if r not in bases):
            yield Problem(
                path,
                f"a gap: no basis for the regime '{regime}'",
                f"add `{regime}: consent`, or the basis that applies there",
            )
        for regime in (r for r in bases if r not in regimes):
            yield Problem((*path, regime), f"no such regime: '{regime}'", one_of(regime, regimes))


def _asks(basis: Any) -> int:
    """Return how much a basis asks for: somebody's word, a ground of its own, or nothing."""
    return 2 if basis == "consent" else 0 if basis == "opt_out" else 1


def _protected(regime: Data, key: str) -> int:
    """Return below which age a subject's own consent doesn't count, or nothing is done without."""
    ages = [regime.get(name) for name in {"age_of_consent", key}]
    return max((age for age in ages if isinstance(age, int)), default=0)


def gdpr_bases(data: Data) -> Problems:
    """Find opt-outs used as a basis where the GDPR applies, whatever the regime is called."""
    for regime, rules in blocks(data, "regimes"):
        places = [n for _, n in words(rules.get("jurisdictions")) if under_gdpr(n)]
        if not places and regime != "gdpr":
            continue
        for purpose, block in blocks(data, "purposes"):
            if at(block, "basis", regime) == "opt_out":
                where = f" ('{places[0]}')" if places else ""
                yield Problem(
                    ("purposes", purpose, "basis", regime),
                    f"an opt-out is no legal basis under the GDPR, and '{regime}' is where that"
                    f" applies{where}",
                    "use consent, legitimate_interest, contract or legal_obligation",
                )


def interests(data: Data) -> Problems:
    """Find legitimate interests that aren't named."""
    uses: list[tuple[Path, Data, list[Any]]] = [
        (("purposes", name), block, list(mapping(block.get("basis")).values()))
        for name, block in blocks(data, "purposes")
    ]
    for name in ("custody", "evidence"):
        block = mapping(data.get(name))
        uses.append(((name,), block, [block.get("basis")]))
    for path, block, bases in uses:
        if "legitimate_interest" in bases and block.get("interest") is None:
            yield Problem(
                (*path, "basis"),
                "the basis legitimate_interest needs the interest",
                "add `interest:` with the interest pursued (GDPR Art. 13(1)(d))",
            )


def sensitive(data: Data) -> Problems:
    """Find bases other than consent in purposes flagged sensitive."""
    for purpose, block in blocks(data, "purposes"):
        for regime, basis in mapping(block.get("basis")).items():
            if block.get("sensitive") is True and basis != "consent":
                yield Problem(
                    ("purposes", purpose, "basis", regime),
                    f"'{purpose}' is flagged sensitive: its basis has to be consent",
                    "set it to consent, or sensitive to false",
                )


def recipients(data: Data) -> Problems:
    """Find recipients of purposes that don't exist or may not be shared."""
    purposes = mapping(data.get("purposes"))
    for recipient, block in blocks(data, "recipients"):
        for i, name in words(block.get("purposes")):
            path = ("recipients", recipient, "purposes", i)
            if name not in purposes:
                yield Problem(path, f"no such purpose: '{name}'", one_of(name, purposes))
            shared = at(purposes, name, "sale_or_share")
            if block.get("role") == "third_party" and shared is False:
                yield Problem(
                    path,
                    f"a third party can't receive '{name}': its sale_or_share is false",
                    "remove it, set sale_or_share to true, or correct the role",
                )


def received(data: Data) -> Problems:
    """Find what recipients would receive beyond direct identifiers."""
    identifiers = {
        name: block
        for name, block in blocks(data, "attributes")
        if block.get("class") == "direct_identifier"
    }
    for recipient, block in blocks(data, "recipients"):
        for i, name in words(block.get("receives")):
            if name not in identifiers:
                yield Problem(
                    ("recipients", recipient, "receives", i),
                    f"'{name}' is no direct identifier: an export says who is in a segment, only",
                    one_of(name, identifiers),
                )


def public_keys(data: Data) -> Problems:
    """Find public keys that nothing can be encrypted to."""
    for recipient, block in blocks(data, "recipients"):
        key = block.get("public_key")
        if isinstance(key, str) and not is_age_key(key):
            yield Problem(
                ("recipients", recipient, "public_key"),
                "not an age public key",
                "copy the whole line `age1...` that the recipient's age-keygen prints",
            )


def is_age_key(key: str) -> bool:
    """Tell whether something can be encrypted to an age public key."""
    import pyrage

    try:
        pyrage.x25519.Recipient.from_str(key)
    except (pyrage.RecipientError, ValueError):
        return False
    return True


def segments(data: Data) -> Problems:
    """Find limits in the wrong order."""
    limits = at(data, "segmentation", "segments")
    pair = limits if isinstance(limits, tuple | list) and len(limits) == 2 else (0, 0)
    if all(isinstance(n, int) for n in pair) and pair[0] > pair[1]:
        yield Problem(
            ("segmentation", "segments"),
            f"the smallest number, {pair[0]}, is greater than the largest, {pair[1]}",
            "write the smallest first",
        )
