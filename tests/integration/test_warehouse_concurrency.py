"""Two runs at once, readers during a run, runs that are killed: nothing is half done."""

import fcntl
import os
from multiprocessing.connection import wait

import numpy as np
import pytest

from governance import identity
from tests.support.installation import started
from tests.support.tables import differences, state
from warehouse.connect import connected

# The moments of killing, in seconds from a start; a failure names the seed.
SEED = int(os.environ.get("ASSENT_TEST_SEED", "1"))
LANDING, BUILDING, PUBLISHING = (0.2, 2.0), (0.0, 5.0), (0.3, 2.5)
CHURN = ("run", "--select", "key:release/published_churn_prevention")


@pytest.fixture(scope="module")
def moments():
    return np.random.default_rng(SEED)


@pytest.fixture(scope="module")
def expected(small):
    return state(small)


def lock_is_held(one):
    with one.home.lock.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def killed_at(one, runs, moments, window):
    """Kill, at a moment within the window, the run that writes; return the other."""
    wait([run.sentinel for run in runs], timeout=moments.uniform(*window))
    holder = one.home.lock.read_text() if one.home.lock.exists() else ""
    victim = next((run for run in runs if f"process {run.pid})" in holder), runs[0])
    victim.kill()
    victim.join()
    assert victim.exitcode == -9, "it had ended before"
    return [run for run in runs if run is not victim]


def test_of_two_runs_at_once_each_may_be_killed_and_the_others_finish(
    small, expected, moments, tmp_path
):
    """Fresh: they have to agree on keys, the compiled project and the vault, too."""
    one = small.fresh(tmp_path / "home")
    log = tmp_path / "runs.log"
    runs = [started(one, log, "run"), started(one, log, "run")]
    runs = [*killed_at(one, runs, moments, LANDING), started(one, log, "run")]
    while not (one.home.evidence / "feeds.json").exists():  # until they have landed
        assert not wait([run.sentinel for run in runs], timeout=0.1), log.read_text()
    runs = [*killed_at(one, runs, moments, BUILDING), started(one, log, "run")]
    file, reads = one.home.published_file("segmentation"), 0
    while alive := [run.sentinel for run in runs if run.is_alive()]:
        wait(alive, timeout=1)
        if lock_is_held(one) and file.exists():
            with one.published("segmentation") as connection:
                assert connection.execute("from segments").fetchall()
            reads += 1
    assert [run.exitcode for run in runs] == [0, 0], (SEED, log.read_text())
    assert reads, "nothing published was read while the last run went on"
    # Other salts, other keys; the same feeds give the same tables, papers and model, so nothing is
    # chosen, cut or ordered by a pseudonym. Only the last run had no model to fit, so nothing to
    # choose it by.
    without_a_fit = ["consented.int_segmentation_sampled_categories",
                     "marts.mart_segmentation_backtest"]  # fmt: skip
    assert differences(state(one), expected) == without_a_fit, SEED
    keys = []
    for each in (one, small):
        with each.published("segmentation") as connection:
            rows = connection.execute("select segmentation_key from mart_segmentation").fetchall()
            keys.append(set(rows))
    assert len(keys[0]) == len(keys[1]) > 0
    assert not keys[0] & keys[1]
    assert not list(one.home.journal.iterdir())
    assert not list(one.home.published.glob(".*"))
    assert not list(one.home.spill.iterdir())


def test_a_reader_neither_breaks_a_run_nor_waits_for_it(small, expected, moments, tmp_path):
    """Nor is it disturbed by one that is killed."""
    one = small.copy(tmp_path / "home")
    file = one.home.published_file("churn_prevention")
    before = file.stat().st_ino
    with one.published("churn_prevention") as reader:
        count = reader.execute("select count(*) from mart_churn_prevention").fetchone()
        killed_at(one, [started(one, tmp_path / "killed.log", *CHURN)], moments, PUBLISHING)
        assert reader.execute("select count(*) from mart_churn_prevention").fetchone() == count
        done = one.assent(*CHURN)
        assert done.status == 0, (SEED, done.said)
        assert file.stat().st_ino != before
        assert reader.execute("select count(*) from mart_churn_prevention").fetchone() == count
        with one.published("churn_prevention") as another:
            assert another.execute("select count(*) from about").fetchone() == (1,)
    assert differences(state(one), expected) == [], SEED
    assert not list(one.home.published.glob(".*"))


def test_without_its_salts_nothing_goes_on(small, tmp_path):
    one = small.copy(tmp_path / "home")
    with one.entered(), connected(*identity.stores()) as connection:
        connection.execute("delete from salts.salts where subject_key in"
                           " (select min(subject_key) from salts.salts)")  # fmt: skip
    for command in (("run",), ("consent", "show", "C000000001")):
        done = one.assent(*command)
        assert done.status == 2, done.said
        assert "the salts of 1 customers are missing" in done.err
        assert f"put back the file {one.home.salts}" in done.err
        assert "Traceback" not in done.said


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("warehouse, wrong", "the key 'warehouse' doesn't fit"),
        ("vault, wrong", "the key 'vault' doesn't fit"),
        ("published_segmentation, wrong", "the key 'published_segmentation' doesn't fit"),
        ("warehouse, missing", "the key of 'warehouse' is gone"),
        ("salts, missing", "the key of 'salts' is gone"),
        ("published_segmentation, short", "is empty or shorter"),
    ],
)
def test_a_wrong_or_missing_key_is_one_clear_line(small, tmp_path, damage, said):
    one = small.copy(tmp_path / "home")
    name, how = damage.split(", ")
    if how == "missing":
        (one.keys / name).unlink()
    else:
        (one.keys / name).write_text("0" * 64 if how == "wrong" else "0")
    before = {path: path.read_bytes() for path in one.root.glob("*.duckdb")}
    if name.startswith("published"):
        done = one.assent("query", "--purpose", "segmentation", "from segments")
    else:
        done = one.assent("run")
    assert done.status == 2
    assert "Traceback" not in done.said
    (line,) = [line for line in done.err.splitlines() if line.startswith("assent: ")]
    assert said in line
    assert done.err.splitlines()[-1].startswith("  -> ")
    assert not list(one.keys.glob(name)) or how != "missing"  # none is made anew
    assert {path: path.read_bytes() for path in one.root.glob("*.duckdb")} == before
