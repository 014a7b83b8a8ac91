"""Schemas of frames: what fits, what doesn't, and that no value is told."""

from typing import Any
from uuid import UUID

import duckdb
import pandas as pd
import pytest

from expectations import schemas
from expectations.schemas import Fault
from governance.gate import refuse
from tests.support.checked import CANARY, policy
from warehouse.errors import RuleBrokenError, UsageError

COLUMNS = ["recency_days", "visits", "value_total", "category_mix", "gap_mean_days"]


def frame(rows: int = 20) -> pd.DataFrame:
    """Return features as they are read from a mart."""
    mart = duckdb.sql(
        "select lpad(range::varchar, 32, '0')::uuid::varchar as segmentation_key, range::double as"
        " recency_days, 1 + range::double as visits, (range / 2)::double as value_total,"
        " map {'A': 0.25::double, 'B': 0.75::double} as category_mix,"
        f" case when range % 2 = 0 then 3.5::double end as gap_mean_days from range({rows})"
    )
    return mart.df().set_index("segmentation_key")


def found(changed: pd.DataFrame, **about: Any) -> list[Fault]:
    return schemas.faults(schemas.features(policy(), "segmentation", COLUMNS, **about), changed)


def test_features_that_fit() -> None:
    features = frame()
    before = features.copy(deep=True)
    assert found(features) == []
    pd.testing.assert_frame_equal(features, before)


POISON = {
    "a protected attribute": (
        lambda f: f.assign(age_years=44), Fault("age_years", "is no column that may be in it"),
    ),
    "an identifier": (
        lambda f: f.assign(email=CANARY), Fault("email", "is no column that may be in it"),
    ),
    "a column too few": (lambda f: f.drop(columns="visits"), Fault("visits", "is missing")),
    "a column twice": (
        lambda f: pd.concat([f, f[["visits"]]], axis=1), Fault("", "has a column twice"),
    ),
    "out of range": (
        lambda f: f.assign(recency_days=[-1.0, -4711.0, *range(18)]),
        Fault("recency_days", "is less than 0", 2),
    ),
    "not a number": (
        lambda f: f.assign(value_total=CANARY), Fault("value_total", "is no finite number", 20),
    ),
    "infinite": (
        lambda f: f.assign(value_total=[float("inf"), *range(19)]),
        Fault("value_total", "is no finite number", 1),
    ),
    "a hole where there can't be one": (
        lambda f: f.assign(visits=[None, *range(1, 20)]), Fault("visits", "is null", 1),
    ),
    "shares that don't add up": (
        lambda f: f.assign(category_mix=[{CANARY: 0.5}] * 20),
        Fault("category_mix", "holds no shares that add up to 1", 20),
    ),
    "keys that are customer ids": (
        lambda f: f.set_axis(pd.Index(map(f"{CANARY}{{}}".format, range(20)), name=f.index.name)),
        Fault("segmentation_key", "is no pseudonym", 20),
    ),
    "keys of another purpose": (
        lambda f: f.rename_axis("offers_key"),
        Fault("segmentation_key", "is not what keys the frame"),
    ),
    "a subject twice": (
        lambda f: f.set_axis(pd.Index([f.index[0], *f.index[:-1]], name="segmentation_key")),
        Fault("segmentation_key", "occurs more than once", 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("poison", POISON)
def test_features_that_do_not_fit(poison: str) -> None:
    change, fault = POISON[poison]
    faults = found(change(frame()))
    assert fault in faults
    assert CANARY not in str(faults)
    assert "4711" not in str(faults)


def test_columns_without_a_source_may_be_null() -> None:
    empty = frame().assign(visits=[float("nan")] * 20)
    assert found(empty) == [Fault("visits", "is null", 20)]
    assert found(empty, absent={"visits"}) == []


def test_only_what_the_policy_allows_can_be_asked_for() -> None:
    schema = schemas.features(policy(), "segmentation", [*COLUMNS, "age_years"])
    assert "age_years" not in schema.columns
    with pytest.raises(UsageError):
        schemas.features(policy(), "newsletters", COLUMNS)


def test_banded_and_raw_columns() -> None:
    columns = ["age_band", "marital_status"]
    schema = schemas.features(policy(), "bias_monitoring", columns)
    people = pd.DataFrame(
        {"age_band": ["under 35", None, "35-54"], "marital_status": ["alone", None, "x"]},
        index=pd.Index([str(UUID(int=i)) for i in range(3)], name="bias_monitoring_key"),
    )
    assert schemas.faults(schema, people) == []
    faults = schemas.faults(schema, people.assign(age_band=[CANARY, "44", None]))
    assert faults == [Fault("age_band", "is no band of the policy", 2)]


def test_assignments() -> None:
    schema = schemas.assignments([1, 2])
    keys = [str(UUID(int=i)) for i in range(4)]
    good = pd.DataFrame({"segmentation_key": keys, "segment_id": [1, 2, 1, 2]})
    assert schemas.faults(schema, good) == []
    assert schemas.faults(schema, good.assign(segment_id=[1, 2, 3, 9])) == [
        Fault("segment_id", "is no known segment", 2)
    ]
    assert schemas.faults(schema, good.assign(segmentation_key=[keys[0]] * 4))
    assert schemas.faults(schema, good.assign(visits=1))


def test_segments() -> None:
    schema = schemas.segments()
    good = pd.DataFrame(
        {"segment_id": [1, 2, 3], "name": ["a", "b", "c"], "line": ["x", "y", "x"],
         "subjects": [50, 60, 70], "share": [0.3, 0.3, 0.4]}
    )  # fmt: skip
    assert schemas.faults(schema, good) == []
    poison = {
        "subjects": ([0, 1, 2], Fault("subjects", "is empty", 1)),
        "name": (["a", " ", "c"], Fault("name", "is no text", 1)),
        "line": (["x", "", "x"], Fault("line", "is no text", 1)),
        "share": ([0.3, 0.3, 1.4], Fault("share", "is no share", 1)),
        "segment_id": ([1, 2, 2], Fault("segment_id", "occurs more than once", 2)),
    }
    for column, (values, fault) in poison.items():
        assert schemas.faults(schema, good.assign(**{column: values})) == [fault]


def test_faults_are_refused_by_their_rule() -> None:
    faults = found(frame().assign(age_years=44, recency_days=-1.0))
    findings = schemas.findings("segmentation", "segmentation/model", faults)
    with pytest.raises(RuleBrokenError) as refused:
        refuse(findings)
    told = str(refused.value)
    assert "minimisation.segmentation" in told
    assert "segmentation/model.age_years is no column that may be in it" in told
    assert "segmentation/model.recency_days is less than 0 (20 rows)" in told
    refuse(schemas.findings("segmentation", "segmentation/model", []))
