"""Transactions on their way to a purpose: what the gate lets pass, and what not."""

import pytest

from governance.policy.model import Policy
from tests.support.gate import SMALL, judged, small_policy
from tests.support.lineage import manifest


@pytest.fixture(scope="module")
def small() -> Policy:
    return small_policy()


OF_SMALL = SMALL["int_rows"].removeprefix("select ").partition(" from ")[0]


def rows(**columns: str) -> str:
    made = {"event_day": "t.event_day", "segmentation_key": "k.purpose_key"} | columns
    listed = ", ".join(f"{sql} as {name}" for name, sql in made.items() if sql)
    return SMALL["int_rows"].replace(OF_SMALL, listed)


LAST = "max(t.event_day) over (partition by t.subject_key)"
PASSED = "select t.subject_key, t.event_day, t.basket_id from m.stg_t as t"


@pytest.mark.parametrize(
    ("models", "found"),
    [
        ({"int_rows": rows()}, []),
        ({"int_rows": rows(lines="1")}, []),
        ({"int_rows": rows(basket_id="t.basket_id || '!'")}, ["int_rows"]),
        ({"int_rows": rows(basket_id="len(array(select x.basket_id from m.stg_t as x"
                           " where x.subject_key = t.subject_key))")}, ["int_rows"]),
        ({"int_rows": rows(segmentation_key="null::uuid")}, ["int_rows"]),
        ({"int_rows": f"{rows(segmentation_key='')} union all by name {rows()}"}, ["int_rows"]),
        ({"int_passed": PASSED.replace("t.event_day,", "t.event_day, last_day(t.event_day) as m,"),
          "int_rows": rows(event_day="t.m").replace("m.stg_t", "m.int_passed")}, ["int_passed"]),
        ({"int_passed": PASSED.replace("t.event_day,", "last_day(t.event_day) as m,"),
          "int_rows": rows(event_day="t.m").replace("m.stg_t", "m.int_passed")}, ["int_passed"]),
        ({"int_passed": PASSED, "int_later": "select *, m.later(event_day) as m from m.int_passed",
          "int_rows": rows(event_day="t.m").replace("m.stg_t", "m.int_later")}, ["int_later"]),
        ({"int_rows": rows(n="len(array(select 1 from m.stg_t as x"
                           " where x.subject_key = t.subject_key))")}, ["int_rows"]),
        ({"int_rows": rows(n="exists (select 1 from m.stg_t as x where"
                           " x.subject_key = t.subject_key and x.event_day < t.event_day)")},
         ["int_rows"]),
        ({"int_rows": rows().replace("int_consent_permitted", "stg_k")}, ["int_rows"]),
        ({"int_rows": rows(segmentation_key="k.subject_key")}, ["int_rows"]),
        ({"int_rows": rows(event_day="t.occurred_at::date")}, ["int_rows"]),
        ({"mart_segmentation": rows()}, ["mart_segmentation"]),
        ({"mart_segmentation": SMALL["mart_segmentation"].replace(
            " as recency_days", " as recency_days, (select count(*) from m.stg_t) as visits")},
         ["mart_segmentation"]),
        ({"int_transactions_baskets": f"{PASSED} union all select * from m.int_kept",
          "int_kept": "select * from m.int_transactions_baskets",
          "int_rows": rows().replace("m.stg_t", "m.int_kept")}, None),
        ({"int_rows": rows(event_day="")}, ["int_rows"]),
        ({"int_rows": rows(event_day=LAST)}, ["int_rows"]),
        ({"int_rows": rows(event_day="last_day(t.event_day)")}, ["int_rows"]),
        ({"int_rows": rows(event_day="t.event_day + 365")}, ["int_rows"]),
        ({"int_rows": rows(event_day="coalesce(t.event_day, t.event_day)")}, ["int_rows"]),
        ({"int_rows": rows(event_day="(t.event_day)::date")}, []),
        ({"int_rows": f"{rows()} union all {rows()}"}, []),
        ({"int_rows": f"{rows()} union all {rows(event_day='null::date')}"}, ["int_rows"]),
        ({"int_rows": f"with r as ({rows()}) select * from r where segmentation_key is not null"},
         []),
        ({"int_rows": f"select distinct * from ({rows()}) as r"}, []),
        ({"int_rows": rows(basket_id="count(*) over (partition by t.subject_key)")}, ["int_rows"]),
        ({"int_rows": rows(basket_id="lag(t.basket_id) over (order by t.event_day)")},
         ["int_rows"]),
        ({"int_rows": rows(segmentation_key="", churn_prevention_key="k.purpose_key")},
         ["int_rows"]),
        ({"int_passed": PASSED, "int_rows": rows().replace("m.stg_t", "m.int_passed")}, []),
        ({"int_passed": f"{PASSED} group by all having count(*) > 1",
          "int_rows": rows(basket_id="t.basket_id").replace("m.stg_t", "m.int_passed")}, []),
        ({"int_passed": PASSED.replace("t.basket_id", "count(*) as lines") + " group by all",
          "int_rows": rows(basket_id="t.lines").replace("m.stg_t", "m.int_passed")},
         ["int_passed"]),
        ({"int_popular": "select basket_id, count(*) as times from m.stg_t group by all",
          "mart_segmentation": SMALL["mart_segmentation"].replace(
              "m.int_rows as t", "m.int_rows as t join m.int_popular as p using (basket_id)")},
         ["int_popular"]),
        ({"mart_segmentation": SMALL["mart_segmentation"].replace(
            "m.int_rows as t", "m.int_rows as t where t.subject_key in (select subject_key from"
            " m.stg_t where basket_id > '')")}, ["mart_segmentation"]),
        ({"mart_segmentation": SMALL["mart_segmentation"].replace(
            "m.int_rows as t", "landing.transactions as t join m.int_rows using (subject_key)")},
         ["mart_segmentation"]),
    ],
)  # fmt: skip
def test_transactions_reach_a_purpose_row_by_row_with_their_day(
    small: Policy, models: dict[str, str], found: list[str] | None
) -> None:
    """Or nobody could judge how old they are; None: it is refused for something else."""
    every = judged(small, manifest(SMALL | models))
    told = [f for f in every if "how old they are" in f.what]
    assert [f.asset for f in told] == (found or [])
    assert every or found is not None
    assert {(f.kind, f.rule) for f in told} <= {("violation", "minimisation.segmentation")}


PERMITTED_ONES = (
    "select subject_key as who, purpose_key, permitted as may from m.int_consent_permitted"
)
BY_THEM = (
    "select t.event_day, k.purpose_key as segmentation_key from m.stg_t as t"
    " join m.int_may as k on k.who = t.subject_key where k.may"
)


@pytest.mark.parametrize(
    ("may", "told"),
    [
        (PERMITTED_ONES, set()),
        (PERMITTED_ONES.replace("permitted as", "permitted and said > '' as"), {"int_rows"}),
        (PERMITTED_ONES.replace("permitted as", "said as"), {"int_rows"}),
    ],
)
def test_permission_may_be_taken_in_a_model_before(small: Policy, may: str, told: set[str]) -> None:
    """A copy of what it came to is that; what is computed from it, or from more, is not."""
    deciding = SMALL["int_consent_permitted"].replace("true as", "as_of > said as").replace(
        "select ", "select said, ").replace(
        "m.stg_k", "m.stg_k, (select max(event_day) as said from landing.consent_events),"
        " landing.clocks")  # fmt: skip
    models = {"int_consent_permitted": deciding, "int_may": may, "int_rows": BY_THEM}
    found = judged(small, manifest(SMALL | models))
    assert {f.asset for f in found if "chooses" in f.what} == told
