"""Dagster's history: what is written is what Dagster reads, and its files stay open."""

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Engine, event

from orchestration.environment import opened_instance, prepare
from orchestration.history import History


@pytest.fixture
def instance(home, monkeypatch):
    for name in ("DAGSTER_HOME", "ASSENT_WAREHOUSE_FILE"):  # that prepare() sets
        monkeypatch.setenv(name, "")
    prepare()
    with opened_instance() as opened:
        yield opened


@pytest.fixture
def openings():
    """Return the files that are connected to, in order."""
    found: list[str] = []

    def note(connection, _record):
        (path,) = [row[2] for row in connection.execute("pragma database_list")]
        found.append(path)

    event.listen(Engine, "connect", note)
    yield found
    event.remove(Engine, "connect", note)


@dg.multi_asset(specs=[dg.AssetSpec(f"asset_{number}") for number in range(30)])
def assets():
    for number in range(30):
        yield dg.MaterializeResult(asset_key=f"asset_{number}", metadata={"number": number})


def ran(instance):
    done = dg.materialize([assets], instance=instance)
    assert done.success
    return done.run_id


def test_dagster_reads_what_was_written(instance, home):
    run = ran(instance)
    stock = SqliteEventLogStorage(str(home.dagster / "history" / "runs"))
    written, read = instance.event_log_storage.get_logs_for_run(run), stock.get_logs_for_run(run)
    assert written == read
    assert len([entry for entry in read if entry.dagster_event.is_step_materialization]) == 30
    (newest,) = stock.get_latest_materialization_events([dg.AssetKey("asset_7")]).values()
    assert newest.run_id == run


def test_files_stay_open_but_of_one_run_only(instance, openings):
    first, second = ran(instance), ran(instance)
    for shard in (first, second, "index"):
        opened = len([path for path in openings if path.endswith(f"{shard}.db")])
        assert 1 <= opened < 10  # a new file gets its tables first
    instance.event_log_storage.get_logs_for_run(first)
    assert set(instance.event_log_storage._kept) == {"index", first}


def test_the_file_of_a_run_changes_with_each_event(instance, home):
    """The UI follows a run by that."""
    run = ran(instance)
    path = home.dagster / "history" / "runs" / f"{run}.db"
    before = path.read_bytes()
    (entry, *_) = instance.event_log_storage.get_logs_for_run(run)
    instance.event_log_storage.store_event(entry)
    assert path.read_bytes() != before
    instance.event_log_storage.wipe()
    assert not path.exists()
    assert instance.event_log_storage.get_logs_for_run(ran(instance))


def test_what_came_while_somebody_read_shows_once_they_have(instance, home):
    """The UI reads at each change, and the last events of a run come while it does."""
    run = ran(instance)
    path = home.dagster / "history" / "runs" / f"{run}.db"
    reader = History(str(path.parent))
    (entry, *_) = instance.event_log_storage.get_logs_for_run(run)
    with reader.run_connection(run) as reading:
        reading.exec_driver_sql("begin")
        reading.exec_driver_sql("select count(*) from event_logs").fetchall()
        instance.event_log_storage.store_event(entry)
        before = path.read_bytes()
    assert path.read_bytes() != before
    settled = path.read_bytes()
    reader.get_logs_for_run(run)
    assert path.read_bytes() == settled  # or the UI would read for ever
    reader.dispose()
