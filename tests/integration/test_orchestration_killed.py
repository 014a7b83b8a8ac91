"""A run that was killed is reported as failed by the next; one that is alive is left alone."""

import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from orchestration.environment import opened_instance, prepare
from orchestration.writer import report_killed
from tests.support.installation import started
from warehouse import alive
from warehouse.home import PROJECT

# A run of one step that holds the writer as long as it is told to.
RUN = """
import sys, time
import dagster as dg
from orchestration.environment import opened_instance, prepare
prepare()
from orchestration.writer import Writer

@dg.op
def work(writer: Writer):
    print("working", flush=True)
    time.sleep(float(sys.argv[2]))

@dg.job(resource_defs={"writer": Writer()}, executor_def=dg.in_process_executor)
def job():
    work()

with opened_instance() as instance:
    job.execute_in_process(instance=instance, run_id=sys.argv[1])
"""
FIRST, SECOND, THIRD, FOURTH = (f"{n}0000000-0000-4000-8000-000000000000" for n in range(1, 5))
PURPOSES = ("segmentation", "personalised_offers", "churn_prevention", "bias_monitoring")
STATUS = dg.DagsterRunStatus


@pytest.fixture
def instance(home, monkeypatch):
    monkeypatch.setenv("ASSENT_SOURCES", str(home.root / "none.yaml"))
    prepare()
    with opened_instance() as opened:
        yield opened


@pytest.fixture
def begun(home):
    """Begin runs in processes of their own; those that are left are ended after the test."""
    processes = []

    def begin(run, seconds):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, run, str(seconds)], cwd=PROJECT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def killed(process):
    """Kill a run at its work, as nothing can be caught."""
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def status(instance, run):
    found = instance.get_run_by_id(run)
    return found.status if found else None


def test_the_next_run_reports_a_killed_one_as_failed(instance, begun):
    """Begun by others than us, whether its process lives can't be told: it is left alone."""

    @dg.job
    def other():
        pass

    others = {THIRD: STATUS.STARTING, FOURTH: STATUS.STARTED}
    for run, before in others.items():
        instance.create_run_for_job(other, run_id=run, status=before)
    killed(begun(FIRST, 60))
    assert status(instance, FIRST) is STATUS.STARTED
    assert begun(SECOND, 0).wait() == 0
    assert status(instance, FIRST) is STATUS.FAILURE
    assert status(instance, SECOND) is STATUS.SUCCESS
    ended = [e for e in instance.all_logs(FIRST) if e.is_dagster_event][-1]
    assert ended.dagster_event_type is dg.DagsterEventType.RUN_FAILURE
    assert "process ended" in ended.message
    assert any("is reported as failed" in e.message for e in instance.all_logs(SECOND))
    # Done once: what has ended well is no killed run.
    assert alive.gone() == [SECOND]
    assert report_killed(instance) == []
    assert status(instance, SECOND) is STATUS.SUCCESS
    assert alive.gone() == []
    assert {run: status(instance, run) for run in others} == others


def test_a_run_that_waits_or_works_is_alive(instance, begun, home):
    first = begun(FIRST, 60)
    assert first.stdout.readline() == "working\n"
    second = begun(SECOND, 0)
    deadline = time.monotonic() + 60
    while not (home.running / SECOND).exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert report_killed(instance) == []
    assert status(instance, FIRST) is status(instance, SECOND) is STATUS.STARTED
    first.kill()
    assert second.wait() == 0
    assert status(instance, FIRST) is STATUS.FAILURE
    assert status(instance, SECOND) is STATUS.SUCCESS


def test_a_run_killed_while_it_builds_leaves_no_verdict_on_that(small, tmp_path):
    one = small.copy(tmp_path / "home")

    def verdicts():
        return {r["rule"]: r["status"] for r in one.evidence("status")["rules"]}

    before = verdicts()
    about_marts = {
        rule for rule in before
        if any(f".{purpose}" in rule for purpose in PURPOSES) or rule == "release.aggregates"
    }  # fmt: skip
    about_feeds = before.keys() - about_marts
    assert set(before.values()) == {"holds"} | {before[rule] for rule in about_feeds}

    def killed_once_these_are_forgotten(some):
        run = started(one, tmp_path / "run.log", "run", "--select", "group:landing or group:marts")
        while {verdicts()[rule] for rule in some} != {"not judged"}:
            assert run.is_alive(), (tmp_path / "run.log").read_text()
            time.sleep(0.01)
        run.kill()
        run.join()
        done = one.assent("status", "--json")
        assert done.status == 1
        return {r["rule"]: r["status"] for r in done.json["rules"]}

    after = killed_once_these_are_forgotten(about_feeds)  # while it lands
    assert {after[rule] for rule in about_feeds} == {"not judged"}
    after = killed_once_these_are_forgotten(about_marts)  # while it builds
    assert {after[rule] for rule in about_marts} == {"not judged"}
    assert {r: after[r] for r in about_feeds} == {r: before[r] for r in about_feeds}
    # What is published is as it was judged before.
    assert one.assent("query", "--purpose", "segmentation", "from segments").status == 0


def test_a_process_that_goes_on_to_another_run_has_ended_the_one_before(home):
    """As `assent run` does: land, then segment."""
    alive.begin(FIRST)
    alive.begin(FIRST)
    assert alive.gone() == []
    alive.begin(SECOND)
    assert alive.gone() == [FIRST]
    alive.forget(FIRST)
    assert alive.gone() == []
