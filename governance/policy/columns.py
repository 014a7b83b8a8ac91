"""What a purpose's mart may hold: columns, their classes, their bands.

Belongs here: look-ups by purpose and column. Does not belong here: the catalogue of rules
(``rules``), variables for dbt (``derive``).
"""

from itertools import pairwise

from governance.policy.model import Allowance, Policy, Purpose
from governance.policy.problems import nearest
from governance.policy.words import BUILT_IN_PURPOSES, DELICACY, AttributeClass
from warehouse.errors import PolicyGapError, UsageError


def purpose_named(policy: Policy, purpose: str) -> Purpose:
    """Return a purpose by its name.

    Raises
    ------
    UsageError
        If the policy has no such purpose.
    """
    if purpose in policy.purposes:
        return policy.purposes[purpose]
    if purpose in BUILT_IN_PURPOSES:
        raise UsageError(
            f"the purpose '{purpose}' is built in and has no mart",
            f"use one of: {', '.join(policy.purposes)}",
            rule="purpose.built_in",
        )
    raise UsageError(
        "the policy has no such purpose",
        nearest(purpose, policy.purposes, f"use one of: {', '.join(policy.purposes)}"),
        rule="purpose.unknown",
    )


def allowed_columns(policy: Policy, purpose: str) -> dict[str, frozenset[str]]:
    """Return the columns of a purpose's mart, each with the attributes it is made from.

    The keys of the mart (``as_of``, ``<purpose>_key``) are not among them.

    Raises
    ------
    UsageError
        If the policy has no such purpose.
    """
    columns = purpose_named(policy, purpose).columns
    return {column: frozenset(attributes) for column, attributes in columns.items()}


def column_class(policy: Policy, purpose: str, column: str) -> AttributeClass:
    """Return the class of a mart's column: the most delicate one among its attributes.

    Raises
    ------
    PolicyGapError
        If the purpose has no such column.
    UsageError
        If the policy has no such purpose.
    """
    classes = {policy.attributes[name].class_ for name in _made_from(policy, purpose, column)}
    return min(classes, key=DELICACY.index)


def column_labels(policy: Policy, purpose: str, column: str) -> tuple[str, ...] | None:
    """Return the only values that a banded column may take; None for any other column.

    Raises
    ------
    PolicyGapError
        If the purpose has no such column.
    UsageError
        If the policy has no such purpose.
    """
    allowances = purpose_named(policy, purpose).attributes
    for name in _made_from(policy, purpose, column):
        if allowances[name].form == "banded":
            return band_labels(allowances[name])
    return None


def band_labels(allowance: Allowance) -> tuple[str, ...]:
    """Return the labels of an attribute's bands, from the lowest to the highest.

    Cuts [35, 55] give 'under 35', '35-54', '55 and over': a value belongs to the band that begins
    with it. Between fractional cuts the upper end is written out: '0.5 to under 1.5'.
    """
    if isinstance(allowance.bands, dict):
        return tuple(allowance.bands)
    cuts = [plain_number(cut) for cut in allowance.bands or ()]
    if not cuts:
        return ()
    between = (_between(low, high) for low, high in pairwise(cuts))
    return (f"under {cuts[0]}", *between, f"{cuts[-1]} and over")


def plain_number(number: float) -> int | float:
    """Return a whole number as an integer, any other as it is."""
    return int(number) if number == int(number) else number


def _between(low: int | float, high: int | float) -> str:
    if not (isinstance(low, int) and isinstance(high, int)) or low < 0:
        return f"{low} to under {high}"
    return f"{low}-{high - 1}" if high - 1 > low else f"{low}"


def _made_from(policy: Policy, purpose: str, column: str) -> tuple[str, ...]:
    columns = purpose_named(policy, purpose).columns
    if column not in columns:
        raise PolicyGapError(
            f"the policy says nothing about the column '{column}' of '{purpose}'",
            nearest(
                column, columns, f"add it under purposes.{purpose}.columns, or remove the column"
            ),
        )
    return columns[column]
