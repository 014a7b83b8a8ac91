"""Moving a restored state in: cut short anywhere, it is finished; until then nothing is opened."""

import os
import shutil

import pytest

from orchestration.writing import begin_writing
from warehouse import journal, restore
from warehouse.connect import connected, require_file, warehouse_store
from warehouse.errors import UsageError
from warehouse.home import RESTORING

OLD = {
    "inbox": "old", "warehouse.duckdb": "old", "warehouse.duckdb.wal": "old", "artefacts/2": "old",
    "published/offers.duckdb": "old", "audit/acts.jsonl": "here", "writer.lock": "here",
    "dagster/history/runs.db": "here", "dbt/built_with": "old", "receipts": "here",
}  # fmt: skip
NEW = {
    "inbox": "new", "warehouse.duckdb": "new", "artefacts/1": "new", "salts": "new",
    "audit/acts.jsonl": "there", "audit/older": "there", "dagster/history/1.db": "there",
    "spill/rest": "of the making", "receipts": "there",
}  # fmt: skip
AFTER = {
    "inbox": "new", "warehouse.duckdb": "new", "artefacts/1": "new", "salts": "new",
    "audit/acts.jsonl": "here", "audit/older": "there", "writer.lock": "here",
    "dagster/history/runs.db": "here", "dagster/history/1.db": "there", "receipts": "here",
}  # fmt: skip


def fill(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def found(home):
    return {
        str(p.relative_to(home.root)): p.read_text() for p in home.root.rglob("*") if p.is_file()
    }


def cut_short(monkeypatch, after):
    """Let the process be killed, as it were, after some changes of files."""
    calls = iter(range(after))

    def killing(do):
        def done(*arguments, **named):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return do(*arguments, **named)

        return done

    patched = monkeypatch.context()
    with patched as patch:
        patch.setattr(os, "rename", killing(os.rename))
        patch.setattr(shutil, "rmtree", killing(shutil.rmtree))
        with restore.aside() as ready:
            fill(ready.root, NEW)
            restore.move_in(ready)


@pytest.mark.parametrize("after", range(1, 12))
def test_cut_short_it_is_finished(home, monkeypatch, after):
    fill(home.root, OLD)
    (home.journal / "000001-0.json").write_text('{"kind": "publish", "payload": {"purposes": []}}')
    with pytest.raises(KeyboardInterrupt):
        cut_short(monkeypatch, after)
    if home.restoring.exists():
        with pytest.raises(UsageError, match="a restore was stopped"), connected(warehouse_store()):
            pass
    else:
        assert OLD.items() <= found(home).items()
    assert journal.complete({**restore.STEPS, "publish": lambda _: None})[-1] == "restore"
    restore.clear()
    assert found(home) == AFTER
    assert not list(home.journal.iterdir())


def test_one_that_was_stopped_while_it_was_made_ready_leaves_nothing(home):
    fill(home.root, OLD)

    def stopped():
        with restore.aside() as ready:
            fill(ready.root, NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert found(home) == OLD


def test_what_receipts_are_checked_with_comes_back_where_it_is_gone(home):
    with restore.aside() as ready:
        fill(ready.root, NEW)
        restore.move_in(ready)
    assert found(home)["receipts"] == "there"


def test_nobody_begins_anew_where_a_restore_was_stopped(home):
    home.require_no_restore_begun()
    (home.root / f"{RESTORING}1").mkdir(parents=True)
    with pytest.raises(UsageError, match="give `assent restore` once more"):
        begin_writing()
    with pytest.raises(UsageError, match="give `assent restore` once more"):
        require_file(warehouse_store())
    with connected(warehouse_store()):
        pass
    begin_writing()  # a state that was here is as it was
    assert not list(home.root.glob(f"{RESTORING}*"))
