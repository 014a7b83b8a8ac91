"""The rules of segments, and the bias bridge beneath them: clean and poisoned."""

import json
from datetime import date

import duckdb
import pandas as pd
import pytest

from expectations import bias_verdicts
from expectations.bias_verdicts import check_bias
from expectations.result import Result, by_id, result
from expectations.segments import check_segments
from governance import aggregates, status
from governance.bias_bridge import counted
from governance.policy.load import parse_policy
from governance.policy.model import Override, Policy
from governance.status import NOT_RUN
from orchestration.fairness import judge_of
from tests.support import checked
from tests.support.checked import AS_OF
from warehouse.errors import RuleBrokenError
from warehouse.home import Home

POLICY = checked.policy()
SEGMENTS = 3
MEMBERS = "select segment_id, segmentation_key from segmentation.assignments"


@pytest.fixture
def warehouse(home: Home) -> duckdb.DuckDBPyConnection:
    """Return the small warehouse with its 72 subjects in three segments, evenly."""
    connection = checked.made()
    built(connection, POLICY)
    connection.execute("create schema segmentation")
    connection.execute(
        "create table segmentation.assignments as select as_of, segmentation_key,"
        " 1 + (row_number() over (order by segmentation_key) // 4 % 3)::integer as segment_id"
        " from marts.mart_segmentation where as_of = date '2024-06-30'"
    )
    connection.execute(
        "create table segmentation.segments as select distinct as_of, segment_id,"
        " 'Segment ' || segment_id as name, 24 as subjects, 1 / 3 as share"
        " from segmentation.assignments"
    )
    release(connection)
    return connection


def release(connection: duckdb.DuckDBPyConnection) -> None:
    """Release the segments that stand, with the figures of bias."""
    aggregates.make(connection)
    number = aggregates.record(connection, AS_OF, "m", MEMBERS)
    figures = bias_verdicts.figures(
        connection, POLICY, checked.clocks(), assignments=f"({MEMBERS})"
    )
    connection.execute(
        f"insert into {aggregates.TEXTS} values (?, ?, ?)",
        [number, bias_verdicts.RELEASED, figures],
    )


