"""SQL that dbt runs otherwise than it was judged: nothing of its purposes is published."""

import json

import pytest

BASKETS, GROWS = "int_segmentation_baskets", "int_transactions_baskets"
BUILD = ("--select", "group:staging or group:consented or group:marts")  # what dbt does of a run


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    """The installation after a second run of what the first has landed: some tables grow."""
    one = small.copy(tmp_path_factory.mktemp("ran") / "home")
    one.run(*BUILD)
    return one


def ran(one):
    return json.loads((one.home.dbt / "ran.json").read_bytes())


def minimisation(one):
    rules = one.assent("status", "--json").json["rules"]
    return {r["rule"]: r for r in rules if r["rule"].startswith("minimisation.")}


def test_the_form_that_only_a_later_run_takes_is_judged_and_holds(one, small):
    first, second = ran(small), ran(one)
    assert [name for name in first if first[name] != second[name]] == [GROWS]
    assert {rule["status"] for rule in minimisation(one).values()} == {"holds"}
    with one.entered():
        from orchestration.ran import findings

        assert findings() == []


def test_what_that_form_reads_is_held_to_the_policy(one, tmp_path):
    other = one.copy(tmp_path / "home")
    kept = ran(other)
    kept[GROWS] = (
        f"select * from ({kept[GROWS]}) where subject_key in (select subject_key from"
        ' "warehouse"."staging"."stg_customers__customers" where age_years > 50)'
    )
    (other.home.dbt / "ran.json").write_text(json.dumps(kept))
    with other.entered():
        from orchestration.ran import findings

        found = {(f.kind, f.rule, f.asset, f.attributes) for f in findings()}
    assert ("violation", "minimisation.segmentation", GROWS, ("age_years",)) in found


def test_other_sql_than_was_judged_is_a_gap_until_all_is_built_anew(one, tmp_path):
    other = one.copy(tmp_path / "home")
    (path,) = [p for p in (other.home.dbt / "compiled").glob("*.json") if "." not in p.stem]
    judged = path.read_bytes()
    manifest = json.loads(judged)
    node = manifest["nodes"][f"model.assent.{BASKETS}"]
    node["compiled_code"] += "\n-- as it was judged"
    path.write_text(json.dumps(manifest))  # so that the gate reads another SQL than dbt will run
    before = (other.home.published / "segmentation.duckdb").read_bytes()
    done = other.assent("run")
    assert done.status == 1, done.said
    assert "minimisation" in done.err
    rules = minimisation(other)
    assert rules["minimisation.segmentation"]["status"] == "gap"
    assert (
        f"{BASKETS} can't be judged: dbt ran other SQL"
        in (rules["minimisation.segmentation"]["why"])
    )
    assert rules["minimisation.churn_prevention"]["status"] == "holds"
    assert (other.home.published / "segmentation.duckdb").read_bytes() == before
    assert not (other.home.dbt / "built_with").exists()  # so the next run builds all anew
    path.write_bytes(judged)
    other.run(*BUILD)
    assert minimisation(other)["minimisation.segmentation"]["status"] == "holds"


def test_after_a_build_that_was_killed_no_table_grows(one, tmp_path):
    other = one.copy(tmp_path / "home")
    kept = ran(other)
    assert kept.pop(GROWS) == ran(one)[GROWS]  # as `begin` leaves it
    (other.home.dbt / "ran.json").write_text(json.dumps(kept))
    with other.entered():
        from orchestration.ran import findings

        assert GROWS in {f.asset for f in findings() if f.kind == "gap"}
    other.run("--select", f"key:consented/{GROWS}")
    assert ran(other)[GROWS] != ran(one)[GROWS]  # not the form of a table that grows
