"""A Python model in the dbt project closes the gate, also where no mart reads it."""

from tests.support.installation import own_project

MODEL = """
def model(dbt, session):
    return session.sql("select * from staging.stg_customers__customers")
"""


def test_a_python_model_is_refused_before_anything_runs(compiled, tmp_path, monkeypatch):
    one = compiled.fresh(tmp_path / "home")
    project = own_project(one, tmp_path)
    monkeypatch.setattr("orchestration.manifest.DBT_PROJECT", project)
    assert one.assent("check").status == 0
    (project / "models" / "consented" / "int_stray.py").write_text(MODEL)
    done = one.assent("check")
    assert done.status == 1, done.said
    assert "int_stray can't be judged: it is a Python model" in done.err
    assert "docs/checks.md" in done.err
    assert "Traceback" not in done.said
