"""Models that a user adds: erasure reaches them, or they are refused and leave nothing behind."""

import shutil
import subprocess

import pytest

from tests.support.installation import COMMAND, Done
from warehouse.home import PROJECT

OF_SUBJECT = """
{{ config(materialized='table') }}
select subject_key, count(*) as lines from {{ ref('stg_transactions__transactions') }}
group by subject_key
"""
RENAMED = OF_SUBJECT.replace("subject_key, count", "subject_key as who_key, count")
OF_NOBODY = """
{{ config(materialized='table') }}
select product_group, count(*) as lines from {{ ref('stg_transactions__transactions') }}
group by product_group
"""
CONTRACT = """
models:
  - name: int_mine
    description: What a test adds
    columns:
      - {{name: {key}, description: The first, data_type: {kind}}}
      - {{name: lines, description: Number of lines, data_type: bigint}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of ours, as somebody has who adds to it."""
    folder = tmp_path_factory.mktemp("own") / "project"
    ignored = shutil.ignore_patterns(".*", "target", "logs", "docs")
    return shutil.copytree(PROJECT, folder, ignore=ignored)


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("own-state") / "home")


def assent(one, project, *arguments):
    done = subprocess.run(
        [COMMAND, *arguments], env=one.environment | {"PYTHONPATH": str(project)}, cwd=project,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def add(project, sql, key, kind="uuid"):
    model = project / "dbt_project" / "models" / "consented" / "int_mine.sql"
    model.write_text(sql)
    model.with_name("_mine.yml").write_text(CONTRACT.format(key=key, kind=kind))
    return model


def tables(one):
    with one.warehouse() as connection:
        rows = connection.execute("select table_name from duckdb_tables()").fetchall()
    return {name for (name,) in rows}


def test_a_model_is_covered_or_refused_and_never_stands_in_the_way(one, project):
    """In the order of what somebody does who is told so at each step."""
    add(project, RENAMED, "who_key")
    for command in ("check", "run"):
        done = assent(one, project, command)
        assert done.status == 1, done.said
        assert "int_mine.who_key holds subject_key" in done.err
    assert "int_mine" not in tables(one)

    model = add(project, OF_NOBODY.replace("'table'", "'table', schema='extra'"),
                "product_group", "varchar")  # fmt: skip
    for command in ("check", "run"):
        done = assent(one, project, command)
        assert done.status == 2, done.said
        assert "int_mine is of no layer, or its table lies elsewhere ('extra.int_mine')" in done.err

    add(project, OF_NOBODY, "product_group", "varchar")
    done = assent(one, project, "run")
    assert done.status == 2, done.said
    assert "nobody knows whose rows consented.int_mine holds: it has no key" in done.err
    assert "int_mine" not in tables(one)

    add(project, OF_SUBJECT, "subject_key")
    assert assent(one, project, "run").status == 0
    who = sorted(one.members())[0]
    number = one.assent("rights", "open", who, "erasure", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    done = one.assent("rights", "fulfil", number)
    assert done.status == 0, done.said
    shown = one.assent("rights", "show", number, "--json").said
    assert "int_mine" in shown, shown

    model.unlink()
    model.with_name("_mine.yml").unlink()
    assert assent(one, project, "run").status == 0
    assert "int_mine" not in tables(one)
