"""What the machine refuses is told in one line: what, where, how to mend it; never a traceback."""

import errno
import json
import os
import resource

import duckdb
import pytest

from governance.evidence import VERSION
from tests.support.installation import Installation
from warehouse.connect import connected, warehouse_store
from warehouse.errors import of_machine
from warehouse.rewrite import rewrite

FACTS = {
    "evidence_version": VERSION, "policy_hash": "", "as_of": "2024-12-30",
    "known_at": "2024-12-31 05:00:00", "rules": [],
}  # fmt: skip
SHORT = "SELECT 1"


@pytest.fixture
def one(tmp_path):
    return Installation(tmp_path / "home")


def told(done, *said):
    """Hold an answer to its form: status 2, one message with a remedy, no fault of ours."""
    assert (done.status, done.out) == (2, ""), done.said
    assert done.err.startswith("assent: ")
    assert done.err.count("\n  -> ") == 1
    assert "fault of ours" not in done.err
    assert "Traceback" not in done.err
    for text in said:
        assert text in done.err
    return True


@pytest.mark.parametrize("name", ["home", "home/deeper"])
def test_a_file_where_the_home_belongs(tmp_path, name):
    (tmp_path / "home").write_text("")
    assert told(Installation(tmp_path / name).assent("status"), str(tmp_path / name), "ASSENT_HOME")


@pytest.mark.parametrize("command", ["status", "feeds"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(FACTS)[:40], "isn't whole"),
        ("", "isn't whole"),
        ("[]", "isn't whole"),
        ("\udcff", "isn't whole"),
        (json.dumps(FACTS | {"evidence_version": 0}), "another version"),
        (json.dumps({k: v for k, v in FACTS.items() if k == "rules"}), "another version"),
    ],
)
def test_evidence_that_no_run_of_ours_wrote(one, command, content, said):
    path = one.home.make().evidence / f"{command}.json"
    path.write_text(content, errors="surrogateescape")
    assert told(one.assent(command), str(path), said, "assent run")
    path.write_text(
        json.dumps(FACTS | {"feeds": [], "removals": [], "left_kept": [], "label": None})
    )
    assert one.assent(command).status in (0, 1)  # positive control


@pytest.mark.parametrize(
    "path", ["evidence/status.json", "audit/acts.jsonl", "inbox.lock", "dagster/dagster.yaml"]
)
def test_a_folder_where_a_file_belongs(one, path):
    (one.home.make().root / path).mkdir()
    command = ("status",) if "status" in path or "dagster" in path else ("consent", "record", "C1",
                                                                         "withdrawn")  # fmt: skip
    assert told(one.assent(*command), path, "folder")


@pytest.mark.parametrize("setting", ["ASSENT_POLICY", "ASSENT_SOURCES"])
def test_rules_or_feeds_that_cannot_be_read(one, tmp_path, setting):
    told(one.assent("sources", "check", **{setting: str(tmp_path)}), str(tmp_path))
    odd = tmp_path / "odd.yaml"
    odd.write_bytes(b"\xff\xfe\x00version: 1")
    told(one.assent("sources", "check", **{setting: str(odd)}), str(odd), "UTF-8")


@pytest.mark.parametrize(("setting", "value"), [("ASSENT_THREADS", "many"), ("ASSENT_THREADS", "0"),
                                                ("ASSENT_MEMORY", "lots")])  # fmt: skip
def test_a_setting_that_cannot_be(one, setting, value):
    done = one.assent("consent", "record", "C1", "withdrawn", **{setting: value})
    assert told(done, setting, value)


def test_a_model_that_is_not_whole(one):
    folder = one.home.make().artefacts / "segmentation"
    folder.mkdir()
    for content in ("{", '{"folder": "gone"}', '{"folder": 5}', '{"folder": "../x"}'):
        (folder / "current.json").write_text(content)
        assert told(one.assent("explain", "C1"), "current.json", "fits anew")


def test_a_published_file_that_is_not_whole(one):
    path = one.home.make().published / "segmentation.duckdb"
    one.keys.mkdir()
    (one.keys / "published_segmentation").write_text("k" * 64)
    ask = ("query", "--purpose", "segmentation", SHORT)
    path.write_bytes(b"block " * 1000)
    assert told(one.assent(*ask), f"{path.name} is damaged", "`assent run` writes published files")
    path.unlink()
    path.mkdir()
    assert told(one.assent(*ask), str(path), "owner and mode")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/x/y"), "Read-only file system: '/x/y'"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: '/x'"),
        (OSError("Anna Example"), "a file can't be read or written (OSError)"),
        (
            ValueError("Computed AES tag differs from read AES tag, Anna"),
            "a database file is damaged",
        ),
        (MemoryError("Anna Example"), "there isn't enough memory"),
    ],
)
def test_what_the_machine_says_is_passed_on_and_nothing_else(error, said):
    found = of_machine(type(error).__name__, str(error))
    assert found.what == said
    assert found.mend


def test_a_transaction_that_a_file_has_no_room_for_is_told_as_such(home):
    with connected(warehouse_store()) as connection:
        connection.execute(
            "create table t as select range as x, hash(range) as h from range(100000)"
        )
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(duckdb.TransactionException) as raised:
            rewrite([warehouse_store()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = of_machine(raised.type.__name__, str(raised.value))
    assert told.what == "a file can't be read or written (IOException)"
    assert "has room" in told.mend


def test_a_fault_of_ours_stays_one():
    assert of_machine("KeyError", "'Anna Example'") is None
    said = "TransactionContext Error: Failed to commit: PRIMARY KEY violated: 'Anna Example'"
    assert of_machine("TransactionException", said) is None


def test_work_that_cannot_be_finished_is_named_before_a_run(compiled, tmp_path):
    one = compiled.fresh(tmp_path / "home")
    entry = one.home.make().journal / "000001-a.json"
    entry.write_text(json.dumps({"kind": "of a newer version", "payload": {}}))
    done = one.assent("run")
    assert done.status == 2
    assert "unfinished work that this version can't do: of a newer version" in done.err
    assert entry.exists()
