"""The graph as Dagster has it: any change of it is a reviewed difference of a file.

`ASSENT_UPDATE_SNAPSHOTS=1 pytest tests/integration/test_orchestration_graph.py` writes it anew.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance.policy.load import load_policy
from governance.policy.rules import KINDS, rules
from tests.support.installation import add_consent_events, own_feeds
from warehouse.home import PROJECT

SNAPSHOT = Path(__file__).parent.parent / "snapshots" / "graph.json"
UPDATE = "ASSENT_UPDATE_SNAPSHOTS"
GROUPS = {"landing", "staging", "consented", "marts", "segmentation", "release", "governance"}
HEAVY = ("great_expectations", "sklearn", "pandera", "matplotlib", "scipy", "skops", "numpy",
         "pandas", "pyarrow")  # fmt: skip


@pytest.fixture(scope="module")
def defs(small):
    with small.entered():
        from orchestration.definitions import defs

        return defs


@pytest.fixture(scope="module")
def graph(defs):
    return defs.resolve_asset_graph()


def shape(defs: Any, graph: Any) -> dict[str, Any]:
    """Return what the snapshot holds."""
    found = {
        "assets": {
            "/".join(key.path): _asset(graph, key) for key in sorted(graph.get_all_asset_keys())
        },
        "jobs": {
            job.name: _partitions(job.partitions_def)
            for job in (defs.resolve_job_def("land"), defs.resolve_job_def("segment"))
        },
        "schedules": {
            s.name: [s.job_name, s.cron_schedule, s.execution_timezone, s.default_status.value]
            for s in defs.schedules
        },
        "sensors": {
            s.name: [s.sensor_type.value, s.minimum_interval_seconds, s.default_status.value]
            for s in defs.sensors
        },
    }
    return json.loads(json.dumps(found))


def _asset(graph: Any, key: Any) -> dict[str, Any]:
    node = graph.get(key)
    return {
        "group": node.group_name,
        "owners": sorted(node.owners),
        "kinds": sorted(node.kinds),
        "deps": sorted("/".join(parent.path) for parent in node.parent_keys),
        "partitions": _partitions(node.partitions_def),
        "checks": {
            check.name: "blocks" if graph.get(check).blocking else "warns"
            for check in sorted(node.check_keys, key=lambda check: check.name)
        },
    }


def _partitions(found: Any) -> str | None:
    return found and f"{type(found).__name__} from {found.start:%Y-%m-%d}, {found.timezone}"


def test_the_graph_is_as_reviewed(defs, graph):
    now = shape(defs, graph)
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    reviewed = json.loads(SNAPSHOT.read_text())
    for part, content in reviewed.items():
        for name in {*content, *now[part]}:
            assert now[part].get(name) == content.get(name), (
                f"{part}: {name}; {UPDATE}=1 accepts it"
            )
    assert now == reviewed


def test_a_check_that_stops_blocking_is_noticed(defs, graph):
    """The snapshot's own poison."""
    now, reviewed = shape(defs, graph), json.loads(SNAPSHOT.read_text())
    checks = now["assets"]["marts/mart_segmentation"]["checks"]
    assert checks["permission"] == "blocks"
    checks["permission"] = "warns"
    assert now != reviewed


