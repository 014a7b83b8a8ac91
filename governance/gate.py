"""The column gate: what marts and features are made from, held to the policy before anything runs.

Belongs here: judging the lineage graph column by column, refusing what breaks a rule. Does not
belong here: the graph (``lineage``), what columns mean (``lineage.landing``), the wording of a
finding (``findings``), checks of data (``expectations``).

For each purpose (rule ``minimisation.<purpose>``): its marts hold exactly the columns that the
policy lists, each made from no other attribute than listed and in the allowed form, keyed by its
own key; and no row of them is chosen, joined or grouped by an attribute that the purpose may not
use. For ``int_consent_*`` (rule ``minimisation.permission``): nothing about a subject is read but
what the policy lists under ``permission``. What can't be read counts as a gap. Keys of subjects are
called so, in every model (``keying``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from governance.dated import SPECIAL_VALUES, undated
from governance.findings import Finding, refuse, worded
from governance.keying import judge_keys
from governance.lineage.graph import UNKNOWN, Form, Lineage, Made, Ref, Relation, Use
from governance.lineage.landing import LANDING, Meaning, meaning
from governance.lineage.marts import MART, PERMITTED, behind, mart_purpose, marts_of
from governance.policy.columns import allowed_columns, purpose_named
from governance.policy.model import Policy

__all__ = ["Finding", "judge_columns", "judge_features", "judge_mart", "refuse"]

CONSENT = "int_consent_"
AS_OF = "as_of"

# What the other models may know of permission, and what it was decided from stays behind it.
OUTCOMES = frozenset(
    {"subject_key", "purpose", "purpose_key", "permitted", "permitted_now", "consented_on"}
)

# Values that reveal a special category are found and left out for every purpose: a condition on
# them reads these attributes so that they enter nothing.
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
    found += judge_keys(policy, lineage)
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
    UsageError
        If the policy has no such purpose.
    """
    allowed = allowed_columns(policy, purpose)
    made_from = features if isinstance(features, Mapping) else {name: (name,) for name in features}
    found = [
        worded(policy, purpose, "feature", "", feature, (column,))
        for feature, columns in made_from.items()
        for column in columns
        if column not in allowed
    ]
    return list(dict.fromkeys(found))


def judge_mart(policy: Policy, purpose: str, table: str) -> list[Finding]:
    """Hold what a Python asset asks to read to the marts of its purpose."""
    if table.startswith(MART) and mart_purpose(policy, table) == purpose:
        return []
    return [worded(policy, purpose, "table", table, "")]


