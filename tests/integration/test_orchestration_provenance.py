"""What every materialisation and every check of a run carries: the proof of where it came from."""

import re

import dagster as dg
import pytest

from governance.policy.load import policy_hash

pytestmark = pytest.mark.xdist_group("small")

ALWAYS = {"assent/policy_hash", "assent/code_version"}
CLOCKS = {"assent/as_of", "assent/known_at"}


@pytest.fixture(scope="module")
def events(small):
    """Return the newest materialisation of every asset, and of every check its evaluation."""
    with small.entered(), dg.DagsterInstance.get() as instance:
        runs = {
            name: instance.get_runs(dg.RunsFilter(job_name=name))[0] for name in ("land", "segment")
        }
        logs = [entry for run in runs.values() for entry in instance.all_logs(run.run_id)]
    found = [entry.dagster_event for entry in logs if entry.dagster_event]
    assert {run.status for run in runs.values()} == {dg.DagsterRunStatus.SUCCESS}
    return found


@pytest.fixture(scope="module")
def materialised(events):
    return {
        event.asset_key: event.step_materialization_data.materialization.metadata
        for event in events if event.event_type_value == "ASSET_MATERIALIZATION"
    }  # fmt: skip


@pytest.fixture(scope="module")
def graph(small):
    with small.entered():
        from orchestration.definitions import defs

        return defs.resolve_asset_graph()


def test_every_asset_was_made(materialised, graph):
    assert set(materialised) == graph.get_all_asset_keys()


def test_each_names_policy_code_and_clocks(materialised, small):
    for key, metadata in materialised.items():
        assert set(metadata) >= ALWAYS, key
        landed = key.path[0] == "landing" and key.path[1] != "clocks"
        assert bool(set(metadata) & CLOCKS) is not landed, key
        if not landed:
            assert metadata["assent/as_of"].value == "2024-12-30", key
            assert metadata["assent/known_at"].value == "2024-12-31T01:39:19Z", key
        assert metadata["assent/policy_hash"].value == policy_hash(small.policy)
        assert re.fullmatch("[0-9a-f]{16}", metadata["assent/code_version"].value)


def _schema(metadata, node):
    """Return the column schema: dbt's are declared with the asset, others come with each run."""
    found = (node.metadata | metadata).get("dagster/column_schema")
    return getattr(found, "value", found)


def test_every_table_shows_its_columns(materialised, graph):
    for key, metadata in materialised.items():
        schema = _schema(metadata, graph.get(key))
        if key.path[-1] == "model":
            continue  # no table
        assert schema, key
        assert schema.columns, key
        if "dbt" in graph.get(key).kinds:
            assert all(column.description for column in schema.columns), key


def test_every_asset_after_landing_shows_what_its_columns_are_made_from(materialised, graph):
    for key, metadata in materialised.items():
        if key.path[0] == "landing":
            continue
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        parents = {dep.asset_key for deps in lineage.values() for dep in deps}
        assert parents, key
        assert parents <= {node for node in materialised if node != key}, key
        schema = _schema(metadata, graph.get(key))
        if schema:
            assert {column.name for column in schema.columns} <= set(lineage), key


def test_a_mart_shows_its_number_of_rows(materialised, small):
    marts = [key for key in materialised if key.path[0] == "marts"]
    assert len(marts) == 5
    with small.warehouse() as connection:
        for key in marts:
            counted = connection.execute(f"select count(*) from {'.'.join(key.path)}").fetchone()
            assert counted == (materialised[key]["dagster/row_count"].value,), key


def test_lineage_leads_to_where_a_column_comes_from(materialised):
    key = dg.AssetKey(["marts", "mart_segmentation"])
    deps = materialised[key]["dagster/column_lineage"].value.deps_by_column["value_total"]
    assert {(dep.asset_key.path[-1], dep.column_name) for dep in deps} == {
        ("int_segmentation_baskets", "value")
    }


def test_people_see_the_same_lineage_in_a_table(materialised):
    """Dagster's own interface hides the metadata of its kind."""
    shown = 0
    for key, metadata in materialised.items():
        if "dagster/column_lineage" not in metadata:
            continue
        table = {
            record.data["column"]: record.data["made from"]
            for record in metadata["columns are made from"].records
        }
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        assert set(table) == set(lineage), key
        for column, deps in lineage.items():
            if not deps:
                assert table[column].startswith("no column"), (key, column)
                continue
            seen = {tuple(name.split(".")[-2:]) for name in table[column].split(", ")}
            assert seen == {(d.asset_key.path[-1], d.column_name) for d in deps}, (key, column)
            shown += 1
    assert shown > 200


def test_every_check_was_made_and_says_under_what(events, graph):
    evaluated = {
        (e.event_specific_data.asset_key, e.event_specific_data.check_name): e.event_specific_data
        for e in events if e.event_type_value == "ASSET_CHECK_EVALUATION"
    }  # fmt: skip
    assert {dg.AssetCheckKey(*key) for key in evaluated} == set(graph.asset_check_keys)
    assert all(found.passed for found in evaluated.values())
    ours = [found for found in evaluated.values() if "rules" in found.metadata]
    assert len(ours) > 20
    for found in ours:
        assert set(found.metadata) >= ALWAYS | CLOCKS, found.check_name


def test_the_actor_is_on_every_run(small):
    with small.entered(), dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
    assert runs
    assert all(run.tags["assent/actor"] for run in runs)


def test_evidence_and_published_files_say_the_same(small):
    status = small.evidence("status")
    assert status["policy_hash"] == policy_hash(small.policy)
    with small.published("segmentation") as connection:
        about = connection.execute("select as_of, known_at, policy_hash, code_version from about")
        assert about.fetchone() == tuple(
            status[name] for name in ("as_of", "known_at", "policy_hash", "code_version")
        )
