"""Models that a user adds: erasure reaches them, or they are refused and leave nothing behind."""

import re
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
LISTED = OF_SUBJECT.replace(
    "select subject_key, count", "select [subject_key] as subject_key, count"
)
LEFT_JOIN = """
{{ config(materialized='table') }}
select c.subject_key, t.quantity::bigint as lines
from {{ ref('stg_transactions__transactions') }} as t
left join {{ ref('stg_customers__customers') }} as c
    on t.subject_key = c.subject_key and c.jurisdiction = 'US-CA'
"""
OF_ANOTHER = """
{{ config(materialized='table') }}
select purpose_key as segmentation_key, 1::bigint as lines
from {{ ref('stg_landing__purpose_keys') }}
"""
CONTRACT = """
models:
  - name: int_mine
    description: What a test adds
    columns:
      - {{name: {key}, description: The first, data_type: {kind}}}
      - {{name: lines, description: Number of lines, data_type: bigint}}
"""


@pytest.fixture
def project(tmp_path):
    """A copy of ours, as somebody has who adds to it."""
    folder = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "target", "logs", "docs")
    return shutil.copytree(PROJECT, folder, ignore=ignored)


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("own-state") / "home")


def assent(one, project, *arguments, **variables):
    environment = one.environment | {"PYTHONPATH": str(project)} | variables
    done = subprocess.run(
        [COMMAND, *arguments], env=environment, cwd=project,
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


@pytest.mark.parametrize(
    ("sql", "key", "kind", "why"),
    [
        (LISTED, "subject_key", "'uuid[]'", "subject_key may hold keys within UUID[]"),
        (LEFT_JOIN, "subject_key", "uuid", "subject_key is no subject's key in some row, or empty"),
        (
            OF_ANOTHER,
            "segmentation_key",
            "uuid",
            "is for segmentation no subject's key in some row",
        ),
    ],
    ids=["list", "empty", "another purpose"],
)
def test_a_model_with_rows_that_no_erasure_finds_is_refused_and_leaves_nothing(
    one, project, sql, key, kind, why
):
    model = add(project, sql, key, kind)
    done = assent(one, project, "run")
    assert done.status == 2, done.said
    assert why in done.err
    assert "int_mine" not in tables(one)
    model.unlink()
    model.with_name("_mine.yml").unlink()
    assert assent(one, project, "run").status == 0


def added(project, page):
    """Do to a project what a page tells somebody to do."""
    for said, text in re.findall(
        r"<!-- (\S.*?) -->\n```\w+\n(.*?)```", page.read_text(), re.DOTALL
    ):
        kind, _, what = said.partition(": ")
        if kind in ("new", "append"):
            with (project / what).open("x" if kind == "new" else "a") as file:
                file.write(text)
            continue
        file = project / kind
        before, heading, after = file.read_text().partition(f"{what}:\n")
        file.write_text(before + heading + text + after)


def test_a_purpose_that_is_added_as_the_page_tells_passes_the_gate(one, project):
    added(project, PROJECT / "docs" / "adding-a-purpose.md")
    policy = {"ASSENT_POLICY": str(project / "policy.yaml")}
    done = assent(one, project, "check", **policy)
    assert done.status == 0, done.said
    # Positive control: what it added is judged.
    mart = project / MARTS / "mart_loyalty_rewards.sql"
    text = mart.read_text().replace("int_loyalty_rewards_baskets", "int_transactions_baskets")
    mart.write_text(
        text.replace("        loyalty_rewards_key,", "        null as loyalty_rewards_key,")
    )
    done = assent(one, project, "check", **policy)
    assert done.status == 1, done.said
    assert "mart_loyalty_rewards reads rows of int_transactions_baskets, but is a mart" in done.err


MODELS, MARTS = "dbt_project/models/consented", "dbt_project/models/marts"
SUMS = """
select {{ as_of() }} as as_of, permitted.purpose_key as churn_prevention_key,
    sum(value) as value_8w
from {{ ref('stg_transactions__transactions') }} as landed
inner join {{ ref('int_consent_permitted') }} as permitted
    on landed.subject_key = permitted.subject_key
where permitted.purpose = 'churn_prevention' and permitted.permitted
group by all
"""
EVER = """
select {{ as_of() }} as as_of, rows.churn_prevention_key, sum(rows.value) as value_8w
from {{ ref('int_churn_prevention_baskets') }} as rows
{% if is_incremental() %}
left join {{ this }} as before on before.churn_prevention_key = rows.churn_prevention_key
{% endif %}
group by all
"""
PACKAGE = "dbt_project/dbt_packages/theirs/dbt_project.yml"
HOOK = "create or replace table warehouse.main.segments as select 1 as x"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({f"{MODELS}/target/int_mine.sql": RENAMED}, "int_mine.who_key holds subject_key"),
        ({"dbt_project/seeds/crm_list.csv": "email\nsomebody@example.org\n"},
         "crm_list can't be judged: it is a seed"),
        ({"dbt_project/packages.yml": "packages: [{local: dbt_packages/theirs}]",
          PACKAGE: f"name: theirs\nversion: 1.0.0\non-run-end: [\"{HOOK}\"]\n"},
         "theirs can't be judged: it is an installed package"),
        ({"dbt_project/tests/own.sql": "{{ config(group='pipeline', store_failures=true) }}"
          " select subject_key from {{ ref('stg_transactions__transactions') }} where false"},
         "own can't be judged: it keeps the rows that it finds"),
        ({f"{MODELS}/int_mine_v1.sql": "{{ config(contract={'enforced': false}) }}" + OF_SUBJECT,
          f"{MODELS}/_mine.yml": "models: [{name: int_mine, versions: [{v: 1}]}]"},
         "the model int_mine has versions, which share its name"),
        ({f"{MODELS}/int_mine.sql": "{{ config(contract={'enforced': false}) }}"
          + OF_SUBJECT.replace("'table'", "'external'")},
         "the model int_mine would be built in another file"),
        ({f"{MODELS}/int_mine.sql": "{{ config(contract={'enforced': false}) }}"
          + OF_SUBJECT.replace("'table'", "'incremental', incremental_strategy='microbatch',"
                               " event_time='as_of', batch_size='day', begin='2024-01-01'")},
         "the model int_mine is built in batches"),
        ({f"{MODELS}/int_mine.sql": "{{ config(contract={'enforced': false}) }}"
          + OF_SUBJECT.replace("'table'", "'incremental'")},
         "int_mine can't be judged: it is incremental, which only marts may be"),
        ({f"{MARTS}/mart_churn_prevention_sums.sql": "{{ config(contract={'enforced': false}) }}"
          + SUMS},
         "mart_churn_prevention_sums reads rows of stg_transactions__transactions, but is a mart"),
        ({f"{MARTS}/mart_churn_prevention_ever.sql": "{{ config(materialized='incremental',"
          " contract={'enforced': false}) }}" + EVER},
         "mart_churn_prevention_ever can't be judged: it reads itself"),
    ],
    ids=["folder", "seed", "package", "stored failures", "versions", "external",
         "microbatch", "log", "mart of landed rows", "mart that carries on"],
)  # fmt: skip
def test_what_is_added_is_seen_wherever_it_lies_and_is_gone_with_its_files(
    one, project, files, why
):
    places = [project / name for name in files]
    for place, text in zip(places, files.values(), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    done = assent(one, project, "check")
    assert done.status in (1, 2), done.said
    assert why in done.err
    for place in places:
        place.unlink()
        while not any(place.parent.iterdir()):
            (place := place.parent).rmdir()
    assert assent(one, project, "check").status == 0