def built(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Record that everybody is in the mart of bias_monitoring, as its own check does."""
    whole = by_id(policy)["reconciliation.marts.bias_monitoring"]
    status.put(connection, policy, [result(whole, "holds", 0, "")], checked.clocks(), {})


def results(
    connection: duckdb.DuckDBPyConnection,
    *,
    psi: dict[str, float] | None = None,
    fitted: date | None = date(2024, 6, 10),
) -> dict[str, Result]:
    found = check_segments(
        connection, POLICY, checked.clocks(), psi=psi or {"visits": 0.02, "recency_days": 0.1},
        fitted_as_of=fitted,
    )  # fmt: skip
    return {r.rule: r for r in found}


def test_even_segments_hold(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = results(warehouse)
    kinds = {"size", "segment_count", "refit", "release", "drift", "bias"}
    assert set(found) == {r.id for r in by_id(POLICY).values() if r.kind in kinds}
    assert {r.rule: r.status for r in found.values()} == dict.fromkeys(found, "holds")
    assert found["size.segmentation"].observed == 24
    assert found["segment_count.segmentation"].observed == 3
    assert found["refit.segmentation"].observed == 20
    assert found["drift.segmentation"].observed == 0.1
    assert found["bias.segmentation.age_band"].observed["coverage"] == 0.75
    assert found["bias.segmentation.age_band"].observed["as_of"] == AS_OF.isoformat()
    assert "as released for 2024-06-30: least ratio" in found["bias.segmentation.age_band"].why


@pytest.mark.parametrize(
    ("rule", "statement", "observed"),
    [
        ("size", "delete from segmentation.assignments where segment_id = 2", 24),
        ("size", "update segmentation.assignments set segment_id = 7 where segmentation_key ="
         " (select min(segmentation_key) from segmentation.assignments)", 24),
        ("segment_count", "delete from segmentation.segments where segment_id > 2;"
         " update segmentation.assignments set segment_id = 2 where segment_id > 2", 2),
        ("segment_count", "insert into segmentation.segments by name"
         " select date '2024-06-30' as as_of, range as segment_id from range(10, 13)", 6),
    ],
)  # fmt: skip
def test_poisoned_segments_break(
    warehouse: duckdb.DuckDBPyConnection, rule: str, statement: str, observed: int
) -> None:
    warehouse.execute(statement)
    found = results(warehouse)[f"{rule}.segmentation"]
    assert (found.status, found.observed) == ("broken", observed)


def test_an_old_model_and_moved_features_break(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert results(warehouse, fitted=date(2024, 6, 2))["refit.segmentation"].holds
    old = results(warehouse, fitted=date(2024, 6, 1))["refit.segmentation"]
    assert (old.status, old.observed) == ("broken", 29)
    # A past as_of is answered with the model in force.
    assert results(warehouse, fitted=date(2025, 1, 1))["refit.segmentation"].observed == 0
    moved = results(warehouse, psi={"visits": 0.26, "recency_days": 0.1})["drift.segmentation"]
    assert (moved.status, moved.observed) == ("broken", 0.26)
    assert moved.why == "moved: visits"
    unknown = results(warehouse, psi={"visits": float("nan")})["drift.segmentation"]
    assert unknown.status == "broken"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        # An earlier release that one subject sets apart from this one, and one that four do.
        ("insert into segmentation.aggregate_members select 2, segment_id, segmentation_key from"
         " segmentation.aggregate_members where segmentation_key <>"
         " (select min(segmentation_key) from segmentation.aggregate_members)", "fewer than 5"),
        ("insert into segmentation.aggregate_members select 2, segment_id, segmentation_key from"
         " segmentation.aggregate_members where segmentation_key not in (select segmentation_key"
         " from segmentation.aggregate_members order by all limit 4)", "fewer than 5"),
        ("update segmentation.segments set subjects = subjects - 1 where segment_id = 2",
         "no release on record"),
        ("update segmentation.segments set as_of = as_of + 1", "no release on record"),
        ("delete from segmentation.segments where segment_id = 2", "no release on record"),
        ("delete from segmentation.aggregates", "no release on record"),
    ],
)  # fmt: skip
def test_poisoned_aggregates_break(
    warehouse: duckdb.DuckDBPyConnection, statement: str, said: str
) -> None:
    assert results(warehouse)["release.aggregates"].status == "holds"
    warehouse.execute(statement)
    warehouse.execute(
        "insert into segmentation.aggregates by name select release, date '2024-06-01' as as_of,"
        " 'm' as model, coalesce(segment_id, 0) as segment_id, count(*) as subjects"
        " from segmentation.aggregate_members where release = 2"
        " group by grouping sets ((release, segment_id), (release))"
    )
    found = results(warehouse)["release.aggregates"]
    assert found.status == "broken"
    assert said in found.why


def test_a_segment_without_figures_gives_nothing_to_subtract(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute("update segmentation.segments set subjects = null, share = null")
    (found,) = [
        r for r in check_segments(
            warehouse, POLICY, checked.clocks(), psi=None, fitted_as_of=None,
            postponed="due since 2024-06-30, and postponed: why",
        ) if r.rule == "release.aggregates"
    ]  # fmt: skip
    assert found.status == "holds"
    assert found.why.endswith("the next are due since 2024-06-30, and postponed: why")


def test_nothing_made_yet(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("drop schema segmentation cascade")
    found = check_segments(warehouse, POLICY, checked.clocks(), psi=None, fitted_as_of=None)
    assert {r.status for r in found} == {"not judged"}
    blocking = {r.rule for r in found if r.why == NOT_RUN}
    assert blocking == {r.rule for r in found} - {"drift.segmentation"}


SEGMENT_OF_THE_OLD = (
    "update segmentation.assignments set segment_id = case when segmentation_key in"
    " (select s.purpose_key from landing.purpose_keys s join landing.customers c"
    "  using (subject_key) where c.age_years >= 55) then 1 else 2 + (hash(segmentation_key) % 2)"
    " end::integer"
)


def test_a_segment_of_the_old_breaks(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(SEGMENT_OF_THE_OLD)
    found = results(warehouse)["bias.segmentation.age_band"]
    assert found.status == "broken"
    assert "'55 and over' is represented in segment 1 more than 1.25 times" in found.why
    assert "segments predict '55 and over' with an AUC above 0.65" in found.why
    assert found.observed["predictability"] < 0.65  # as it was released


LEAVERS = (
    "select segmentation_key from segmentation.assignments as a join landing.purpose_keys as s"
    " on s.purpose = 'segmentation' and s.purpose_key = a.segmentation_key"
    " join landing.customers as c using (subject_key)"
)


@pytest.mark.parametrize("band", ["age_years < 35", "age_years >= 55", "age_years is null"])
def test_between_releases_nobody_reads_the_one_who_left(
    warehouse: duckdb.DuckDBPyConnection, band: str
) -> None:
    """Whatever group and segment it was: all that is told of the segments stays as it was."""
    (key,) = warehouse.execute(f"{LEAVERS} where {band} order by all limit 1").fetchall()[0]
    before = results(warehouse)
    for table in ("segmentation.assignments", "segmentation.aggregate_members",
                  "marts.mart_segmentation"):  # fmt: skip
        warehouse.execute(f"delete from {table} where segmentation_key = ?", [key])
    assert results(warehouse) == before


def test_without_a_release_no_figure_is_shown(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(f"delete from {aggregates.TEXTS}")
    found = results(warehouse)["bias.segmentation.age_band"]
    assert (found.status, found.observed, found.details) == ("holds", None, {})
    assert found.why == "no interval lies beyond a limit"
    warehouse.execute("update segmentation.segments set subjects = null, share = null")
    found = results(warehouse)["size.segmentation"]
    assert (found.status, found.observed) == ("holds", None)
    assert found.why == "every segment has at least 20 subjects"


def test_of_a_mart_that_is_not_there_no_figure_is_released(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    def released() -> str:
        return bias_verdicts.figures(
            warehouse, POLICY, checked.clocks(), assignments=f"({MEMBERS})"
        )

    assert "bias.segmentation.age_band" in released()
    warehouse.execute(f"delete from {status.TABLE}")
    assert released() == "{}"


def test_candidates_are_judged_like_what_stands(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("create temp table candidate as from segmentation.assignments")
    warehouse.execute(SEGMENT_OF_THE_OLD.replace("segmentation.assignments", "candidate"))
    clocks = checked.clocks()
    judged = {r.rule: r for r in check_bias(warehouse, POLICY, clocks, assignments="candidate")}
    assert judged["bias.segmentation.age_band"].status == "broken"
    assert results(warehouse)["bias.segmentation.age_band"].status == "holds"
    warehouse.execute("drop schema segmentation cascade")
    again = check_bias(warehouse, POLICY, clocks, assignments="candidate")
    assert "broken" in {r.status for r in again}


def overridden(until: date) -> Policy:
    override = Override(
        rule="bias.segmentation.age_band", reason="Reviewed", approved_by="A. Officer", until=until
    )
    return POLICY.model_copy(update={"overrides": (override,)})


def objection(connection: duckdb.DuckDBPyConnection, policy: Policy, *, excused: bool) -> str:
    """Return what a judge says of the assignments that stand."""
    judge = judge_of(connection, policy, checked.clocks(), excused=excused)
    assert judge is not None
    rows = connection.execute(MEMBERS).fetchall()
    segments = pd.Series([s for s, _ in rows], index=[str(key) for _, key in rows])
    return judge(None, segments)  # type: ignore[arg-type]  # it goes by segments alone


def test_an_override_lets_a_candidate_be_chosen_if_it_is_asked_for(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSENT_NOW", checked.NOW.isoformat())
    counts, ended = overridden(checked.NOW.date()), overridden(AS_OF)
    assert objection(warehouse, POLICY, excused=False) == ""
    warehouse.execute(SEGMENT_OF_THE_OLD)
    for policy, excused, objects in ((counts, False, True), (counts, True, False),
                                     (ended, True, True), (POLICY, True, True)):  # fmt: skip
        built(warehouse, policy)
        assert ("'55 and over'" in objection(warehouse, policy, excused=excused)) is objects


def test_of_a_mart_that_was_not_built_for_the_day_nobody_is_unknown(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """Else a part of a run that leaves it out would find no segment unfair."""
    warehouse.execute(SEGMENT_OF_THE_OLD)
    warehouse.execute("update marts.mart_bias_monitoring set as_of = as_of - 1")
    warehouse.execute(f"delete from {status.TABLE}")  # as a run begins
    found = {name: r for name, r in results(warehouse).items() if name.startswith("bias.")}
    assert found
    assert {(r.status, r.checked) for r in found.values()} == {("not judged", False)}
    with pytest.raises(RuleBrokenError, match="mart_bias_monitoring hasn't been built") as error:
        objection(warehouse, POLICY, excused=True)
    assert "marts/mart_bias_monitoring" in error.value.mend


def test_the_bridge_counts(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Compare with a join by subject number, which a key gives away in this warehouse only."""
    found = counted(warehouse, as_of=AS_OF, columns=["age_band", "marital_status"])
    assert list(found) == ["age_band", "marital_status"]
    for column, counts in found.items():
        rows = warehouse.execute(
            f"select segment_id, {column}, count(*) from segmentation.assignments"
            " left join marts.mart_bias_monitoring on left(segmentation_key::varchar, 34)"
            " = left(bias_monitoring_key::varchar, 34) group by all"
        ).fetchall()
        assert counts.known == {(s, group): n for s, group, n in rows if group is not None}
        assert counts.unknown == {s: n for s, group, n in rows if group is None}
    assert found["age_band"].members() + sum(found["age_band"].unknown.values()) == 72
    assert counted(warehouse, as_of=AS_OF, columns=[]) == {}


def test_subjects_whom_the_purpose_may_not_know_are_unknown(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    def coverage(day: date = AS_OF) -> float:
        return counted(warehouse, as_of=day, columns=["age_band"])["age_band"].coverage

    assert coverage() == 0.75
    warehouse.execute("delete from marts.mart_bias_monitoring where age_band = 'under 35'")
    assert coverage() == 0.5
    warehouse.execute("delete from landing.purpose_keys where purpose = 'bias_monitoring'")
    assert coverage() == 0
    found = results(warehouse)["bias.segmentation.age_band"]
    assert (found.status, found.observed) == ("not judged", None)
    assert found.why.startswith("the value is known of less than 20% of subjects; as released for")
    # Assignments of another day aren't joined with this day's snapshot.
    assert coverage(date(2024, 6, 29)) == 0


def test_verdicts_hold_no_key(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(SEGMENT_OF_THE_OLD)
    told = json.dumps([vars(r) for r in results(warehouse).values()])
    assert "00000000-0000" not in told


def test_without_a_bias_purpose_nobody_can_tell(warehouse: duckdb.DuckDBPyConnection) -> None:
    start = checked.TEXT.index("  bias_monitoring:")
    end = checked.TEXT.index("recipients:")
    policy = parse_policy(checked.TEXT[:start] + checked.TEXT[end:])
    found = list(check_bias(warehouse, policy, checked.clocks()))
    assert [r.rule for r in found] == ["bias.segmentation"]
    assert found[0].status == "not judged"
    assert "nobody can tell" in found[0].why
    warehouse.execute("drop table marts.mart_bias_monitoring")
    assert {r.why for r in check_bias(warehouse, POLICY, checked.clocks())} == {NOT_RUN}
