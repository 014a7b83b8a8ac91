"""A look at one purpose's published data: read-only, alone, on record."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.installation import COMMAND, IN_THE_FIRST_BLOCK
from warehouse.connect import connected, published_store
from warehouse.home import PROJECT

ENDLESS = "select count(*) from range(1000000) as a(x), range(1000000) as b(y) where x * y = 7"
# Whoever starts the tests may have had the signal ignored, which a process inherits.
LISTENING = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
PURPOSES = ("segmentation", "personalised_offers", "churn_prevention", "bias_monitoring")


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("query") / "home")


@pytest.fixture
def ask(one):
    def asked(sql, purpose="segmentation", *more):
        return one.assent("query", "--purpose", purpose, sql, *more)

    return asked


def test_it_answers(one, ask):
    done = ask("select count(*) as n from mart_segmentation", "segmentation", "--json")
    assert done.json == [{"n": len(one.in_mart())}]
    assert "mart_segmentation" in ask("show tables").out
    assert "recency_days" in ask("describe mart_segmentation").out
    for purpose in PURPOSES:
        assert ask(f"from mart_{purpose} limit 1", purpose).status == 0


def test_long_answers_are_cut_and_said_to_be(ask):
    done = ask("from range(1001)", "segmentation", "--json")
    assert len(done.json) == 1000
    assert "only the first 1,000 rows" in done.err
    assert "only the first" not in ask("from range(1000)", "segmentation", "--json").err


@pytest.mark.parametrize(
    "sql",
    [
        "delete from mart_segmentation",
        "insert into segments select * from segments",
        "create table t as select 1",
        "create temp table t as select 1",
        "drop table segments",
        "attach '{other}' as other",
        "copy mart_segmentation to '{folder}/out.csv'",
        "select * from query('select 1')",
        "from query_table('segments')",
        "from json_execute_serialized_sql(json_serialize_sql('select 42'))",
        "select (select max(x) from json_execute_serialized_sql('{{}}') as t(x))",
        "with x as (select * from query('select 1')) from x",
        "select getvariable('x')",
        "from duckdb_settings()",
        "pivot segments on name",
        "select * from read_text('{keys}/vault')",
        "select * from '{keys}/vault'",
        "select * from read_blob('{other}')",
        "select * from glob('{folder}/*')",
        "from read_parquet('{feeds}/customers.parquet')",
        "select * from 'https://127.0.0.1/x.csv'",
        "from personalised_offers.mart_personalised_offers",
        "from mart_personalised_offers",
        "from landing.purpose_keys",
        "set enable_external_access = true",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "call pragma_version()",
        "explain select 'Anna'",
        "select 1; select 2",
        "begin",
        "",
        "/* nothing */",
        "not even sql (",
        "select 'Anna'::integer",
        "select no_such_function('Anna')",
    ],
)
def test_it_can_do_nothing_else(one, ask, tmp_path, sql):
    files = {"other": one.home.published_file("personalised_offers"), "keys": one.keys,
             "folder": tmp_path, "feeds": one.sources.parent}  # fmt: skip
    before = {p: p.read_bytes() for p in one.home.published.iterdir()}
    acts = len(one.acts())
    done = ask(sql.format(**files))
    assert done.status == 2, done.out
    assert done.err.startswith("assent: ")
    assert "Traceback" not in done.err
    assert done.out == ""
    assert {p: p.read_bytes() for p in one.home.published.iterdir()} == before
    assert not list(tmp_path.iterdir())
    (act,) = one.acts()[acts:]
    assert act["refused"].startswith("statement.")
    assert "statement" not in act
    assert not {"Anna", "integer"} & set(str(act).replace("'", " ").split())


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("select name from segments where name = Anna", "BinderException"),
        ("from mart_personalised_offers", "CatalogException"),
        ("select * from '/etc/hostname.csv'", "PermissionException"),
        ("select * from read_text('/etc/hostname')", "function"),
        ("select 'Anna'::integer", "ConversionException"),
        ("select 1; select 2", "kind"),
        ("from query_table('Anna')", "function"),
        ("from json_execute_serialized_sql('Anna')", "function"),
        ("select from where", "unreadable"),
        pytest.param("select " + "(" * 9000 + "'Anna'" + ")" * 9000, "unreadable", id="deep"),
        pytest.param("select " + "[" * 9000 + "'Anna'" + "]" * 9000, "unreadable", id="deep list"),
    ],
)
def test_a_refused_statement_leaves_the_rule_and_nothing_of_itself(one, ask, sql, rule):
    before = len(one.acts())
    assert ask(sql).status == 2
    (act,) = one.acts()[before:]
    assert (act["act"], act["purpose"]) == ("query", "segmentation")
    assert act["refused"] == f"statement.{rule}"
    assert not {"statement", "rows"} & act.keys()
    assert "Anna" not in str(act)


def test_an_unknown_purpose_is_refused(one, ask):
    for purpose, rule, said in (
        ("resale", "purpose.unknown", "no such purpose"),
        ("custody", "purpose.built_in", "custody"),
    ):  # fmt: skip
        before = len(one.acts())
        done = ask("select 1", purpose)
        assert done.status == 2
        assert said in done.err
        (act,) = one.acts()[before:]
        assert (act["purpose"], act["refused"], act["keys"]) == (None, rule, [])


def test_a_query_that_takes_too_long_is_stopped_and_said_to_be(one, ask):
    before = len(one.acts())
    began = time.monotonic()
    done = ask(ENDLESS, "segmentation", "--timeout", "0.5")
    assert time.monotonic() - began < 30
    assert (done.status, done.out) == (2, "")
    assert "stopped after 0.5 s\n  -> ask for less, or pass --timeout" in done.err
    assert "Traceback" not in done.err
    (act,) = one.acts()[before:]
    assert act["refused"] == "statement.time"


@pytest.mark.parametrize("seconds", ["0", "nan", "inf"])
def test_a_query_has_a_time_limit(ask, seconds):
    done = ask("select 1", "segmentation", "--timeout", seconds)
    assert (done.status, done.out) == (2, "")
    assert "Invalid value for '--timeout'" in done.err


def has_open(process, path):
    """Say whether a process has a file open."""
    assert process.poll() is None, "it ended by itself"
    return path in [link.resolve() for link in Path(f"/proc/{process.pid}/fd").iterdir()]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows open files so")
def test_a_query_can_be_stopped_by_hand(one):
    """DuckDB by itself hears of it only now and then, and goes on computing."""
    before = len(one.acts())
    file = one.home.published_file("segmentation").resolve()
    command = [COMMAND, "query", "--purpose", "segmentation", ENDLESS]
    with subprocess.Popen(
        [sys.executable, "-c", f"{LISTENING}; os.execv({COMMAND!r}, {command!r})"],
        env=one.environment, cwd=PROJECT, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            while not has_open(process, file):
                time.sleep(0.1)
            time.sleep(1)  # the query begins as soon as it is
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=120)[1].strip() == "assent: stopped"
        finally:
            process.kill()
    assert process.returncode == 130
    (act,) = one.acts()[before:]
    assert act["refused"] == "KeyboardInterrupt"


def test_a_value_in_a_row_is_never_in_an_error(ask):
    """A cast error of DuckDB quotes the value."""
    done = ask("select segmentation_key::varchar::integer from mart_segmentation")
    assert done.status == 2
    assert "ConversionException" in done.err
    assert not any(character.isdigit() for character in done.err)


@pytest.mark.parametrize(
    ("sql", "recorded"),
    [
        ("select 'Anna', 42, date '2017-01-01'", "SELECT ?, ?, CAST(? AS DATE)"),
        ("select count(*) from segments where name = 'Anna' -- Anna", "SELECT COUNT(*) FROM segments"  # noqa: E501
         " WHERE name = ?"),
        ("select e'Anna', $$Anna$$, $x$Anna$x$", "SELECT ?, ?, ?"),
        ('select 1 as "Anna Example"', "SELECT ? AS ?"),
        ("select /*+ Anna */ segment_id from segments limit 3", "SELECT segment_id FROM segments"
         " LIMIT ?"),
        ("select ['1', 'Anna'], {'who': 'Anna'}, map {'Anna': 1}", "SELECT [?, ?], {?: ?},"
         " MAP {?: ?}"),
        ("show tables", "SHOW TABLES"),
        ("describe mart_segmentation", "DESCRIBE mart_segmentation"),
        ('select "name" from Segments', 'SELECT "name" FROM Segments'),
        # Bare words wherever one may stand that names nothing of ours.
        ("select 1 as Anna, Anna: 2, {Anna: 3}", "SELECT ? AS ?, ? AS ?, {?: ?}"),
        ("select Anna.name from segments as Anna", "SELECT ?.name FROM segments AS ?"),
        ("with Anna as (from segments) select count(*) from Anna", "WITH ? AS (SELECT * FROM"
         " segments) SELECT COUNT(*) FROM ?"),
        ("select list_transform([1], lambda Anna: Anna + 1)", "SELECT LIST_TRANSFORM([?], LAMBDA"
         " ? : ? + ?)"),
        ("select struct_pack(Anna := 1), null::struct(Anna int)", "SELECT {?: ?},"
         " CAST(NULL AS STRUCT(? INT))"),
        ("select '{}'::json -> '$.Anna', 'x'::enum('Anna', 'x')", "SELECT CAST(? AS JSON) -> ?,"
         " CAST(? AS ENUM(?, ?))"),
        ("select row_number() over Anna from segments window Anna as (order by name)", "SELECT"
         " ROW_NUMBER() OVER ? FROM segments WINDOW ? AS (ORDER BY name)"),
    ],
)  # fmt: skip
def test_the_record_has_the_statement_without_its_values(one, ask, sql, recorded):
    before = len(one.acts())
    done = ask(sql)
    assert done.status == 0, done.said
    (act,) = one.acts()[before:]
    assert (act["act"], act["purpose"]) == ("query", "segmentation")
    assert act["statement"] == recorded
    assert act["keys"] == ["published_segmentation"]
    assert "refused" not in act
    assert "Anna" not in str(act)
    assert act["rows"] == len(ask(sql, "segmentation", "--json").json)


def test_two_purposes_cannot_be_joined_by_what_is_published(one):
    """Their keys have no value in common; neither has what no purpose publishes."""
    keys = {}
    for purpose in PURPOSES:
        with one.published(purpose) as connection:
            tables = [name for (name,) in connection.execute("show tables").fetchall()]
            kinds = connection.execute(
                "select column_name from duckdb_columns() where data_type = 'UUID'"
            ).fetchall()
            assert {name for (name,) in kinds} == {f"{purpose}_key"}
            assert set(tables) <= {f"mart_{purpose}", "assignments", "segments", "about"}
            rows = connection.execute(f"select {purpose}_key from mart_{purpose}").fetchall()
        keys[purpose] = {key for (key,) in rows}
        assert len(keys[purpose]) > 400
    for one_purpose, other in itertools.combinations(PURPOSES, 2):
        assert not keys[one_purpose] & keys[other]
    with one.warehouse() as connection:
        rows = connection.execute(
            "select purpose, purpose_key, subject_key from landing.purpose_keys"
        )
        known = rows.fetchall()
    subjects = {subject for _, _, subject in known}
    for purpose in PURPOSES:  # positive control: with the crosswalk they could be
        assert keys[purpose] <= {key for name, key, _ in known if name == purpose}
        assert not keys[purpose] & subjects


def test_a_purpose_is_read_with_its_own_key_only(one, tmp_path):
    import shutil

    other = one.copy(tmp_path / "home")
    shutil.copy(other.keys / "published_churn_prevention", other.keys / "published_segmentation")
    done = other.assent("query", "--purpose", "segmentation", "from segments")
    assert done.status == 2
    assert "the key 'published_segmentation' doesn't fit" in done.err
    assert (other.acts()[-1]["refused"], other.acts()[-1]["keys"]) == ("key", [])
    with other.entered(), connected(published_store("churn_prevention")) as connection:
        assert connection.execute("select count(*) > 0 from mart_churn_prevention").fetchone()[0]


@pytest.mark.slow
def test_a_damaged_file_is_said_to_be_and_the_next_run_writes_it_anew(one, tmp_path):
    other = one.copy(tmp_path / "home")
    path = other.home.published_file("segmentation")
    ask = ("query", "--purpose", "segmentation", "select * from mart_segmentation")
    flipped = bytearray(path.read_bytes())
    flipped[IN_THE_FIRST_BLOCK] ^= 1
    path.write_bytes(flipped)
    done = other.assent(*ask)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "assent: segmentation.duckdb is damaged\n  -> `assent run` writes published files anew\n"
    )
    assert other.acts()[-1]["refused"] == "damaged"
    other.run("--select", "key:release/published_segmentation")
    assert other.assent(*ask).status == 0
