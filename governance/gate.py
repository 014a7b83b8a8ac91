"""The column gate: what marts and features are made from, held to the policy before anything runs.

Belongs here: judging the lineage graph column by column, refusing what breaks a rule. Does not
belong here: the graph (``lineage``), what columns mean (``lineage.landing``), the wording of a
finding (``findings``), checks of data (``expectations``).

For each purpose (rule ``minimisation.<purpose>``): its marts hold exactly the columns that the
policy lists, each made from no other attribute than listed and in the allowed form, keyed by its
own key; and no row of them is chosen, joined or grouped by an attribute that the purpose may not
use. For ``int_consent_*`` (rule ``minimisation.permission``): nothing about a subject is read but
what the policy lists under ``permission``. What can't be read counts as a gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from governance.findings import Finding, refuse, worded
from governance.lineage.graph import Form, Lineage, Made, Ref, Relation, Use
from governance.lineage.landing import Meaning, meaning
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy

__all__ = ["Finding", "judge_columns", "judge_features", "mart_purpose", "refuse"]

MART = "mart_"
CONSENT = "int_consent_"
AS_OF = "as_of"

# What the other models may know of permission, and what it was decided from stays behind it.
PERMITTED = "int_consent_permitted"
OUTCOMES = frozenset(
    {"subject_key", "purpose", "purpose_key", "permitted", "permitted_now", "consented_on"}
)

# Values that reveal a special category are found and left out for every purpose: a condition on
# them reads these attributes so that they enter nothing.
SPECIAL_VALUES = "int_transactions_special_values"
LEFT_OUT_BY = frozenset({"category", "product_group"})


def judge_columns(policy: Policy, lineage: Lineage) -> list[Finding]:
    """Hold every mart, every model behind it and every Python asset to the policy.

    Parameters
    ----------
    policy : Policy
        The rules.
    lineage : Lineage
        The compiled dbt project, with the Python assets that read from it.

    Returns
    -------
    list of Finding
        Violations and gaps; empty if all rules hold. Allowed columns that no mart of the purpose
        has are violations too: a purpose is granted exactly what it needs.
    """
    found: list[Finding] = []
    for purpose in policy.purposes:
        found += _Judge(policy, lineage, purpose).findings()
    found += _permission(policy, lineage)
    found += _marts_without_purpose(policy, lineage)
    return list(dict.fromkeys(found))


def judge_features(
    policy: Policy, purpose: str, features: Iterable[str] | Mapping[str, Iterable[str]]
) -> list[Finding]:
    """Hold the inputs of a model in Python to the columns of its purpose.

    Parameters
    ----------
    policy : Policy
        The rules.
    purpose : str
        The purpose that the model serves.
    features : iterable of str, or mapping
        Names of mart columns; or each feature with the names of those that it is computed from.

    Raises
    ------
    PolicyGapError
        If the policy has no such purpose.
    """
    allowed = allowed_columns(policy, purpose)
    made_from = features if isinstance(features, Mapping) else {name: (name,) for name in features}
    found = []
    for feature, columns in made_from.items():
        for column in columns:
            if column not in allowed:
                found.append(worded(policy, purpose, "feature", "", feature, (column,)))
    return list(dict.fromkeys(found))


def mart_purpose(policy: Policy, mart: str) -> str | None:
    """Return the purpose of a mart, ``mart_<purpose>`` or ``mart_<purpose>_<suffix>``, if any."""
    name = mart.removeprefix(MART)
    fits = [p for p in policy.purposes if name == p or name.startswith(f"{p}_")]
    return max(fits, key=len, default=None)


@dataclass(frozen=True)
class _Judge:
    """Judges what serves one purpose."""

    policy: Policy
    lineage: Lineage
    purpose: str

    def findings(self) -> Iterator[Finding]:
        marts = [r for r in self._relations("model") if r.name.startswith(MART)]
        for mart in marts:
            for column in mart.columns:
                yield from self._column(mart.name, column)
        yield from self._absent(marts)
        for name in sorted(self._behind(marts)):
            yield from self._rows(self.lineage.relations[name])
        for asset in self._relations("python"):
            for column, made in asset.columns.items():
                yield from self._python(asset.name, column, made)

    def _relations(self, kind: str) -> list[Relation]:
        return [
            r
            for r in self.lineage.relations.values()
            if r.kind == kind
            and (r.purpose or mart_purpose(self.policy, r.name)) == self.purpose
        ]

    def _column(self, mart: str, column: str) -> Iterator[Finding]:
        forms = self.lineage.forms(mart, column)
        if column in (AS_OF, f"{self.purpose}_key"):
            if not all(_fits_key(column, origin) for origin in forms):
                yield self._word("key", mart, column, self._names(forms))
            return
        listed = allowed_columns(self.policy, self.purpose).get(column)
        if listed is None:
            kind = "unlisted, unknown" if self._unknown(forms) else "unlisted"
            yield self._word(kind, mart, column, self._names(forms))
            return
        for origin, form in forms.items():
            fault = self._fault(origin, form, listed)
            if fault:
                yield self._word(fault, mart, column, (_name(origin),))

    def _fault(self, origin: Ref, form: Form, listed: frozenset[str]) -> str | None:
        """Return what is wrong with an origin of a listed column, if anything is."""
        meant = meaning(origin)
        if meant is Meaning.TECHNICAL:
            return None
        if meant is Meaning.KEY:
            return None if form is Form.FIGURE else "pseudonym"
        if not isinstance(meant, str):
            return "origin" if self._may_not(_name(origin)) else "unknown"
        if meant not in listed:
            return "origin" if meant in self.policy.attributes else "unknown"
        return None if self._form_fits(meant, form) else "form"

    def _form_fits(self, attribute: str, form: Form) -> bool:
        allowance = purpose_named(self.policy, self.purpose).attributes[attribute]
        if allowance.form != "aggregated":
            return True  # whether a banded value is a band is a question to the data
        # One pseudonym out of many is still a pseudonym.
        pseudonym = self.policy.attributes[attribute].class_ == "pseudonym"
        return form >= (Form.FIGURE if pseudonym else Form.PICKED)

    def _absent(self, marts: list[Relation]) -> Iterator[Finding]:
        present = {column for mart in marts for column in mart.columns}
        unread = any(mart.unread for mart in marts)
        for column, attributes in allowed_columns(self.policy, self.purpose).items():
            if column not in present and not unread:
                yield self._word("absent", f"{MART}{self.purpose}", column, tuple(attributes))

    def _behind(self, marts: list[Relation]) -> set[str]:
        """Return marts and the models that they read, as far as the door of permission."""
        reached: set[str] = set()
        waiting = [mart.name for mart in marts]
        while waiting:
            name = waiting.pop()
            relation = self.lineage.relations.get(name)
            if relation is None or relation.kind != "model" or name in reached:
                continue
            reached.add(name)
            waiting += self.lineage.parents(name)
            if name == PERMITTED:
                reached.discard(name)
        return reached

    def _rows(self, model: Relation) -> Iterator[Finding]:
        """Judge what chooses, joins and groups the rows of a model behind a mart."""
        for why in model.unread:
            yield self._word("unread", model.name, "", (), why)
        for use in model.uses:
            names = {n for ref in use.refs for n in self._forbidden(ref, model.name, use)}
            for name in sorted(names):
                fault = "rows" if self._may_not(name) else "rows, unknown"
                yield self._word(fault, model.name, "", (name,), use.clause)

    def _forbidden(self, ref: Ref, model: str, use: Use) -> Iterator[str]:
        if ref.relation == PERMITTED and ref.column in OUTCOMES:
            return
        leaves_out = model == SPECIAL_VALUES or any(r.relation == SPECIAL_VALUES for r in use.refs)
        allowed = purpose_named(self.policy, self.purpose).attributes
        for origin in self.lineage.forms_of({ref: Form.RAW}):
            meant = meaning(origin)
            if meant in (Meaning.TECHNICAL, Meaning.KEY) or meant in allowed:
                continue
            if not (leaves_out and meant in LEFT_OUT_BY):
                yield _name(origin)

    def _python(self, asset: str, column: str, made: Made) -> Iterator[Finding]:
        """Judge a column of a Python asset: it may read marts of its purpose and their columns."""
        allowed = {*allowed_columns(self.policy, self.purpose), AS_OF, f"{self.purpose}_key"}
        for ref in sorted(made.refs):
            relation = self.lineage.relations.get(ref.relation)
            of_purpose = relation is not None and (
                relation.purpose if relation.kind == "python"
                else mart_purpose(self.policy, ref.relation) if ref.relation.startswith(MART)
                else None
            ) == self.purpose
            from_python = relation is not None and relation.kind == "python"
            if not of_purpose or not (from_python or ref.column in allowed):
                names = self._names(self.lineage.forms_of({ref: Form.RAW}))
                yield self._word("input", asset, column, names, str(ref))
