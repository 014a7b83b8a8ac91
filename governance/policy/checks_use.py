"""What a purpose may use: its attributes, columns, bands and retention.

Belongs here: checks about attributes within a purpose. Does not belong here: legal bases, names,
recipients (``checks_law``). Each function passes over what has the wrong shape.
"""

from typing import Any

from governance.policy.plain import Data, Problems, allowances, at, blocks, class_of, mapping, words
from governance.policy.problems import Path, Problem, nearest
from governance.policy.words import BIAS_PURPOSE


def listed(data: Data) -> Problems:
    """Find uses of attributes that aren't listed (gaps)."""
    known = mapping(data.get("attributes"))
    uses = [(name, path) for _, name, _, path in allowances(data)]
    uses += [
        (name, ("permission", "attributes", i))
        for i, name in words(at(data, "permission", "attributes"))
    ]
    for name, path in uses:
        if name not in known:
            yield Problem(
                path,
                f"a gap: the attribute '{name}' isn't listed under `attributes`",
                nearest(name, known, "list it there with its class, or remove it here"),
            )


def identifiers(data: Data) -> Problems:
    """Find identifiers that would leave the vault, and pseudonyms that would join purposes."""
    for _, name, allowance, path in allowances(data):
        if class_of(data, name) == "direct_identifier":
            yield Problem(
                path,
                f"the direct identifier '{name}' is forbidden in a purpose: it stays in the vault",
                "remove it, and the columns made from it",
            )
        if class_of(data, name) == "pseudonym" and allowance.get("form") == "raw":
            yield Problem(
                (*path, "form"),
                f"the pseudonym '{name}' is forbidden in raw form: it would join purposes",
                "set form to aggregated, or remove the attribute",
            )


def protected(data: Data) -> Problems:
    """Find protected attributes outside of the purpose that may see them."""
    for purpose, name, _, path in allowances(data):
        if class_of(data, name) == "protected" and purpose != BIAS_PURPOSE:
            yield Problem(
                path,
                f"the protected attribute '{name}' is forbidden outside of '{BIAS_PURPOSE}'",
                "remove it, and the columns made from it",
            )


def bias_purpose(data: Data) -> Problems:
    """Find uses of the purpose that sees protected attributes for a company's gain."""
    for flag in ("sale_or_share", "direct_marketing"):
        if at(data, "purposes", BIAS_PURPOSE, flag) is True:
            yield Problem(
                ("purposes", BIAS_PURPOSE, flag),
                f"the purpose that sees protected attributes can't have {flag}",
                "set it to false",
            )


def special_categories(data: Data) -> Problems:
    """Find special categories in purposes that aren't flagged sensitive."""
    for purpose, name, _, path in allowances(data):
        sensitive = at(data, "purposes", purpose, "sensitive")
        if class_of(data, name) == "special_category" and sensitive is False:
            yield Problem(
                path,
                f"the special category '{name}' is forbidden: '{purpose}' isn't flagged sensitive",
                "remove it, or set sensitive to true and ask for explicit consent (GDPR Art. 9)",
            )


def column_attributes(data: Data) -> Problems:
    """Find columns made from attributes that aren't allowed, or named twice."""
    for purpose, block in blocks(data, "purposes"):
        allowed = mapping(block.get("attributes"))
        for column, attributes in mapping(block.get("columns")).items():
            seen: set[str] = set()
            for i, name in words(attributes):
                path = ("purposes", purpose, "columns", column, i)
                if name not in allowed:
                    yield Problem(
                        path,
                        f"the attribute '{name}' isn't allowed for '{purpose}'",
                        nearest(name, allowed, _allow(data, purpose, name)),
                    )
                if name in seen:
                    yield Problem(path, f"'{name}' is named twice", "name it once")
                seen.add(name)


def _allow(data: Data, purpose: str, name: str) -> str:
    if class_of(data, name) == "direct_identifier":
        return "remove it here: a direct identifier is allowed for no purpose, in no form"
    return f"allow it under purposes.{purpose}.attributes, or remove it here"


def needed(data: Data) -> Problems:
    """Find attributes that are allowed without need."""
    for purpose, name, _, path in allowances(data):
        columns = at(data, "purposes", purpose, "columns")
        used = {n for value in mapping(columns).values() for _, n in words(value)}
        if isinstance(columns, dict) and name not in used:
            yield Problem(
                path,
                f"the attribute '{name}' is allowed, but no column uses it",
                "remove it, or name it under the columns made from it",
            )


def bands(data: Data) -> Problems:
    """Find bands that are missing, superfluous or overlapping."""
    for _, _, allowance, path in allowances(data):
        form, bands = allowance.get("form"), allowance.get("bands")
        if form == "banded" and bands is None:
            remedy = "add `bands:`, cuts such as [35, 55] or labels with their values"
            yield Problem(path, "the form banded needs bands", remedy)
        if form in ("raw", "aggregated") and bands is not None:
            yield Problem(
                (*path, "bands"),
                f"the form {form} can't have bands",
                "remove them, or set form to banded",
            )
        yield from _cuts_increase(bands, (*path, "bands"))
        yield from _labels_are_apart(bands, (*path, "bands"))


def _cuts_increase(bands: Any, path: Path) -> Problems:
    cuts = bands if isinstance(bands, tuple | list) else ()
    numbers = [c for c in cuts if isinstance(c, int | float)]
    for i in range(1, len(numbers)):
        if len(numbers) == len(cuts) and numbers[i] <= numbers[i - 1]:
            yield Problem(
                (*path, i), "cuts have to increase", "write them from the lowest to the highest"
            )


def _labels_are_apart(bands: Any, path: Path) -> Problems:
    seen: dict[str, str] = {}
    for label, values in mapping(bands).items():
        for i, value in words(values):
            if other := seen.get(value.strip()):
                yield Problem(
                    (*path, label, i),
                    f"the value '{value}' falls in two bands: '{other}' and '{label}'"
                    if other != label
                    else f"the value '{value}' is named twice",
                    "leave it in one",
                )
            seen.setdefault(value.strip(), label)


def banded_columns(data: Data) -> Problems:
    """Find columns that mix a banded attribute with others."""
    for purpose, block in blocks(data, "purposes"):
        for column, attributes in mapping(block.get("columns")).items():
            named = [name for _, name in words(attributes)]
            for name in named:
                form = at(block, "attributes", name, "form")
                if form == "banded" and len(set(named)) > 1:
                    yield Problem(
                        ("purposes", purpose, "columns", column),
                        f"the banded attribute '{name}' is mixed with others",
                        "give it a column of its own, which holds its band",
                    )


def retention(data: Data) -> Problems:
    """Find attributes that a purpose would keep beyond custody."""
    most = at(data, "custody", "retention_days")
    for _, name, allowance, path in allowances(data):
        days = allowance.get("retention_days")
        if isinstance(days, int) and isinstance(most, int) and days > most:
            yield Problem(
                (*path, "retention_days"),
                f"'{name}' is kept for {days} days, but custody ends after {most}",
                f"set it to {most} or less, or raise custody.retention_days",
            )


def completeness(data: Data) -> Problems:
    """Find shares of completeness of columns that the purpose doesn't have."""
    for purpose, block in blocks(data, "purposes"):
        columns = mapping(block.get("columns"))
        for column in mapping(block.get("completeness")):
            if column not in columns:
                yield Problem(
                    ("purposes", purpose, "completeness", column),
                    f"'{purpose}' has no column '{column}'",
                    nearest(column, columns, "name one of its columns, or remove it"),
                )
