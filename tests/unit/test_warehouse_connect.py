"""Connections: encrypted at rest, spill included, and nothing reachable but what is attached."""

import traceback

import duckdb
import pytest

from warehouse import connect
from warehouse.clear import files_in_clear
from warehouse.connect import (
    Store,
    connected,
    published_store,
    warehouse_store,
    whole,
)
from warehouse.errors import UsageError, masked, of_machine
from warehouse.extension import extension
from warehouse.home import Home

CANARY = "canary-of-a-row-7f3a"


def test_what_is_written_is_encrypted(home):
    with connected(warehouse_store()) as connection:
        connection.execute(f"create table main.t as select '{CANARY}' as x from range(1000)")
    assert CANARY.encode() not in home.warehouse.read_bytes()
    with connected(warehouse_store(read_only=True)) as connection:
        assert connection.execute("select distinct x from t").fetchall() == [(CANARY,)]


def test_without_encryption_the_canary_would_be_found(tmp_path):
    """Positive control of the search above."""
    path = tmp_path / "plain.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("set force_compression = 'uncompressed'")
        connection.execute(f"create table t as select '{CANARY}' as x from range(1000)")
    assert CANARY.encode() in path.read_bytes()


def test_no_connection_takes_an_unsigned_extension(home):
    """Nor the later ones of a process, in which the signature of ours has been checked."""
    for _ in range(2):
        with connected() as connection:
            (allowed,) = connection.execute(
                "select current_setting('allow_unsigned_extensions')"
            ).fetchall()[0]
            assert allowed is False
            with pytest.raises(duckdb.InvalidInputException):
                connection.execute("set allow_unsigned_extensions = true")


def test_a_signature_is_checked_before_an_extension_is_loaded(tmp_path, monkeypatch):
    forged = tmp_path / "httpfs.duckdb_extension"
    content = bytearray(extension("httpfs").read_bytes())
    content[-100] ^= 1
    forged.write_bytes(content)
    monkeypatch.setattr(connect, "extension", lambda _: forged)
    for _ in range(2):
        with pytest.raises(duckdb.IOException, match="signature"), connected():
            pass


def test_a_fault_quotes_no_row(home):
    """What leaves goes into logs, and into the history that the UI shows."""
    statement = "select x::integer from t"
    with connected(warehouse_store()) as connection:
        connection.execute(f"create table main.t as select '{CANARY}' as x")
        with pytest.raises(duckdb.ConversionException, match=CANARY):  # positive control
            connection.execute(statement).fetchall()
    with (
        pytest.raises(duckdb.ConversionException, match="may quote a row") as raised,
        connected(warehouse_store()) as connection,
    ):
        connection.execute(statement).fetchall()
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    with pytest.raises(duckdb.BinderException, match="nonsense"), connected() as connection:
        connection.execute("select nonsense")  # of the statement, so it is said


def test_too_little_memory_is_no_damage(home, monkeypatch):
    with connected(warehouse_store()) as connection:
        connection.execute("create table main.t as select 1 as x")
    monkeypatch.setenv("ASSENT_MEMORY", "10KB")
    with (
        pytest.raises(UsageError, match="enough memory to open"),
        connected(warehouse_store()),
    ):
        pass


def test_spilled_data_is_encrypted(home, monkeypatch):
    monkeypatch.setenv("ASSENT_MEMORY", "60MB")
    monkeypatch.setenv("ASSENT_THREADS", "2")
    with connected(warehouse_store()) as connection:
        connection.execute("create temp table big as select range as n, random() as r,"
                           f" '{CANARY}' || range as x from range(2_000_000)")  # fmt: skip
        spilled = list(home.spill.iterdir())
        assert spilled, "nothing was spilled, so nothing is shown"
        assert not any(CANARY.encode() in path.read_bytes() for path in spilled)
    assert not list(home.spill.iterdir())


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('{other}')",
        "attach '{other}' as other",
        "copy (select 1) to '{other}.csv'",
        "set enable_external_access = true",
        "install httpfs",
        "set memory_limit = '1GB'",
        "select * from 'https://127.0.0.1/x.csv'",
    ],
)
def test_nothing_else_is_reachable(home, tmp_path, statement):
    other = tmp_path / "other.txt"
    other.write_text("secret")
    with connected(warehouse_store()) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(other=other))


