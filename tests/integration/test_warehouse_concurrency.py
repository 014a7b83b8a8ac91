"""Two runs at once, readers during a run, runs that are killed: nothing is half done."""

import fcntl
import os
import random
import time
from multiprocessing.connection import wait

import pytest

from tests.support import tables
from tests.support.installation import started
from warehouse.errors import UsageError

# Set aside until seen to pass from end to end.
pytest.skip("written, not yet seen to pass from end to end", allow_module_level=True)

pytestmark = pytest.mark.xdist_group("small")

KILLS = 4
# More loads than one; and a run that need not fit a model has nothing to choose it by.
EXPECTED = ["landing.loads", "marts.mart_segmentation_backtest"]
SEED = int(os.environ.get("ASSENT_TEST_SEED", random.SystemRandom().randrange(10**6)))


def lock_is_held(one):
    with one.home.lock.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def differences(one, other):
    """Return which tables of two installations differ, keys and moments aside."""
    ours, theirs = tables.contents(one), tables.contents(other)
    return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))


def test_two_runs_at_once_and_a_reader(small, tmp_path):
    """Fresh: they have to agree on keys, the compiled project and the vault, too."""
    one = small.fresh(tmp_path / "home")
    runs = [started(one, tmp_path / f"{name}.log", "run") for name in ("first", "second")]
    reads = 0
    while any(run.is_alive() for run in runs):
        wait([run.sentinel for run in runs if run.is_alive()], timeout=0.5)
        if one.home.lock.exists() and lock_is_held(one):
            try:
                with one.published("segmentation") as connection:
                    connection.execute("from segments").fetchall()
                reads += 1
            except UsageError as error:  # not yet there
                assert "assent run" in str(error)  # noqa: PT017
    logs = [(tmp_path / f"{name}.log").read_text() for name in ("first", "second")]
    assert [run.exitcode for run in runs] == [0, 0], logs
    assert reads, "the second run published nothing to be read while it went on"
    # Other salts, other keys; the same feeds give the same tables and the same model.
    assert differences(one, small) == EXPECTED
    assert tables.model(one) == tables.model(small)
    with small.published("segmentation") as ours, one.published("segmentation") as theirs:
        query = "select segmentation_key from mart_segmentation"
        assert not set(ours.execute(query).fetchall()) & set(theirs.execute(query).fetchall())


def test_a_reader_neither_breaks_a_run_nor_waits_for_it(small, tmp_path):
    one = small.copy(tmp_path / "home")
    file = one.home.published_file("churn_prevention")
    before = file.stat().st_ino
    with one.published("churn_prevention") as reader:
        count = reader.execute("select count(*) from mart_churn_prevention").fetchone()
        done = one.assent("run", "--select", "key:release/published_churn_prevention")
        assert done.status == 0, done.said
        assert file.stat().st_ino != before
        assert reader.execute("select count(*) from mart_churn_prevention").fetchone() == count
        with one.published("churn_prevention") as another:
            assert another.execute("select count(*) from about").fetchone() == (1,)


def test_killed_runs_leave_a_state_from_which_the_next_completes(small, tmp_path):
    """At random moments, from the first landing on; the seed is in the failure's message."""
    one = small.fresh(tmp_path / "home")
    moments = random.Random(SEED)  # noqa: S311
    killed = []
    for number in range(KILLS):
        run = started(one, tmp_path / "killed.log", "run")
        # Each time somewhat later, so that landing, dbt, fitting and publishing all get their turn.
        delay = moments.uniform(0.2, 3.0) + 3.0 * number
        deadline = time.monotonic() + delay
        wait([run.sentinel], timeout=max(0.0, deadline - time.monotonic()))
        run.kill()
        run.join()
        killed.append((round(delay, 1), run.exitcode))
    assert any(code == -9 for _, code in killed), killed
    last = started(one, tmp_path / "last.log", "run")
    last.join()
    said = (tmp_path / "last.log").read_text()
    assert last.exitcode == 0, (SEED, killed, said)
    assert set(differences(one, small)) <= set(EXPECTED), (SEED, killed)
    assert tables.model(one) == tables.model(small), (SEED, killed)
    assert not list(one.home.journal.iterdir())
    assert not list(one.home.published.glob(".*"))
    assert not list(one.home.spill.iterdir())


def test_the_comparison_notices_a_difference(small, tmp_path):
    """Positive control of what the tests above compare."""
    one = small.copy(tmp_path / "home")
    with one.warehouse() as connection:
        connection.execute("update marts.mart_segmentation set visits = visits + 1 where visits ="
                           " (select max(visits) from marts.mart_segmentation)")  # fmt: skip
    assert differences(one, small) == ["marts.mart_segmentation"]


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
