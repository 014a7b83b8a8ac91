"""Connectors: every format lands the same rows, every broken source is one clear line."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from tests.support.feeds import (
    EVENT,
    EVENTS,
    SALE,
    SALES,
    ask,
    declared,
    fill,
    load,
    must_reconcile,
    reasons,
    sale,
    sources_in,
    totals,
    vault,
    write_csv,
)
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")

LANDED = "select basket_id, product_id, occurred_at::varchar, value::varchar from {}"
ROWS = [SALE, sale(basket_id='b "2"', product_id="p,2", value="0.50"), sale(product_id=None)]
EXPECTED = [
    ('b "2"', "p,2", "2024-05-01 10:00:00", "0.50"),
    ("b1", "p1", "2024-05-01 10:00:00", "9.99"),
    ("b1", None, "2024-05-01 10:00:00", "9.99"),
]


def landed() -> list[tuple]:
    return ask(LANDED.format("landing.transactions") + " order by 1, 2")


def known() -> list[str]:
    return sorted(id_ for (id_,) in vault("select customer_id from vault.subjects"))


def put(folder: Path, name: str, content: bytes) -> None:
    write_csv(folder / "consent_events.csv", EVENTS, [EVENT])
    (folder / name).write_bytes(content)


def json_lines(rows: list[tuple]) -> bytes:
    lines = [json.dumps(dict(zip(SALES, row, strict=True))) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def csv_bytes(folder: Path, rows: list[tuple]) -> bytes:
    return write_csv(folder / "made.txt", SALES, rows).read_bytes()


def parquet(path: Path, query: str) -> None:
    duckdb.execute(f"copy ({query}) to '{path}' (format parquet)")


def feed(format_: str, pattern: str, **changes: object) -> dict:
    return declared("transactions", format=format_, paths=[pattern]) | changes


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz"])
def test_text_formats(tmp_path, name):
    content = csv_bytes(tmp_path, ROWS) if "csv" in name else json_lines(ROWS)
    put(tmp_path, name, gzip.compress(content) if name.endswith(".gz") else content)
    load(sources_in(tmp_path, transactions=feed(name.split(".")[1], "t.*")))
    assert landed() == EXPECTED
    must_reconcile()


def test_parquet_with_types_of_its_own(tmp_path):
    put(tmp_path, "x", b"")
    parquet(
        tmp_path / "t[1].parquet",
        "select 7.0::double as id, 'b1' as basket_id, 3::bigint as product_id, true as extra,"
        " timestamp_ns '2024-05-01 10:00:00' as occurred_at, 9.99::float as value"
        " union all select 'nan'::double, 'b', 4, null, null, 1",
    )
    columns = {name: name for name in SALES} | {"customer_id": "id"}
    load(sources_in(tmp_path, transactions=feed("parquet", "*.parquet", columns=columns)))
    assert landed() == [("b1", "3", "2024-05-01 10:00:00", "9.99")]
    assert ("7",) in vault("select customer_id from vault.subjects")
    assert reasons("transactions") == {"missing_customer_id": [2]}


def test_expressions_formats_and_constants(tmp_path):
    text = "Kunde;Zeit;Menge;Preis\n1;31.12.2023 23:30;2;1,25\n2;1.1.2024 10:00;x;1,00\n"
    put(tmp_path, "t.csv", text.encode("latin-1"))
    columns = {
        "customer_id": "Kunde",
        "occurred_at": {"column": "Zeit", "format": "%d.%m.%Y %H:%M"},
        "value": {"expression": "Menge * replace(Preis, ',', '.')::decimal(18,2)"},
        "category": {"constant": "all"},
    }
    options = {"delimiter": ";", "encoding": "latin-1"}
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns, csv=options)))
    assert ask("select category, occurred_at::varchar, value::varchar from landing.transactions"
               ) == [("all", "2023-12-31 23:30:00", "2.50")]  # fmt: skip
    assert reasons("transactions") == {"unparseable_value": [2]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_the_advice_on_an_encoding_can_be_followed(tmp_path, encoding):
    text = "customer_id,occurred_at,value,catégorie\nann,2024-05-01,1,Café\n"
    put(tmp_path, "t.csv", text.encode(encoding))
    columns = {"customer_id": "customer_id", "occurred_at": "occurred_at", "value": "value",
               "category": "catégorie"}  # fmt: skip
    plain = sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns))
    with pytest.raises(UsageError, match=rf"csv: {{encoding: {encoding}}}"):
        load(plain)
    options = {"encoding": encoding}
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns, csv=options)))
    assert ask("select category from landing.transactions") == [("Café",)]


def test_big_endian_text_is_refused_however_it_is_declared(tmp_path):
    """DuckDB would find no row in it, and say nothing."""
    put(tmp_path, "t.csv", b"\xfe\xff" + "customer_id,value\nann,1\n".encode("utf-16-be"))
    columns = {"customer_id": "customer_id", "occurred_at": "value", "value": "value"}
    sources = feed("csv", "t.csv", columns=columns, csv={"encoding": "utf-16"})
    with pytest.raises(UsageError, match="big-endian UTF-16"):
        load(sources_in(tmp_path, transactions=sources))


def test_an_expression_without_its_input_is_missing_not_unparseable(tmp_path):
    put(tmp_path, "t.csv", b"id,t,n,p\n1,2024-01-01,,1\n1,2024-01-01,2,\n1,2024-01-01,2,x\n")
    columns = {"customer_id": "id", "occurred_at": "t", "value": {"expression": "n * p"}}
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns)))
    assert reasons("transactions") == {"missing_value": [1, 2], "unparseable_value": [3]}


def test_a_csv_file_without_header_and_with_words_for_nothing(tmp_path):
    put(tmp_path, "t.csv", b"ann|2024-05-01|1.50|\\N\nbob|2024-05-01|NULL|b\n")
    columns = {"customer_id": "column1", "occurred_at": "column2", "value": "column3",
               "basket_id": "column4"}  # fmt: skip
    options = {"delimiter": "|", "header": False, "null": ["NULL", "\\N"]}
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns, csv=options)))
    assert ask("select basket_id, value::varchar from landing.transactions") == [(None, "1.50")]
    assert reasons("transactions") == {"missing_value": [2]}


def test_a_byte_order_mark_and_columns_that_are_not_mapped(tmp_path):
    header = "\ufeffcustomer_id,note,NOTE,,occurred_at,value"
    put(tmp_path, "t.csv", f"{header}\nann,a,b,c,2024-05-01,1\n".encode())
    columns = {"customer_id": "customer_id", "occurred_at": "occurred_at", "value": "value",
               "category": "NOTE"}  # fmt: skip
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv", columns=columns)))
    assert ask("select category from landing.transactions") == [("b",)]


def test_rows_that_cannot_be_split_are_quarantined_where_they_stand(tmp_path):
    good = ",".join(SALE)
    lines = [",".join(SALES), good, "short", good + ",more", 'ann,"b"1,p,2024-05-01,1', good,
             "ann,b,p,never,1", "ann,b\xe9,p,2024-05-01,1", "ann,b,p,soon,1", "last"]  # fmt: skip
    put(tmp_path, "t.csv", "\n".join(lines).encode("latin-1"))
    load(sources_in(tmp_path, transactions=feed("csv", "t.csv")))
    assert reasons("transactions") == {
        "malformed_row": [2, 3, 4, 7, 9],
        "unparseable_occurred_at": [6, 8],
    }
    assert totals("transactions") == (9, 1, 7, 1, 0)
    must_reconcile()


def test_lines_that_are_no_json_objects_are_quarantined(tmp_path):
    good = json_lines([SALE]).decode().strip()
    lines = [good, '{"customer_id": ', "[1, 2]", '"text"', "5", json_lines([sale(value="x")])
             .decode().strip(), good]  # fmt: skip
    put(tmp_path, "t.jsonl", "\n".join(lines).encode())
    load(sources_in(tmp_path, transactions=feed("jsonl", "t.jsonl")))
    assert reasons("transactions") == {
        "malformed_row": [2, 3, 4, 5],
        "unparseable_value": [6],
    }
    assert totals("transactions") == (7, 1, 5, 1, 0)


def test_an_id_of_a_json_line_is_a_text_or_a_number(tmp_path):
    ids = [
        '"12345"',
        "12345",
        "12345.0",
        "1.2345e4",
        '"12345.0"',
        "12345678901234567890",
        '" a\\t"',
        "true",
        '{"a": 1}',
        '["x"]',
        "1e25",
        "123456789012345678901234567890",
        "null",
        '"a\\tb"',
    ]
    line = json_lines([SALE]).decode().replace('"ann"', "%s")
    put(tmp_path, "t.jsonl", "".join(line % id_ for id_ in ids).encode())
    load(sources_in(tmp_path, transactions=feed("jsonl", "t.jsonl")))
    assert known() == ["12345", "12345.0", "12345678901234567890", "a", "ann"]
    assert reasons("transactions") == {
        "missing_customer_id": [8, 9, 10, 11, 12, 13], "unparseable_customer_id": [14],
    }  # fmt: skip


def test_a_json_line_that_says_two_things_is_malformed(tmp_path):
    line = json_lines([SALE]).decode()
    twice = line.replace('"value": "9.99"', '"value": "9.99", "value": "1"')
    assert twice != line
    put(tmp_path, "t.jsonl", (line + twice).encode())
    load(sources_in(tmp_path, transactions=feed("jsonl", "t.jsonl")))
    assert reasons("transactions") == {"malformed_row": [2]}


def test_floats_that_are_one_number_are_no_ids(tmp_path):
    put(tmp_path, "unused", b"")
    parquet(
        tmp_path / "t.parquet",
        "select unnest([12345678901234567, 12345678901234568, 12345.0, 1e25])::double"
        " as customer_id,"
        " 'b1' as basket_id, 'p1' as product_id, timestamp '2024-05-01' as occurred_at, 1 as value",
    )
    load(sources_in(tmp_path, transactions=feed("parquet", "t.parquet")))
    assert known() == ["12345", "ann"]
    assert reasons("transactions") == {"unparseable_customer_id": [1, 2, 4]}


def test_a_giant_line_is_a_bad_row_or_a_malformed_one(tmp_path):
    giant = [sale(), sale(product_id="9" * 17_000_000), sale(basket_id="b2")]
    put(tmp_path, "t.jsonl", json_lines(giant))
    load(sources_in(tmp_path, transactions=feed("jsonl", "t.jsonl")))
    assert list(reasons("transactions").values()) == [[2]]
    assert totals("transactions") == (3, 2, 1, 0, 0)


def test_a_giant_field_of_a_csv_file_is_a_malformed_row(tmp_path):
    giant = [sale(), sale(product_id="9" * 17_000_000), sale(basket_id="b2")]
    fill(tmp_path, transactions=giant)
    load(sources_in(tmp_path))
    assert reasons("transactions") == {"malformed_row": [2]}
    assert totals("transactions") == (3, 2, 1, 0, 0)


def test_a_malformed_consent_event_may_be_anybodys(tmp_path):
    fill(tmp_path)
    (tmp_path / "consent_events.csv").write_text(",".join(EVENTS) + "\nann,withdrawn\n")
    load(sources_in(tmp_path))
    assert ask("select reason, subject_key from landing.quarantine") == [("malformed_row", None)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.parquet", b"no parquet", "can't be read"),
        ("t.parquet", b"", "can't be read"),
        ("t.csv.gz", gzip.compress(b"customer_id,value\n" * 9000, mtime=0)[:-20], "isn't whole"),
        ("t.csv.gz", b"no gzip", "isn't gzipped"),
        ("t.jsonl", b"\xef\xbb\xbf{}", "byte order mark"),
        ("t.jsonl", b'{"customer": 1}\n', "no column 'customer_id'"),
        ("t.jsonl", b"not json\n", "no line of t.jsonl is a JSON object"),
        ("t.jsonl", b'[{"customer_id": 1},\n{"customer_id": 2}]\n', "one object a line"),
        ("t.jsonl", b'{\n  "customer_id": 1\n}\n', "one object a line"),
        ("t.csv", b"\x00\x01\x02" * 50, "header"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, name, content, said):
    put(tmp_path, name, content)
    with pytest.raises(UsageError) as caught:
        load(sources_in(tmp_path, transactions=feed(name.split(".")[1], name)))
    message = str(caught.value)
    assert said in message
    assert name in message
    assert len(message) < 500
    assert str(tmp_path) not in message


def test_types_that_cannot_become_ours(tmp_path):
    put(tmp_path, "x", b"")
    parquet(
        tmp_path / "t.parquet",
        "select 'ann' as customer_id, true as value, date '2024-05-01' as occurred_at,"
        " [1] as basket_id, 1 as product_id",
    )
    for column, said in (("value", "holds a truth value"), ("basket_id", "holds a integer[]")):
        columns = {"customer_id": "customer_id", "occurred_at": "occurred_at",
                   "value": "product_id", column: column}  # fmt: skip
        with pytest.raises(UsageError, match=column) as caught:
            load(sources_in(tmp_path, transactions=feed("parquet", "t.parquet", columns=columns)))
        assert said in str(caught.value)


def test_an_expression_that_does_not_fit_its_columns(tmp_path):
    fill(tmp_path)
    columns = {name: name for name in SALES} | {"value": {"expression": "occurred_at + value"}}
    columns["value"] = {"expression": "date_trunc('day', value)"}
    with pytest.raises(UsageError, match="the expression of value"):
        load(sources_in(tmp_path, transactions=declared("transactions", columns=columns)))