@dataclass(frozen=True)
class _Judge:
    """Judges what serves one purpose."""

    policy: Policy
    lineage: Lineage
    purpose: str

    def findings(self) -> Iterator[Finding]:
        """Return all findings of the purpose."""
        marts = marts_of(self.policy, self.lineage, self.purpose)
        for mart in marts:
            for column in mart.columns:
                yield from self._column(mart.name, column)
        yield from self._absent(marts)
        models = behind(self.lineage, marts)
        for model in [*models, *_of_kind(self.lineage, "operation")]:
            yield from self._rows(model)
        for found in undated(self.lineage, models, self.purpose):
            yield self._word("undated", found.model, "", [], found.why)
        for model in _astray(self.lineage):
            for why in model.unread:
                yield self._word("unread", model.name, "", [], why)
        for asset in self._assets():
            for why in asset.unread:
                yield self._word("reach", asset.name, "", [], why)
            for column, made in asset.columns.items():
                yield from self._inputs(asset.name, column, made)

    def _assets(self) -> list[Relation]:
        return [r for r in _of_kind(self.lineage, "python") if r.purpose == self.purpose]

    def _column(self, mart: str, column: str) -> Iterator[Finding]:
        forms = self.lineage.forms(mart, column)
        if column in self._keys:
            strange = [origin for origin in forms if not _fits_key(column, origin)]
            if strange:
                yield self._word("key", mart, column, map(_name, strange))
            return
        listed = allowed_columns(self.policy, self.purpose).get(column)
        if listed is None:
            names = [_name(origin) for origin in forms if _tells(origin)]
            known = all(name in self.policy.attributes for name in names)
            yield self._word("unlisted" if known else "unlisted, unknown", mart, column, names)
            return
        for origin, form in forms.items():
            fault = self._fault(origin, form, listed)
            if fault:
                where = self._asking(Ref(mart, column), origin) if fault == "lost" else ""
                yield self._word(fault, mart, column, [_name(origin)], where)

    @property
    def _keys(self) -> tuple[str, str]:
        return AS_OF, f"{self.purpose}_key"

    def _fault(self, origin: Ref, form: Form, listed: frozenset[str]) -> str | None:
        """Return what is wrong with an origin of a listed column, if anything is."""
        meant = meaning(origin)
        if meant is Meaning.TECHNICAL:
            return None
        if meant is Meaning.KEY:
            return None if form is Form.FIGURE else "pseudonym"
        if meant in listed:
            return None if self._form_fits(str(meant), form) else "form"
        name = _name(origin)
        if name not in self.policy.attributes:
            return "unknown"
        return "lost" if name in listed else "origin"

    def _asking(self, column: Ref, origin: Ref) -> str:
        """Return the models on the way to a column that read an origin themselves."""
        way = self.lineage.ancestors([column])
        return ", ".join(sorted({r.relation for r in way if origin in self.lineage.upstream(*r)}))

    def _form_fits(self, attribute: str, form: Form) -> bool:
        allowance = purpose_named(self.policy, self.purpose).attributes[attribute]
        if allowance.form != "aggregated":
            return True  # whether a banded value is a band is a question to the data
        # One pseudonym out of many is still a pseudonym.
        pseudonym = self.policy.attributes[attribute].class_ == "pseudonym"
        return form >= (Form.FIGURE if pseudonym else Form.PICKED)

    def _absent(self, marts: list[Relation]) -> Iterator[Finding]:
        present = {column for mart in marts for column in mart.columns}
        if any(mart.unread for mart in marts):
            return  # said already, and its columns aren't known
        for column, attributes in allowed_columns(self.policy, self.purpose).items():
            if column not in present:
                yield self._word("absent", f"{MART}{self.purpose}", column, attributes)

    def _rows(self, model: Relation) -> Iterator[Finding]:
        """Judge what chooses, joins and groups the rows of a model."""
        for why in model.unread:
            yield self._word("unread", model.name, "", [], why)
        clauses: dict[str, list[str]] = {}
        for use in model.uses:
            for name in self._strange(use, model.name):
                clauses.setdefault(name, []).append(use.clause)
        for name, found in sorted(clauses.items()):
            allowed = purpose_named(self.policy, self.purpose).attributes
            fault = _fault_of(self.policy, "rows", name, allowed)
            yield self._word(fault, model.name, "", [name], ", ".join(dict.fromkeys(found)))

    def _strange(self, use: Use, model: str) -> set[str]:
        """Return what a condition reads that the purpose may not use, or nobody knows."""
        allowed = set(purpose_named(self.policy, self.purpose).attributes)
        if model == SPECIAL_VALUES or any(ref.relation == SPECIAL_VALUES for ref in use.refs):
            allowed |= LEFT_OUT_BY
        read = {ref: Form.RAW for ref in use.refs if not self._is_outcome(ref)}
        origins = (origin for origin in self.lineage.forms_of(read) if _tells(origin))
        return {_name(origin) for origin in origins if meaning(origin) not in allowed}

    def _is_outcome(self, ref: Ref) -> bool:
        return any(self.lineage.is_copy(ref, Ref(PERMITTED, outcome)) for outcome in OUTCOMES)

    def _inputs(self, asset: str, column: str, made: Made) -> Iterator[Finding]:
        """Judge what a column of a Python asset reads: columns of marts of its purpose."""
        for ref in sorted(made.refs):
            if not self._may_read(ref):
                origins = self.lineage.forms_of({ref: Form.RAW})
                names = [_name(origin) for origin in origins if _tells(origin)]
                if ref in origins and ref.relation in self.lineage.relations:  # which lacks it
                    names = [ref.column]
                yield self._word("input", asset, column, names, str(ref))

    def _may_read(self, ref: Ref) -> bool:
        relation = self.lineage.relations.get(ref.relation)
        if relation is None or _purpose_of(self.policy, relation) != self.purpose:
            return False
        columns = {*allowed_columns(self.policy, self.purpose), *self._keys}
        return relation.kind == "python" or ref.column in columns

    def _word(
        self, fault: str, asset: str, column: str, attributes: Iterable[str], detail: str = ""
    ) -> Finding:
        return worded(self.policy, self.purpose, fault, asset, column, attributes, detail)


