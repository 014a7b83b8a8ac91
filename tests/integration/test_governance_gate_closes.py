"""A column that the policy doesn't allow stops the run, in SQL and in Python, naming the rule."""

import shutil

import pytest

from tests.support.installation import own_project

MART = "models/marts/mart_segmentation.sql"
WITH_AGE = """
select made.*, (select max(age_years) from {{{{ ref('stg_customers__customers') }}}}) as age_years,
    (select max(full_name) from {{{{ ref('stg_customers__customers') }}}}) as email
from ({made}) as made
"""


# Model -> (of its text, by what it is replaced): all of it compiles to what is allowed.
ONLY_IN_A_RUN = {
    "consented/int_personalised_offers_customers": (
        "{{ kept('personalised_offers', 'household_size') }}",
        "{{ \"case when customers.age_years > 50 then '5+' end\" if target.name == 'warehouse'"
        " else kept('personalised_offers', 'household_size') }}",
    ),
    "consented/int_transactions_baskets": (
        "{{ only_stale_rows() }}",
        "{% set inc = is_incremental() %}{% if inc %}and subject_key not in (select subject_key"
        " from {{ ref('stg_customers__customers') }} where age_years > 50){% endif %}",
    ),
    "marts/mart_segmentation": (
        "post_hook=\"{{ prune_snapshots('segmentation', oldest='as_of - tenure_days') }}\"",
        "post_hook=\"delete from {{ this }} where {{ 'visits > 1' if flags.WHICH == 'build'"
        " else 'visits > 2' }}\"",
    ),
}
LIVE_MACRO = """
{% macro live() %}{% set live = target.name == 'warehouse' %}{% if live %}1{% endif %}{% endmacro %}
"""


def published(one):
    return {path.name: path.read_bytes() for path in one.home.published.iterdir()}


def verdicts(one):
    return {r["rule"]: r["status"] for r in one.assent("status", "--json").json["rules"]}


def test_a_column_in_sql(small, tmp_path, monkeypatch):
    one = small.copy(tmp_path / "home")
    project = own_project(one, tmp_path)
    assert one.assent("check").status == 0
    config, marker, made = (project / MART).read_text().partition(") }}\n")
    (project / MART).write_text(config + marker + WITH_AGE.format(made=made))
    monkeypatch.setattr("orchestration.manifest.DBT_PROJECT", project)
    before, stood = published(one), verdicts(one)
    assert "holds" in stood.values()
    done = one.assent("run")
    assert done.status == 1, done.said
    assert verdicts(one) == stood  # on what there is, which is as it was
    assert "minimisation.segmentation (violation): mart_segmentation.age_years" in done.err
    assert "minimisation.segmentation (violation): mart_segmentation.email" in done.err
    assert "age_years (protected)" in done.err
    assert "->" in done.err  # with a remedy
    assert "Traceback" not in done.said
    found = one.assent("check", "--json")  # without a run
    assert found.status == 1
    assert {"age_years", "email"} <= {finding["column"] for finding in found.json}
    after = published(one)
    assert {n: c for n, c in after.items() if n != "permission.duckdb"} == {
        n: c for n, c in before.items() if n != "permission.duckdb"
    }


@pytest.mark.slow
def test_sql_that_only_a_run_would_write(compiled, tmp_path, monkeypatch):
    one = compiled.fresh(tmp_path / "home")
    project = own_project(one, tmp_path)
    monkeypatch.setattr("orchestration.manifest.DBT_PROJECT", project)
    assert one.assent("check").status == 0
    for model, (old, new) in ONLY_IN_A_RUN.items():
        path = project / "models" / f"{model}.sql"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
    (project / "macros" / "live.sql").write_text(LIVE_MACRO)
    done = one.assent("check")
    assert done.status == 1, done.said
    for asset, word in (
        ("int_personalised_offers_customers", "target"), ("int_transactions_baskets",
         "is_incremental"), ("mart_segmentation", "flags"), ("dbt/live", "target"),
    ):  # fmt: skip
        assert f"{asset} can't be judged: its Jinja asks for {word}: " in done.err
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_a_column_that_a_model_is_fed_with(small, tmp_path):
    one = small.copy(tmp_path / "home")
    for path in (one.home.artefacts / "segmentation").iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)  # so that a fit is due
    with one.warehouse() as connection:
        for column in ("age_years", "email"):
            connection.execute(f"alter table marts.mart_segmentation add column {column} int")
    before = published(one)
    done = one.assent("run", "--select", "group:segmentation or group:release")
    assert done.status == 1, done.said
    assert "minimisation.segmentation (violation): age_years" in done.err
    assert "minimisation.segmentation (violation): email" in done.err
    assert "->" in done.err
    assert "Traceback" not in done.said
    assert published(one)["segmentation.duckdb"] == before["segmentation.duckdb"]
