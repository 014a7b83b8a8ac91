"""Why a subject is in its segment: what is published of it, put before the model.

Belongs here: wiring ``governance.subject_segment`` to ``models.explain``. Does not belong here:
either of them, printing.
"""

from math import isnan
from typing import TYPE_CHECKING, Any

from governance.subject_consent import Account
from governance.subject_segment import Found, find
from models.features import MIX_PREFIX
from orchestration import model_store
from orchestration.columns import share_sql
from orchestration.manifest import policy
from warehouse.errors import UsageError

UNRELEASED = (
    "What is typical of the segments isn't released at present, so nothing can be compared with it."
)

NO_MODEL = "the model that made the published segments isn't there any more"

if TYPE_CHECKING:
    from models.deciding import Deciding
    from models.explain import Place


def explain(customer_id: str, purpose: str, known: Account | None = None) -> dict[str, Any]:
    """Return a subject's segment and why it is in it, as plain values.

    ``known`` is as of :func:`governance.subject_consent.permitted_key`.

    Raises
    ------
    UsageError
        If no subject has that id, or the model that assigned isn't there.
    """
    found = find(policy(), customer_id, purpose, _shares(), known)
    facts = {"purpose": purpose, "permitted": found.permitted, "rule": found.rule}
    if found.segment is None:
        return facts | {"segment": None, "sentence": _absent(purpose, found)}
    model = model_store.deciding()
    if model is None:
        raise UsageError(NO_MODEL, "run `assent run`")
    place = _place(found, model)
    name = model.name_of(found.segment)
    return facts | {
        "as_of": found.days[0],
        "segment": found.segment,
        "name": name,
        "rather_than": model.name_of(place.rival) if place else None,
        "sentence": place.sentence if place else f"In {name!r}. {UNRELEASED}",
        "features": [_plain(part) for part in place.parts] if place else [],
        "changes": [said for said in (_since(found, model), _refitted(found, model)) if said],
    }


def _shares() -> dict[str, str]:
    """Return the shares of the category mix that the models read, each with its SQL."""
    models = (model_store.deciding(), model_store.previous())
    names = {name for model in models if model for name in model.features}
    return {n: share_sql(n) for n in sorted(names) if n.startswith(MIX_PREFIX)}


def _absent(purpose: str, found: Found) -> str:
    if not found.permitted:
        return f"Not processed for {purpose}: {found.rule}."
    return (
        "In no published segment: nothing bought yet that may be used, or permitted or corrected"
        " since the last run."
    )


def _place(found: Found, model: "Deciding") -> "Place | None":
    """Return why it is there; None while what is typical of the segments isn't released."""
    from models.explain import explain_place

    if model.assign(found.rows[0]) != found.segment:
        raise UsageError(
            "the published segments were made by another model than the one that is kept for them",
            "run `assent run`",
        )
    typical = model_store.typical()
    if not typical:
        return None
    return explain_place(found.rows[0], typical, model)


def _since(found: Found, model: "Deciding") -> str:
    """Say what has changed since the day before, where the policy keeps figures of it."""
    from models.explain import explain_change

    if len(found.rows) < 2:
        return ""
    change = explain_change(found.rows[1], found.rows[0], model)
    return f"Since {found.days[1]}: {change.sentence}"


def _refitted(found: Found, model: "Deciding") -> str:
    """Say if it is the model that has changed, and not the subject."""
    previous = model_store.previous()
    if previous is None or not set(previous.features) <= set(found.rows[0]):
        return ""
    before = previous.assign(found.rows[0])
    if before == found.segment:
        return ""
    return (
        f"The segments were fitted anew as of {model.facts.get('fitted_as_of')}: by the model"
        f" before (as of {previous.facts.get('fitted_as_of')}) the same figures lead to"
        f" {previous.name_of(before)!r}."
    )


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part without NaN, which JSON doesn't know."""
    return {k: None if isinstance(v, float) and isnan(v) else v for k, v in part.items()}