def test_every_asset_says_what_it_is_and_who_answers_for_it(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.group_name in GROUPS, key
        assert key.path[0] == node.group_name, key
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == GROUPS


def test_every_rule_that_is_judged_on_data_is_a_check(defs, graph):
    """A rule's kind blocks in the graph exactly if it blocks in the catalogue."""
    policy = load_policy(PROJECT / "policy.yaml")
    specs = [s for checks in defs.asset_checks for s in checks.check_specs]
    for rule in rules(policy):
        if rule.kind in ("custody", "encryption", "exposure"):
            continue  # judged with the feeds, shown by `assent status`
        of_mart = rule.purpose in policy.purposes
        asset = f"mart_{rule.purpose}" if of_mart else rule.about.removeprefix("feed ")
        here = [
            s for s in specs if s.name == rule.kind and s.asset_key.path[-1] in (asset, "segments")
        ]
        if rule.id != "minimisation.permission":
            assert here, rule.id
        assert all(s.blocking == KINDS[rule.kind].blocks for s in here), rule.id


def test_a_dbt_test_is_a_check_that_blocks(graph):
    checks = [k for k in graph.asset_check_keys if k.asset_key.path[0] in ("staging", "consented")]
    assert len(checks) > 20
    assert any("unique" in key.name for key in checks)


def test_definitions_load_without_what_is_heavy(small):
    """Daemon, web server and every run load them."""
    script = f"""
import json, sys
import orchestration.definitions
light = [name for name in {HEAVY!r} if name in sys.modules]
import models.drift
print(json.dumps([light, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=small.environment, cwd=PROJECT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    light, control = json.loads(done.stdout)
    assert light == []
    assert "pandas" in control


def look(defs, cursor=None):
    """Return what the sensor on files asks for, and the cursor with which it looks again."""
    import dagster as dg

    from orchestration import jobs

    with dg.DagsterInstance.get() as instance:
        context = dg.build_sensor_context(instance, cursor=cursor, definitions=defs)
        answer = jobs.new_feed_files(context)
    if isinstance(answer, dg.SkipReason):
        return [], cursor
    return answer.run_requests or [], answer.cursor


def test_the_schedule_asks_for_landing(defs, small):
    import dagster as dg

    with small.entered(), dg.DagsterInstance.get() as instance:
        from orchestration import jobs

        (request,) = jobs.daily.evaluate_tick(dg.build_schedule_context(instance)).run_requests
        assert request.tags["assent/trigger"] == "daily schedule"


def test_files_that_have_landed_ask_for_nothing_and_new_ones_once(defs, small, tmp_path):
    """The small feeds have landed from the command line; nobody has looked at them before."""
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    with one.entered():
        asked, cursor = look(defs)
        assert asked == []
        add_consent_events(tmp_path / "feeds", "more", [])
        (request,), cursor = look(defs, cursor)
        assert request.tags["assent/trigger"] == "new feed files"
        assert look(defs, cursor) == ([], cursor)
    one.run("--select", "group:landing")
    with one.entered():
        assert look(defs)[0] == []


@pytest.mark.parametrize("lost", ["evidence/files.json", "warehouse.duckdb"])
def test_where_it_is_not_known_what_has_landed_files_ask_for_landing(defs, small, tmp_path, lost):
    one = small.copy(tmp_path / "home")
    (one.root / lost).unlink()
    with one.entered():
        assert len(look(defs)[0]) == 1


def test_files_that_are_to_be_read_otherwise_ask_for_landing(defs, small, tmp_path):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    text = one.sources.read_text()
    one.sources.write_text(text.replace("corrections: latest_arrival", "corrections: refuse"))
    assert one.sources.read_text() != text
    with one.entered():
        assert len(look(defs)[0]) == 1


def test_what_was_refused_is_tried_again_once_something_has_changed(defs, small, tmp_path):
    """Nothing lands here: whatever is asked for counts as refused."""
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    with one.entered():
        add_consent_events(tmp_path / "feeds", "more", [])
        (_,), cursor = look(defs)
        assert look(defs, cursor) == ([], cursor)
    text = one.sources.read_text()
    one.sources.write_text(text.replace("corrections: latest_arrival", "corrections: refuse"))
    with one.entered():
        (_,), cursor = look(defs, cursor)
        assert look(defs, cursor) == ([], cursor)
    policy = (PROJECT / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(policy.replace("segments: [3, 8]", "segments: [3, 7]"))
    with replace(one, policy=tmp_path / "policy.yaml").entered():
        (_,), cursor = look(defs, cursor)
        assert look(defs, cursor) == ([], cursor)


@pytest.mark.slow
def test_files_that_are_put_back_as_they_were_ask_for_landing_again(defs, small, tmp_path):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    with one.entered():
        _, cursor = look(defs)
        add_consent_events(tmp_path / "feeds", "more", [])
        (_,), cursor = look(defs, cursor)
    assert one.assent("run", "--select", "group:landing").status == 0
    (tmp_path / "feeds" / "consent_events-more.parquet").unlink()
    with one.entered():
        (request,), cursor = look(defs, cursor)
        assert request.run_key is None  # Dagster never runs one key a second time
        assert look(defs, cursor) == ([], cursor)


def test_a_word_in_the_inbox_asks_for_landing(defs, small, tmp_path):
    one = small.copy(tmp_path / "home")
    assert one.assent("consent", "record", "C000000001", "withdrawn").status == 0
    with one.entered():
        (_,), cursor = look(defs)
        assert look(defs, cursor) == ([], cursor)


def test_segmenting_follows_landing_unless_the_command_line_goes_on_by_itself(defs, small):
    import dagster as dg

    with small.entered(), dg.DagsterInstance.get() as instance:
        from orchestration import jobs

        (landed, *_) = instance.get_runs(dg.RunsFilter(job_name="land"))

        def asked(run: dg.DagsterRun) -> list[Any]:
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "land")
            context = dg.build_run_status_sensor_context("after_landing", event, instance, run)
            return list(jobs.after_landing(context))

        assert landed.tags["assent/started_by"] == "cli"
        assert [type(answer) for answer in asked(landed)] == [dg.SkipReason]
        (request,) = asked(landed.with_tags({}))
        assert request.partition_key == "2024-12-30"
