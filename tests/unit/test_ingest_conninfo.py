"""Connection strings of PostgreSQL: read as its own library reads them, and refused without TLS."""

import pytest
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ingest.connectors import conninfo
from ingest.connectors.postgres import PROTECTED
from tests.support.feeds import declared, fill, load, sources_in
from warehouse.errors import UsageError

VARIABLE = "TILL_DATABASE"
# The string, and what it says about TLS.
STRINGS = [
    ("host=a sslmode=require", "require"),
    ("password='sslmode=require'", None),
    ("host=a\\ sslmode=require", None),
    ("sslmode = 'verify-full' host = b", "verify-full"),
    ("sslmode='dis\\able'", "disable"),
    ("host=a\tsslmode\n=\nrequire", "require"),
    ("host='a'sslmode=require", "require"),
    ("host=a'b sslmode=require", "require"),
    ("sslmode=", ""),
    ("postgresql://u:p?sslmode=require@h/db", None),
    ("postgresql://u:sslmode=require@h/sslmode=require", None),
    ("postgres://h/d@b?connect_timeout=5&sslmode=require", "require"),
    ("postgres://h?ssl%6dode=re%71uire", "require"),
    ("postgres://h?application_name=%26sslmode%3Drequire", None),
    ("postgresql://[::1]:5/db?sslmode=allow", "allow"),
    ("postgresql://[::1?sslmode=require]/db", None),
    ("postgres://h/db?ssl=true", "require"),
    ("postgres://", None),
]


@pytest.mark.parametrize(("text", "mode"), STRINGS)
def test_it_says_what_the_library_reads(text, mode):
    assert conninfo_to_dict(text).get("sslmode") == mode
    assert dict(conninfo.settings(text)).get("sslmode") == mode


@pytest.mark.parametrize("text", ["till", "host='a", "host"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ProgrammingError):
        conninfo_to_dict(text)
    with pytest.raises(ValueError, match="no connection string"):
        conninfo.settings(text)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        *((text, {}, "insist on TLS") for text, mode in STRINGS if mode not in PROTECTED),
        ("sslmode=require sslmode=disable", {}, "sslmode is given more than once"),
        ("postgres://h?ssl=true&sslmode=disable", {}, "sslmode is given more than once"),
        ("password='a", {}, "its connection string can't be read"),
        ("service=till", {"PGSSLMODE": "require"}, "insist on TLS"),
        ("host=a", {"PGSSLMODE": "require", "PGSERVICE": "till"}, "insist on TLS"),
    ],
)
def test_nothing_is_read_without_tls(tmp_path, monkeypatch, text, environment, said):
    for name in ("PGSSLMODE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environment | {VARIABLE: text}).items():
        monkeypatch.setenv(name, value)
    table = declared("transactions", connector="postgres", connection_env=VARIABLE, table="a.b")
    table = {key: value for key, value in table.items() if key not in ("paths", "format")}
    fill(tmp_path)
    with pytest.raises(UsageError, match=said) as caught:
        load(sources_in(tmp_path, transactions=table))
    assert "require" not in str(caught.value).split("->")[0]
