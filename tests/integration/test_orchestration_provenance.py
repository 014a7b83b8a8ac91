"""What every materialisation and every check of a run carries: the proof of where it came from."""

import re

import dagster as dg
import pytest

from governance.lineage.graph import Ref
from governance.lineage.render import made_class
from governance.policy.load import load_policy, policy_hash
from governance.policy.words import DELICACY

ALWAYS = {"assent/policy_hash", "assent/code_version", "assent/label"}
LABEL = "Synthetic benchmark data; describes nobody."
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


def test_each_names_policy_code_label_and_clocks(materialised, small):
    for key, metadata in materialised.items():
        assert set(metadata) >= ALWAYS, key
        landed = key.path[0] == "landing" and key.path[1] != "clocks"
        assert bool(set(metadata) & CLOCKS) is not landed, key
        if not landed:
            assert metadata["assent/as_of"].value == "2024-12-30", key
            assert metadata["assent/known_at"].value == "2024-12-31T01:40:00Z", key
        assert metadata["assent/policy_hash"].value == policy_hash(small.policy)
        assert metadata["assent/label"].value == LABEL
        assert re.fullmatch("[0-9a-f]{16}", metadata["assent/code_version"].value)


def _schema(metadata):
    return metadata["dagster/column_schema"].value


def test_every_asset_shows_its_columns_with_type_meaning_and_class(materialised):
    for key, metadata in materialised.items():
        assert _schema(metadata).columns, key
        for column in _schema(metadata).columns:
            assert column.type not in ("", "?"), (key, column.name)
            assert column.description, (key, column.name)
            assert column.tags["class"] in DELICACY, (key, column.name)


# Where the class that the YAML gives isn't that of the columns it is made from, and why.
YES_OR_NO = "the purpose `permission` may output one boolean"
COUNT = "rows counted: what a subject did"
JUDGED = {
    ("int_consent_events", "is_grant"): YES_OR_NO,
    ("int_consent_events", "is_specific_grant"): YES_OR_NO,
    ("int_consent_permitted", "permitted"): YES_OR_NO,
    ("int_consent_permitted", "permitted_now"): YES_OR_NO,
    ("int_consent_subjects", "held"): YES_OR_NO,
    ("int_consent_subjects", "needs_consent"): YES_OR_NO,
    ("int_consent_subjects", "under_age"): YES_OR_NO,
    ("int_transactions_special_values", "special_value"): "its values are, not its column",
    ("stg_consent_events__consent_events", "occurred_at"): "named as the attribute is",
    ("stg_rights_requests__rights_requests", "request_id"): "it names one person's request",
    **{(f"int_{name}_baskets", "lines"): COUNT for name in (
        "transactions", "segmentation", "churn_prevention", "personalised_offers")},
}  # fmt: skip


def test_class_of_a_model_s_column_is_that_of_its_yaml_and_fits_what_it_is_made_from(
    materialised, small
):
    with small.entered():
        from orchestration.manifest import lineage, policy

        differ, declared = set(), 0
        for name, relation in lineage().relations.items():
            for column, said in relation.classes.items():
                declared += 1
                if made_class(policy(), lineage(), Ref(name, column)) != said:
                    differ.add((name, column))
    assert declared > 100
    assert differ == set(JUDGED)
    shown = {
        (key.path[-1], column.name): column.tags["class"]
        for key, metadata in materialised.items()
        for column in _schema(metadata).columns
    }
    assert shown["int_transactions_special_values", "special_value"] == "special_category"
    assert shown["int_consent_permitted", "permitted"] == "other"


def test_a_column_means_the_same_wherever_it_is_carried_on(materialised):
    said: dict[tuple[str, str], str] = {}
    for key, metadata in materialised.items():
        for column in _schema(metadata).columns:
            said[key.path[-1], column.name] = column.description
    mart, published = "mart_segmentation", "published_segmentation"
    in_mart = {name for table, name in said if table == mart}
    in_model = {name for table, name in said if table == "model"}
    assert "visits_8w" in in_mart & in_model
    for name in in_mart:
        assert said[published, name] == said[mart, name]
    for name in in_mart & in_model:
        assert said["model", name] == said[mart, name]
    assert said[published, "segment_id"] == said["assignments", "segment_id"]
    assert said[published, "line"] == said["segments", "line"]


def test_staging_says_of_a_landed_column_what_landing_says(small):
    compared = 0
    with small.entered():
        from orchestration.manifest import lineage
        from orchestration.metadata import description

        for name, relation in lineage().relations.items():
            if not name.startswith("stg_"):
                continue
            for column, made in relation.columns.items():
                for landed in (ref for ref in made.refs if ref.column == column):
                    assert description(Ref(name, column)) == description(landed), (name, column)
                    compared += 1
    assert compared > 40


def test_nothing_is_less_delicate_than_what_it_is_made_from(small):
    policy = load_policy(small.policy)
    with small.entered():
        from orchestration.manifest import lineage

        graph = lineage()
    delicacy = {
        Ref(relation.name, column): DELICACY.index(
            made_class(policy, graph, Ref(relation.name, column))
        )
        for relation in graph.relations.values() for column in relation.columns
    }  # fmt: skip
    for column, found in delicacy.items():
        assert all(found <= delicacy[parent] for parent in graph.upstream(*column)), column


def test_every_asset_after_landing_shows_what_its_columns_are_made_from(materialised):
    for key, metadata in materialised.items():
        if key.path[0] == "landing":
            continue
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        parents = {dep.asset_key for deps in lineage.values() for dep in deps}
        assert parents, key
        assert parents <= {node for node in materialised if node != key}, key
        assert {column.name for column in _schema(metadata).columns} == set(lineage), key


def test_only_where_rows_are_subjects_their_number_is_shown(materialised, small):
    """Of any other table two days' numbers would tell how many rows somebody had who was erased."""
    counted = {
        key for key, metadata in materialised.items()
        if key.path[0] in ("landing", "staging", "consented", "marts")
        and "dagster/row_count" in metadata
    }  # fmt: skip
    purposes = load_policy(small.policy).purposes
    assert counted == {dg.AssetKey(["marts", f"mart_{purpose}"]) for purpose in purposes}
    with small.warehouse() as connection:
        for key in counted:
            subjects = connection.execute(
                f"select count(distinct {key.path[1].removeprefix('mart_')}_key)"
                f" from {'.'.join(key.path)} where as_of = '2024-12-30'"
            ).fetchone()
            assert subjects == (materialised[key]["dagster/row_count"].value,), key


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


@pytest.mark.slow
def test_a_run_that_only_assigns_shows_the_model_as_its_fit_did(small, materialised, tmp_path):
    one = small.copy(tmp_path / "home")
    one.run("--select", 'key:"segmentation/model"')
    key = dg.AssetKey(["segmentation", "model"])
    with one.entered(), dg.DagsterInstance.get() as instance:
        again = instance.get_latest_materialization_event(key).asset_materialization.metadata
    assert again == materialised[key]
    for plot in "explained variance", "candidates":
        assert "data:image/svg+xml" in again[plot].value
    assert "visits" in again["features"].value


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
