"""Building with dbt: a model that fails is named, quotes nobody, and a part is never the whole."""

import os

import pytest

from tests.support.canaries import Search

CANARY = "98765432123"  # what somebody paid
FAILS = "int_transactions_baskets"
PARTS = f"key:staging/stg_transactions__transactions or key:consented/{FAILS}"


@pytest.fixture(scope="module")
def failed(small, tmp_path_factory):
    """Fail before anything is built: a value that landing would never let in, as after a fault."""
    one = small.copy(tmp_path_factory.mktemp("failed") / "home")
    with one.warehouse() as connection:
        (who,) = connection.execute(f"select min(subject_key) from consented.{FAILS}").fetchone()
        connection.execute(f"drop table consented.{FAILS}")
        connection.execute("alter table landing.transactions alter value type decimal(38, 2)")
        connection.execute(
            f"update landing.transactions set value = {CANARY}0000000000 where subject_key = ?",
            [who],
        )
    return one, one.assent("run", "--select", PARTS)


@pytest.mark.slow
def test_the_model_that_fails_is_named(failed):
    _, done = failed
    assert done.status == 1
    (said,) = (line for line in done.err.splitlines() if "dbt stopped at" in line)
    assert f"{FAILS} (Conversion Error (what DuckDB says of it may quote" in said
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_what_it_failed_on_is_nowhere_in_clear(failed, tmp_path):
    one, done = failed
    search = Search({CANARY})
    # (Sums of all feeds have it elsewhere.)
    assert search.in_files(one.home.dbt, one.home.dagster / "storage") == {}
    assert search.found(done.said.encode()) == set()
    (tmp_path / "log").write_text(f'Casting value "{CANARY}0000000001.5" failed')
    assert search.in_files(tmp_path)  # positive control
    results = (one.home.dbt / "target" / "run_results.json").read_text()
    assert "may quote a row" in results, results


CALLED_BY = """
  > in macro assert_columns_equivalent (macros/relations/column/columns_spec_ddl.sql)
  > called by model int_extra (models/consented/int_extra.sql)"""
MISMATCH = """This model has an enforced contract that failed.
  Please ensure that they match.

  | column_name | definition_type | contract_type | mismatch_reason    |
  | ----------- | --------------- | ------------- | ------------------ |
  | as_of       | DATE            | VARCHAR       | data type mismatch |
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("This model has an enforced contract, and its 'columns' specification is missing\n",
         "an enforced contract, and its 'columns' specification is missing)"),
        (MISMATCH, "as_of       | DATE            | VARCHAR       | data type mismatch)"),
    ],
)  # fmt: skip
def test_what_dbt_finds_by_itself_is_told(small, monkeypatch, said, told):
    place = "Compilation Error in model int_extra (models/consented/int_extra.sql)"
    failed = {"unique_id": "model.assent.int_extra", "status": "error", "failures": None,
              "message": f"{place}\n  {said}{CALLED_BY}"}  # fmt: skip
    with small.entered():
        from orchestration import transform

        monkeypatch.setattr("orchestration.ran.results", lambda: [failed])
        stopped = transform._stopped_at()
    assert stopped.startswith("int_extra (Compilation Error: This model has an enforced contract")
    assert stopped.endswith(told)
    assert "macro" not in stopped


@pytest.mark.slow
def test_a_part_built_otherwise_is_not_the_whole(small, tmp_path):
    """The rest has to be built again before tables may grow by day."""
    one = small.copy(tmp_path / "home")
    built_with = one.home.dbt / "built_with"
    built_with.write_text("another project")
    # By a path from here, as the README writes it: dbt works in another folder.
    paths = {"ASSENT_HOME": one.root, "ASSENT_SOURCES": one.sources, "ASSENT_POLICY": one.policy}
    here = {name: os.path.relpath(path) for name, path in paths.items()}
    done = one.assent("run", "--select", "key:staging/stg_landing__clocks", **here)
    assert done.status == 0, done.said
    assert built_with.read_text() == "another project"


def test_rows_stand_in_the_order_of_their_subject(demo):
    """Or access and erasure read every row of everybody, to find those of one."""
    with demo.warehouse() as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_columns() join duckdb_tables()"
            " using (database_name, table_oid, schema_name, table_name)"
            " where schema_name = 'consented' and column_name = 'subject_key'"
        ).fetchall()
        out_of_order = {
            table: connection.execute(
                "select count(*) from (select subject_key < lag(subject_key) over"
                f" (order by rowid) as earlier from {schema}.{table}) where earlier"
            ).fetchone()[0]
            for schema, table in tables
        }
    assert len(tables) > 4
    assert out_of_order == dict.fromkeys(out_of_order, 0)
