"""Feeds in PostgreSQL: a real server, over TLS, started by the test."""

import tempfile
from pathlib import Path

import pytest

from ingest.check import check_sources
from tests.support.feeds import (
    NOW,
    SALES,
    UTC_POLICY,
    ask,
    declared,
    fill,
    load,
    must_reconcile,
    reasons,
    sources_in,
    totals,
)
from tests.support.postgres import PASSWORD, Server, binaries, running
from warehouse.errors import UsageError

BINARIES = binaries()
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server binaries on this machine"),
]

VARIABLE = "TILL_DATABASE"
SETUP = """
create schema shop;
create table shop."sales lines" (
    customer_id bigint, basket_id text, product_id text, occurred_at timestamptz,
    value numeric(10, 2), secret text
);
insert into shop."sales lines" values
    (1, 'b1', 'p1', '2024-05-01 10:00:00+02', 9.99, 's'),
    (1, 'b1', 'p2', '2024-05-01 10:00:00+02', 0.01, 's'),
    (null, 'b2', 'p2', '2024-05-02 10:00:00+02', 5, 's'),
    (2, 'b3', 'Ødegård '';--', '2024-05-02 10:00:00+02', -5, 's');
create role stranger login;
"""


@pytest.fixture(scope="module")
def server():
    import psycopg

    # Not under pytest's folder: an unprivileged user may not enter that.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running(folder, BINARIES) as started:
            with psycopg.connect(started.dsn(), autocommit=True) as connection:
                connection.execute(SETUP)
            yield started


@pytest.fixture
def connected_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.setenv(VARIABLE, server.dsn())
    return server


def table(**changes: object) -> dict:
    kept = {
        "connector": "postgres",
        "connection_env": VARIABLE,
        "table": "shop.sales lines",
        "columns": {name: name for name in SALES},
    }
    made = declared("transactions", **(kept | changes))
    return {k: v for k, v in made.items() if k not in ("paths", "format") and v is not None}


def execute(server: Server, statement: str) -> None:
    import psycopg

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(statement)


def test_a_table_is_loaded_and_read_again_only_when_it_changed(tmp_path, connected_server):
    fill(tmp_path)
    sources = sources_in(tmp_path, transactions=table())
    load(sources)
    assert ask("select occurred_at::varchar, sum(value)::varchar, count(distinct subject_key)"
               " from landing.transactions group by 1") == [
        ("2024-05-01 08:00:00", "10.00", 1)
    ]  # fmt: skip
    assert sorted(reasons("transactions")) == ["missing_customer_id", "negative_value"]
    assert totals("transactions") == (4, 2, 2, 0, 0)
    assert load(sources).landed == ()
    execute(connected_server, "insert into shop.\"sales lines\" values (3, 'b', 'p', now(), 1)")
    try:
        load(sources, now=NOW.replace(year=2100))
    finally:
        execute(connected_server, 'delete from shop."sales lines" where customer_id = 3')
    assert totals("transactions") == (9, 3, 4, 2, 0)
    must_reconcile()


def test_a_query(tmp_path, connected_server):
    fill(tmp_path)
    query = (
        "select customer_id, basket_id, product_id, occurred_at, value"
        " from shop.\"sales lines\" where product_id <> 'it''s' and value > 0"
    )
    load(sources_in(tmp_path, transactions=table(table=None, query=query)))
    assert totals("transactions") == (3, 2, 1, 0, 0)
    assert ask("select distinct source from landing.quarantine") == [("query",)]
    assert ask("select bool_or(fingerprint like '%sales lines%') from landing.loads") == [(False,)]


def test_a_query_cannot_write(tmp_path, connected_server):
    fill(tmp_path)
    query = 'delete from shop."sales lines" returning *'
    with pytest.raises(UsageError):
        load(sources_in(tmp_path, transactions=table(table=None, query=query)))
    load(sources_in(tmp_path, transactions=table()))
    assert totals("transactions")[0] == 4


def test_what_is_wrong_with_a_table_is_said_before_loading(tmp_path, connected_server):
    fill(tmp_path)
    columns = {name: name for name in SALES} | {"value": "valu"}
    wrong = sources_in(tmp_path, transactions=table(columns=columns))
    (finding,) = check_sources(wrong, UTC_POLICY, now=NOW)
    assert "no column 'valu'" in finding.what
    assert "did you mean 'value'" in finding.mend
    (finding,) = check_sources(
        sources_in(tmp_path, transactions=table(table="shop.none")), UTC_POLICY, now=NOW
    )
    assert "shop.none can't be read" in finding.what


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("unset", f"{VARIABLE} isn't set"),
        ("password", "user or password is wrong"),
        ("database", "doesn't exist"),
        ("no tls", "sslmode=disable doesn't insist on TLS"),
        ("unsaid", "sslmode=prefer doesn't insist on TLS"),
        ("untrusted", "certificate"),
        ("closed", "nothing listens there"),
    ],
)
def test_a_server_that_cannot_be_read_is_one_clear_line(
    tmp_path, connected_server, monkeypatch, case, said
):
    fill(tmp_path)
    server = connected_server
    other = tmp_path / "other.crt"
    other.write_text("no certificate")
    targets = {
        "unset": "",
        "password": server.dsn(password="guessed"),
        "database": server.dsn(database="nothing"),
        "no tls": server.dsn(extra="sslmode=disable"),
        "unsaid": server.dsn(extra="connect_timeout=5"),
        "untrusted": server.dsn(extra=f"sslmode=verify-full sslrootcert={other}"),
        "closed": Server(1, server.certificate).dsn(),
    }
    monkeypatch.setenv(VARIABLE, targets[case])
    with pytest.raises(UsageError) as caught:
        load(sources_in(tmp_path, transactions=table()))
    message = str(caught.value)
    assert said in message
    assert "pass'word" not in message
    assert PASSWORD not in message
    assert "127.0.0.1" not in message
