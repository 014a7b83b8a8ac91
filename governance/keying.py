"""The keys of models, judged before anything runs: by them alone rows of subjects are found.

Belongs here: holding what dbt builds to the names of keys, by its lineage, so that erasure, access
and restriction reach a model that nobody told them of. Does not belong here: finding tables in the
files (``rights.discovery``), the columns of marts (``gate``).
"""

from collections.abc import Iterator

from governance.findings import Finding, worded
from governance.lineage.graph import Form, Lineage, Ref
from governance.lineage.landing import Meaning, meaning
from governance.lineage.marts import MART
from governance.policy.model import Policy

# What a landed column of a key is called, wherever it goes.
SUBJECT, OF_PURPOSE = "subject_key", "purpose_key"
# What says yes or no of a row's own subject, as its key is found somewhere or not.
YES_OR_NO = frozenset(
    {
        Ref("int_consent_subjects", "held"), Ref("int_consent_permitted", "permitted"),
        Ref("int_consent_permitted", "permitted_now"),
    }
)  # fmt: skip


def judge_keys(policy: Policy, lineage: Lineage) -> Iterator[Finding]:
    """Return each column of a model, but marts, with keys of subjects under another name.

    A key is called as it landed, or as that of its purpose (``<purpose>_key``), and is its row's:
    of a list, the least of some, a text made of it nobody could tell whose rows they are.
    """
    for model in lineage.relations.values():
        if model.kind != "model" or model.name.startswith(MART):  # whose every column is judged
            continue
        for column in model.columns:
            keys = _keys(lineage, Ref(model.name, column))
            if any(column not in _names(policy, key) or form > Form.LABEL
                   for key, form in keys.items()):  # fmt: skip
                names = {key.column for key in keys}
                yield worded(policy, "permission", "renamed key", model.name, column, names)


def _keys(lineage: Lineage, column: Ref) -> dict[Ref, Form]:
    """Return the keys of subjects that a column is made from; counts of them hold none."""
    return {} if column in YES_OR_NO else {
        ref: form for ref, form in lineage.forms(*column).items()
        if ref.column in (SUBJECT, OF_PURPOSE) and meaning(ref) is Meaning.KEY
        and form is not Form.FIGURE
    }  # fmt: skip


def _names(policy: Policy, key: Ref) -> set[str]:
    if key.column == SUBJECT:
        return {SUBJECT}
    return {OF_PURPOSE, *(f"{purpose}_key" for purpose in policy.purposes)}
