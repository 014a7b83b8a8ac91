"""Great Expectations suites, built from the policy.

Belongs here: what a mart must look like, as expectations that Great Expectations evaluates inside
DuckDB. Does not belong here: running them (``gx``), verdicts (``marts``), what needs more than one
pass over the mart's own rows (``proof``, ``ages``, ``fill``).
"""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from expectations import gx
from expectations.fill import always_defined, least_share
from expectations.result import by_id
from expectations.sql import pattern
from governance.policy.columns import allowed_columns, column_labels
from governance.policy.model import Policy
from warehouse.catalogue import NUMBERS
from warehouse.sql import identifier, quoted

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# The subjects of the mart who may be in it (`proof.lawful` makes it): key, both_clocks, now.
LAWFUL = "proof_lawful"

# Types whose values are no text, and maps of which keys or values may be one.
_NO_TEXT = (
    rf"(?:{'|'.join(NUMBERS)}|BOOLEAN|DATE|TIME|TIMESTAMP|INTERVAL|UUID)"
    r"(?:_\w+)?(?: WITH TIME ZONE)?(?:\(\d+,\d+\))?(?:\[\d*\])*"
)
_MAP = re.compile(rf"MAP\((VARCHAR|{_NO_TEXT}), (VARCHAR|{_NO_TEXT})\)")


def suite(
    policy: Policy, purpose: str, columns: dict[str, str], *, absent: Collection[str] = ()
) -> "ExpectationSuite":
    """Return what must hold of the rows of a mart.

    Parameters
    ----------
    columns
        The columns of its table with their types.
    absent
        Columns whose source is not mapped; their nulls are no fault.

    Raises
    ------
    UsageError
        If the policy has no such purpose.
    """
    expectations = [
        *_keys(purpose, columns),
        *_bands(policy, purpose, columns),
        *_filled(policy, purpose, columns, absent),
    ]
    if f"special_values.{purpose}" in by_id(policy):
        expectations += _special_values(policy, purpose, columns)
    return gx.great_expectations().ExpectationSuite(f"mart_{purpose}", expectations=expectations)


def with_permission(
    suite: "ExpectationSuite", policy: Policy, purpose: str, *, as_of: str, oldest: str
) -> "ExpectationSuite":
    """Add to a suite that every subject may be in the mart; needs the table ``proof_lawful``.

    Parameters
    ----------
    as_of
        The day of the run. Subjects of other snapshots need a basis at ``known_at`` alone.
    oldest
        For the mart whose ``as_of`` is the day of a snapshot: SQL of the oldest day of which an
        older one may tell, which the consent has to cover. Empty if every row belongs to the run.
    """
    expectations = gx.great_expectations().expectations
    key = identifier(f"{purpose}_key")
    basis = "l.both_clocks"
    if oldest:
        day = f"date {quoted(as_of)}"
        basis = (
            f"case when m.as_of = {day} then l.both_clocks else l.now and"
            f" (m.as_of > {day} or l.since is null or {oldest} > l.since) end"
        )
    query = (
        f"select 1 as unlawful from {{batch}} as m left join {LAWFUL} as l on l.key = m.{key}"
        f" where not coalesce({basis}, false)"
    )
    suite.expectations.append(
        expectations.UnexpectedRowsExpectation(
            unexpected_rows_query=query,
            meta=_meta("permission", purpose, "every subject has a basis at both clocks"),
        )
    )
    return suite


def _meta(kind: str, purpose: str, what: str) -> dict[str, str]:
    return {"rule": f"{kind}.{purpose}", "what": what}


def _keys(purpose: str, present: dict[str, str]) -> Iterator[Any]:
    expectations = gx.great_expectations().expectations
    keys = ["as_of", f"{purpose}_key"]
    if not set(keys) <= set(present):
        return  # that the keys are missing is found by comparing columns
    for column in keys:
        yield expectations.ExpectColumnValuesToNotBeNull(
            column=column, meta=_meta("minimisation", purpose, f"{column} is never null")
        )
    yield expectations.ExpectCompoundColumnsToBeUnique(
        column_list=keys, meta=_meta("minimisation", purpose, "one row per subject and as_of")
    )


def _bands(policy: Policy, purpose: str, present: dict[str, str]) -> Iterator[Any]:
    expectations = gx.great_expectations().expectations
    for column in allowed_columns(policy, purpose):
        labels = column_labels(policy, purpose, column)
        if labels and column in present:
            yield expectations.ExpectColumnValuesToBeInSet(
                column=column,
                value_set=list(labels),
                meta=_meta("minimisation", purpose, f"{column} takes the policy's bands only"),
            )


def _special_values(policy: Policy, purpose: str, present: dict[str, str]) -> Iterator[Any]:
    """Look for every special value of the policy in all texts, those of lists and maps, too."""
    expectations = gx.great_expectations().expectations
    patterns = {
        pattern(value.pattern)
        for attribute in policy.attributes.values()
        for value in attribute.special_values
    }
    found = " or ".join(
        f"regexp_full_match(lower(word), {quoted(regex)})" for regex in sorted(patterns)
    )
    found = found.replace("{", "{{").replace("}", "}}")  # the query is a template
    for column, type_ in present.items():
        words = _words(identifier(column), type_)
        if words is None:
            query = f"select 1 as unread from {{batch}} where {identifier(column)} is not null"
            what = f"{column} is of a type in which texts can be looked for"
            yield expectations.UnexpectedRowsExpectation(
                unexpected_rows_query=query, meta=_meta("special_values", purpose, what)
            )
        for word in words or ():
            # A pattern is matched once per word, not once per row; without the offset, DuckDB
            # would match first.
            distinct = f"select distinct {word} as word from {{batch}} offset 0"
            yield expectations.UnexpectedRowsExpectation(
                unexpected_rows_query=f"select 1 as special from ({distinct}) where {found}",
                meta=_meta("special_values", purpose, f"{column} reveals no special category"),
            )


def _words(column: str, type_: str) -> list[str] | None:
    """Return the SQL of all texts in a column, none if it can't hold any; None if nobody knows."""
    if re.fullmatch(_NO_TEXT, type_):
        return []
    if type_ == "VARCHAR" or (type_.startswith("ENUM(") and type_.endswith(")")):
        return [f"{column}::varchar"]
    if type_ == "VARCHAR[]":
        return [f"unnest({column})"]
    if found := _MAP.fullmatch(type_):
        sides = zip(("map_keys", "map_values"), found.groups(), strict=True)
        return [f"unnest({part}({column}))" for part, held in sides if held == "VARCHAR"]
    return None


def _filled(
    policy: Policy, purpose: str, present: dict[str, str], absent: Collection[str]
) -> Iterator[Any]:
    expectations = gx.great_expectations().expectations
    for column in allowed_columns(policy, purpose):
        if column in absent or column not in present:
            continue
        if always_defined(policy, purpose, column):
            yield expectations.ExpectColumnValuesToNotBeNull(
                column=column,
                mostly=least_share(policy, purpose, column),
                meta=_meta("completeness", purpose, f"{column} is filled"),
            )