def test_a_cursor_is_as_secure_as_its_connection(home):
    a_variable = duckdb.connect().execute("select 'a row' as x").to_arrow_table()
    said = (
        "select name, value from duckdb_settings()"
        " where name not in ('search_path', 'enable_progress_bar') order by 1"
    )
    with connected(warehouse_store()) as connection, connection.cursor() as cursor:
        assert cursor.execute(said).fetchall() == connection.execute(said).fetchall()
        with pytest.raises(duckdb.CatalogException):
            cursor.execute("select * from a_variable")
    assert a_variable.num_rows == 1


@pytest.mark.parametrize("files", [False, True])
def test_no_secret_is_kept_in_clear(home, monkeypatch, tmp_path, files):
    monkeypatch.setenv("HOME", str(tmp_path))
    secret = "create persistent secret s (type http, bearer_token 'of the shop')"
    with (
        connected(warehouse_store(), files=files) as connection,
        pytest.raises(duckdb.Error, match=r"[Pp]ersistent"),
    ):
        connection.execute(secret)
    assert not (tmp_path / ".duckdb").exists()


def test_files_are_reachable_when_asked_for(home, tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    with connected(warehouse_store(), files=True) as connection:
        assert connection.execute(f"select x from '{tmp_path / 'a.csv'}'").fetchall() == [(1,)]


def test_a_file_that_is_not_there_is_not_made_by_reading(home):
    with (
        pytest.raises(UsageError, match="nothing has been written yet"),
        connected(published_store("offers")),
    ):
        pass
    assert not home.published_file("offers").exists()


def test_a_file_that_ends_too_early_is_not_whole(home):
    with connected(warehouse_store()) as connection:
        connection.execute("create table t as select range as i from range(1000)")
        connection.execute("checkpoint warehouse")
    assert whole(warehouse_store())
    content = home.warehouse.read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 4096):
        home.warehouse.write_bytes(content[:length])
        assert not whole(warehouse_store())


def test_the_first_store_is_the_default_database(home):
    other = Store("other", home.root / "other", "other")
    with connected(warehouse_store(), other) as connection:
        assert connection.execute("select current_database()").fetchall() == [("warehouse",)]


def test_an_extension_comes_from_its_package():
    assert extension("httpfs").name == "httpfs.duckdb_extension"


def test_masking_keeps_the_shape_and_nothing_else():
    assert masked("Jane D. 1981-02-30") == "aaaa a. 9999-99-99"
    assert masked("é√ß") == "a?a"
    assert masked("9" * 50) == "9" * 40 + "... (50 characters)"


def test_files_in_clear_are_told_from_encrypted_ones(home, monkeypatch):
    """The switch is there for the search of all bytes (``test_governance_bytes``)."""
    with connected(Store("vault", home.vault, "vault")):
        pass
    assert files_in_clear() == []
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    with pytest.raises(UsageError, match="is encrypted, but ASSENT_IN_CLEAR is set"):
        connected(Store("vault", home.vault, "vault")).__enter__()
    with connected(warehouse_store()) as connection:
        connection.execute(f"create table main.t as select '{CANARY}' as x from range(1000)")
    assert CANARY.encode() in home.warehouse.read_bytes()
    assert files_in_clear() == ["warehouse.duckdb"]


def test_production_mode_writes_nothing_in_clear(home, monkeypatch):
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", "k" * 32)
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    with (
        pytest.raises(UsageError, match="which production mode refuses"),
        connected(warehouse_store()),
    ):
        pass
    assert not home.warehouse.exists()


def test_a_full_disk_is_no_damage(home):
    def attach(*_):
        raise duckdb.IOException(
            'IO Error: Could not write file "/x/aside": No space left on device'
        )

    refusing = type("Refusing", (), {"execute": attach})()
    aside = Store("rewritten", home.root / ".warehouse.duckdb.rewritten", "warehouse")
    with pytest.raises(UsageError, match=r"rewritten can't be written: No space left on device"):
        connect.attach(refusing, aside)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(sqlite3) database or disk is full\n[SQL: insert 'Jane']", "disk is full"),
        ("(sqlite3.OperationalError) unable to open database file", "unable to open"),
        ("no such table: x 'Jane'", None),
    ],
)
def test_what_sqlite_was_refused_is_said_without_a_value(text, said):
    told = of_machine("OperationalError", text)
    assert (told is None) == (said is None)
    if told:
        assert said in told.what
        assert "Jane" not in str(told)


def test_a_question_mark_in_the_home_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ASSENT_HOME", str(tmp_path / "odd?"))
    with pytest.raises(UsageError, match="ASSENT_HOME holds a"):
        Home.current().make()
    assert not list(tmp_path.iterdir())
