"""What dbt ran, held to what had been judged: text for text, but for a model that grows by day."""

import copy

import pytest

from governance.lineage.build import build
from governance.lineage.keeping import KEEPS
from governance.lineage.ran import NOT_ON_RECORD, OTHER, graph_of_run
from tests.support.lineage import Manifest, edited, manifest

MODELS = {"stg_t": "select subject_key, age_years from landing.customers",
          "int_x": "select subject_key as k from m.stg_t"}  # fmt: skip
BY_DAY = "select subject_key as k from m.stg_t where age_years > 50"


@pytest.fixture
def judged() -> Manifest:
    return manifest(MODELS)


def ran(run: Manifest) -> dict[str, str]:
    return {node["name"]: node["compiled_code"] for node in run["nodes"].values()}


def test_the_same_text_is_what_was_judged(judged: Manifest) -> None:
    assert graph_of_run(judged, copy.deepcopy(judged), ran(judged)) is None


def test_another_text_is_unread(judged: Manifest) -> None:
    run = edited(judged, "int_x", ("from m.stg_t", "from m.stg_t "))
    graph = graph_of_run(judged, run, ran(run))
    assert graph is not None
    assert {n: r.unread for n, r in graph.relations.items() if r.unread} == {"int_x": (OTHER,)}


def test_a_graph_that_is_kept_is_told_of_as_one_that_is_built(judged: Manifest) -> None:
    run = edited(judged, "int_x", ("from m.stg_t", "from m.stg_t "))
    kept = build(run)
    graph = graph_of_run(judged, run, ran(run), lambda _: kept)
    assert graph is not None
    assert graph.as_dict() == graph_of_run(judged, run, ran(run)).as_dict()
    assert kept.relations["int_x"].unread == ()


def test_a_model_that_nobody_judged_is_unread(judged: Manifest) -> None:
    run = manifest(MODELS | {"stg_u": "select 1 as x"})
    graph = graph_of_run(judged, run, ran(run))
    assert graph is not None
    assert graph.relations["stg_u"].unread == (OTHER,)


def test_what_is_not_on_record_is_unread(judged: Manifest) -> None:
    graph = graph_of_run(judged, judged, ran(judged) | {"int_x": ""})
    assert graph is not None
    assert graph.relations["int_x"].unread == (NOT_ON_RECORD,)


def test_the_other_form_of_a_model_that_grows_by_day_is_read_as_sql(judged: Manifest) -> None:
    judged["nodes"]["model.assent.int_x"]["config"]["materialized"] = "incremental"
    run = edited(judged, "int_x", (MODELS["int_x"], BY_DAY))
    graph = graph_of_run(judged, run, ran(run))
    assert graph is not None
    assert graph.relations["int_x"].unread == (KEEPS,)  # and not for its SQL
    used = {ref.column for use in graph.uses("int_x") for ref in use.refs}
    assert "age_years" in used


def test_a_hook_that_was_another_when_judged_is_read_again(judged: Manifest) -> None:
    run = manifest(MODELS, hooks={"int_x": ["update t set x = 1"]})
    graph = graph_of_run(judged, run, ran(run))
    assert graph is not None
    assert "hook" in graph.relations["int_x"].unread[0]
