"""What others take from the policy: variables for dbt, columns and rules.

Belongs here: pure functions from a policy to plain data. Does not belong here: reading the file
(``load``), running dbt (``orchestration``). ``columns`` and ``rules`` hold the look-ups that this
module also hands out.
"""

import re
from typing import Any

from governance.policy.columns import (
    allowed_columns,
    band_labels,
    column_class,
    column_labels,
    plain_number,
)
from governance.policy.model import Allowance, Policy, Purpose
from governance.policy.rules import Rule, override_of, rules
from governance.policy.words import TRANSACTION_ATTRIBUTES

__all__ = [
    "Rule",
    "allowed_columns",
    "column_class",
    "column_labels",
    "dbt_vars",
    "like_pattern",
    "override_of",
    "rules",
]


def dbt_vars(policy: Policy) -> dict[str, Any]:
    r"""Return what the dbt project reads of the policy, as JSON-able variables.

    Returns
    -------
    dict
        ``time_zone``; ``unknown_regime``; ``regimes``: list of {jurisdiction, regime,
        age_of_consent}; ``regime_rules``: list of {regime, age_of_consent (of whoever is of no
        listed place), opt_in_below (0: no other age), opt_in_outlasts_signal}; ``purpose_names``;
        ``purposes``: list of flags and days (``retention``: attribute -> days;
        ``behaviour_retention_days``: the least of them over the attributes of transactions, None
        where none is allowed); ``bases``: list of {purpose,
        regime, basis}; ``special_values``: list of {attribute, pattern}, the pattern for
        ``lower(x) like pattern escape '\'``; ``bands``: purpose -> attribute -> list of bands by
        ``label``, a numeric band from ``at_least`` (included) to ``below`` (excluded), the others
        with their ``values``. What no model reads isn't here: another value builds all anew.
    """
    return {
        "time_zone": policy.time_zone,
        "unknown_regime": policy.unknown_jurisdiction,
        "regimes": [
            {"jurisdiction": name, "regime": regime, "age_of_consent": block.age_in(name)}
            for regime, block in policy.regimes.items()
            for name in block.jurisdictions
        ],
        "regime_rules": [
            {
                "regime": name,
                "age_of_consent": block.age_of_consent,
                "opt_in_below": block.opt_in_below or 0,
                "opt_in_outlasts_signal": block.opt_in_outlasts_signal,
            }
            for name, block in policy.regimes.items()
        ],
        "purpose_names": list(policy.purposes),
        "purposes": [_purpose(name, purpose) for name, purpose in policy.purposes.items()],
        "bases": [
            {"purpose": name, "regime": regime, "basis": basis}
            for name, purpose in policy.purposes.items()
            for regime, basis in purpose.basis.items()
        ],
        "special_values": [
            {"attribute": name, "pattern": like_pattern(value.pattern)}
            for name, attribute in policy.attributes.items()
            for value in attribute.special_values
        ],
        "bands": {name: _bands(purpose) for name, purpose in policy.purposes.items()},
    }


def like_pattern(pattern: str) -> str:
    r"""Return a pattern of ``*`` and ``?`` for SQL: ``lower(x) like pattern escape '\'``.

    >>> like_pattern("*100%_RX?")
    '%100\\%\\_rx_'
    """
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern.lower())
    return escaped.replace("*", "%").replace("?", "_")


def _purpose(name: str, purpose: Purpose) -> dict[str, Any]:
    retention = {key: allowance.retention_days for key, allowance in purpose.attributes.items()}
    of_rows = [days for key, days in retention.items() if key in TRANSACTION_ATTRIBUTES]
    return {
        "purpose": name,
        "notice_version": purpose.notice_version,
        "consent_valid_days": purpose.consent_valid_days,
        "covers_earlier_data": purpose.consent_covers_earlier_data,
        "sale_or_share": purpose.sale_or_share,
        "direct_marketing": purpose.direct_marketing,
        "sensitive": purpose.sensitive,
        "snapshots": purpose.snapshots,
        "retention": retention,
        "behaviour_retention_days": min(of_rows, default=None),
    }


def _bands(purpose: Purpose) -> dict[str, Any]:
    return {
        name: _bands_of(allowance)
        for name, allowance in purpose.attributes.items()
        if allowance.form == "banded"
    }


def _bands_of(allowance: Allowance) -> list[dict[str, Any]]:
    if isinstance(allowance.bands, dict):
        return [
            {"label": label, "values": list(values)} for label, values in allowance.bands.items()
        ]
    cuts = [plain_number(cut) for cut in allowance.bands or ()]
    ends = zip(band_labels(allowance), [None, *cuts], [*cuts, None], strict=True)
    return [{"label": label, "at_least": low, "below": high} for label, low, high in ends]
