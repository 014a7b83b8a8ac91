"""A dbt project that can't be compiled: one line that names the place, and the rule if one is."""

import shutil

import pytest

from tests.support.installation import Installation
from warehouse.home import PROJECT

OLDEST = """
{% macro oldest() %}
{% if execute %}
{{ run_query('select max(age_years) from landing.customers').columns[0].values()[0] }}
{% endif %}
{% endmacro %}
"""
MART = "models/marts/mart_segmentation.sql"


@pytest.fixture
def one(tmp_path, monkeypatch):
    project = tmp_path / "dbt_project"
    shutil.copytree(
        PROJECT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs")
    )
    monkeypatch.setattr("orchestration.manifest.DBT_PROJECT", project)
    return Installation(tmp_path / "home"), project


def said(one, file, text):
    installation, project = one
    with (project / file).open("a") as opened:
        opened.write(text)
    done = installation.assent("check")
    assert "Traceback" not in done.said
    assert len(done.err.strip().splitlines()) == 2, done.err
    return done


def test_a_macro_that_reads_data_is_the_gap_that_it_is(one):
    (one[1] / "macros" / "oldest.sql").write_text(OLDEST)
    done = said(one, MART, "\n-- {{ oldest() }}\n")
    assert done.status == 1
    assert "minimisation (gap): macro oldest, model mart_segmentation can't be judged" in done.err
    assert "-> write the SQL out, without run_query" in done.err


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        (MART, "\n{{ nosuch() }}\n", f"mart_segmentation ({MART}): 'nosuch' is undefined"),
        (MART, "\n{% if true %}\n", f"mart_segmentation ({MART}): Unexpected end"),
        ("models/marts/_marts.yml", "\n  : : x\n", "marts/_marts.yml - Runtime Error: Syntax"),
    ],
)
def test_any_other_fault_names_its_place(one, file, text, named):
    done = said(one, file, text)
    assert done.status == 2
    assert "assent: dbt can't compile the project: " in done.err
    assert named in done.err
    assert "-> mend the model, macro or file that it names" in done.err
