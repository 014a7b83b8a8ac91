"""A small project that the column gate lets pass, to be poisoned, and a policy of its own."""

from governance.findings import Finding
from governance.gate import judge_columns
from governance.lineage.build import build
from governance.policy.load import load_policy
from governance.policy.model import Policy
from tests.support.lineage import Manifest
from warehouse.home import PROJECT

SMALL = {
    "stg_t": "select * from landing.transactions",
    "stg_k": "select * from landing.purpose_keys",
    "int_consent_permitted": (
        "select subject_key, purpose, purpose_key, true as permitted from m.stg_k"
    ),
    "int_rows": (
        "select t.subject_key, t.event_day, t.basket_id, t.row_key,"
        " k.purpose_key as segmentation_key"
        " from m.stg_t as t join m.int_consent_permitted as k using (subject_key)"
        " where k.purpose = 'segmentation' and k.permitted"
    ),
    "mart_segmentation": (
        "select (select as_of from landing.clocks) as as_of, t.segmentation_key,"
        " max(t.event_day) as recency_days from m.int_rows as t group by t.segmentation_key"
    ),
}


def small_policy() -> Policy:
    """Return a policy of one purpose with one column, and a column of a pseudonym."""
    data = load_policy(PROJECT / "policy.yaml").model_dump(by_alias=True, exclude_none=True)
    days = {"form": "aggregated", "retention_days": 400}
    purpose = data["purposes"]["segmentation"] | {
        "attributes": {"occurred_at": days, "basket_id": days},
        "columns": {"recency_days": ("occurred_at",), "visits": ("basket_id",)},
    }
    data |= {"purposes": {"segmentation": purpose}, "recipients": {}, "overrides": ()}
    return Policy.model_validate(data)


def judged(policy: Policy, project: Manifest) -> list[Finding]:
    """Return what the gate finds in a project."""
    return judge_columns(policy, build(project))