def _permission(policy: Policy, lineage: Lineage) -> Iterator[Finding]:
    """Judge what permission is decided by, where it enters the ``int_consent_*`` models."""
    for model in _of_kind(lineage, "model"):
        if not model.name.startswith(CONSENT):
            continue
        for why in model.unread:
            yield worded(policy, "permission", "unread", model.name, "", (), why)
        read = {ref: Form.RAW for ref in _read_by(model) if not ref.relation.startswith(CONSENT)}
        for origin in lineage.forms_of(read):
            name, meant = _name(origin), meaning(origin)
            if isinstance(meant, Meaning) or meant in policy.permission.attributes:
                continue
            fault = _fault_of(policy, "permission", name, policy.permission.attributes)
            yield worded(policy, "permission", fault, model.name, "", (name,))


def _fault_of(policy: Policy, fault: str, name: str, allowed: Collection[str]) -> str:
    """Return the fault of reading what may not be read, or can't be found under an allowed name."""
    if name not in policy.attributes:
        return f"{fault}, unknown"
    return f"{fault}, lost" if name in allowed else fault


def _marts_without_purpose(policy: Policy, lineage: Lineage) -> Iterator[Finding]:
    for model in _of_kind(lineage, "model"):
        if model.name.startswith(MART) and mart_purpose(policy, model.name) is None:
            purpose = model.name.removeprefix(MART)
            yield worded(policy, purpose, "no purpose", model.name, "")


def _of_kind(lineage: Lineage, kind: str) -> list[Relation]:
    return [relation for relation in lineage.relations.values() if relation.kind == kind]


def _astray(lineage: Lineage) -> list[Relation]:
    """Return models that can't be read and that no mart reads: they may touch any table."""
    models = _of_kind(lineage, "model")
    marts = [model for model in models if model.name.startswith(MART)]
    judged = {model.name for model in behind(lineage, marts)}
    return [
        m for m in models if m.unread and m.name not in judged and not m.name.startswith(CONSENT)
    ]


def _purpose_of(policy: Policy, relation: Relation) -> str | None:
    if relation.kind == "python":
        return relation.purpose
    return mart_purpose(policy, relation.name) if relation.name.startswith(MART) else None


def _read_by(model: Relation) -> Iterator[Ref]:
    for made in model.columns.values():
        yield from made.refs
    for use in model.uses:
        yield from use.refs


def _fits_key(column: str, origin: Ref) -> bool:
    if column == AS_OF:
        return origin == Ref("landing.clocks", "as_of")
    return origin == Ref("landing.purpose_keys", "purpose_key")


def _tells(origin: Ref) -> bool:
    """Return whether an origin may say something about a subject."""
    return meaning(origin) not in (Meaning.TECHNICAL, Meaning.KEY)


def _name(origin: Ref) -> str:
    """Return what an origin is called: its attribute, else its column."""
    meant = meaning(origin)
    if isinstance(meant, str):
        return meant
    lost = meant is None and origin.relation in (UNKNOWN, *LANDING)
    return origin.column if lost or meant is Meaning.KEY else str(origin)
