"""Times, numbers and texts: what becomes of one value."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import identity
from ingest.connectors.source import Source
from ingest.contract import CONSENT_EVENTS, TRANSACTIONS
from ingest.conversions import kind_of, number_sql, raw_sql, text_sql, time_sql
from ingest.days import MOST_CHANGES, local_day, offsets
from ingest.model import Mapping
from tests.support.examples import tried

BERLIN, YORK = "Europe/Berlin", "America/New_York"


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        opened.execute("set timezone = 'UTC'")
        yield opened


def converted(connection, sql: str, value: object, type_: str = "varchar"):
    return connection.execute(f"select {sql} from (select ?::{type_} as x)", [value]).fetchall()[0][
        0
    ]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2024-07-01 10:00:00", "UTC", "2024-07-01 10:00"),
        ("2024-07-01T10:00", BERLIN, "2024-07-01 08:00"),
        ("2024-01-01 10:00:00", BERLIN, "2024-01-01 09:00"),
        ("2024-07-01 10:00:00+02", "UTC", "2024-07-01 08:00"),
        ("2024-07-01T10:00:00.5+02:30", YORK, "2024-07-01 07:30:00.5"),
        ("2024-07-01T10:00:00Z", YORK, "2024-07-01 10:00"),
        ("2024-07-01 10:00:00 UTC", YORK, "2024-07-01 10:00"),
        ("2024-07-01 10:00:00 Europe/Berlin", YORK, "2024-07-01 08:00"),
        ("2024-07-01 10:00:00 sharp", YORK, None),
        ("2024-07-01", YORK, "2024-07-01 04:00"),  # the end is no offset of an hour
        ("2024-02-30", "UTC", None),
        ("01/02/2024", "UTC", None),
        ("yesterday", BERLIN, None),
    ],
)
def test_a_text_becomes_a_time_in_utc(connection, text, zone, expected):
    found = converted(connection, time_sql("x", "VARCHAR", None, zone), text)
    assert found == (datetime.fromisoformat(expected) if expected else None)


@pytest.mark.parametrize(
    ("local", "zone", "earlier", "later"),
    [
        ("2024-10-27 02:30:00", BERLIN, "2024-10-27 00:30", "2024-10-27 01:30"),
        ("2024-10-27 02:00:00", BERLIN, "2024-10-27 00:00", "2024-10-27 01:00"),
        ("2024-10-27 03:00:00", BERLIN, "2024-10-27 02:00", "2024-10-27 02:00"),
        ("2024-10-27 01:59:59", BERLIN, "2024-10-26 23:59:59", "2024-10-26 23:59:59"),
        ("2024-03-31 02:30:00", BERLIN, "2024-03-31 01:30", "2024-03-31 01:30"),  # skipped
        ("2024-11-03 01:30:00", YORK, "2024-11-03 05:30", "2024-11-03 06:30"),
        ("2024-04-07 01:45:00", "Australia/Lord_Howe", "2024-04-06 14:45", "2024-04-06 15:15"),
        ("2024-10-27 02:30:00", "Antarctica/Troll", "2024-10-27 00:30", "2024-10-27 02:30"),
        ("2024-10-27 02:30:00+02", BERLIN, "2024-10-27 00:30", "2024-10-27 00:30"),
        ("2024-10-27 02:30:00", "UTC", "2024-10-27 02:30", "2024-10-27 02:30"),
    ],
)
def test_a_time_that_occurs_twice(connection, local, zone, earlier, later):
    for condition, expected in (("true", earlier), ("false", later), ("", later)):
        found = converted(connection, time_sql("x", "VARCHAR", None, zone, condition), local)
        assert found == datetime.fromisoformat(expected), condition


@pytest.mark.parametrize(
    ("value", "type_", "format_", "expected"),
    [
        ("31/12/2023 23:30", "varchar", "%d/%m/%Y %H:%M", "2023-12-31 22:30"),
        ("31/12/2023 23:30 +0500", "varchar", "%d/%m/%Y %H:%M %z", "2023-12-31 18:30"),
        (20231231, "integer", "%Y%m%d", "2023-12-30 23:00"),
        ("12/31/2023 23:30", "varchar", "%d/%m/%Y %H:%M", None),
    ],
)
def test_a_declared_format_is_followed(connection, value, type_, format_, expected):
    sql = time_sql("x", type_.upper(), format_, BERLIN)
    found = converted(connection, sql, value, type_)
    assert found == (datetime.fromisoformat(expected) if expected else None)


def test_typed_times_count_as_they_are(connection):
    moment = datetime(2024, 7, 1, 10)
    local = time_sql("x", "TIMESTAMP", None, BERLIN)
    assert converted(connection, local, moment, "timestamp") == datetime(2024, 7, 1, 8)
    nanoseconds = time_sql("x", "TIMESTAMP_NS", None, "UTC")
    assert converted(connection, nanoseconds, moment, "timestamp_ns") == moment
    instant = time_sql("x", "TIMESTAMP WITH TIME ZONE", None, BERLIN)
    assert converted(connection, instant, "2024-07-01 10:00:00+05", "timestamptz") == datetime(
        2024, 7, 1, 5
    )


def test_numbers_that_do_not_fit_are_null(connection):
    assert (
        str(converted(connection, number_sql("x", "VARCHAR", "DECIMAL(18,2)"), "1.005")) == "1.01"
    )
    for text in ("1,50", "1_000", "5 EUR", "9" * 20, "inf", ""):
        assert converted(connection, number_sql("x", "VARCHAR", "DECIMAL(18,2)"), text) is None


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("15", "varchar", 15),
        ("15.0", "varchar", 15),
        ("15.6", "varchar", None),
        ("1_5", "varchar", None),
        ("15.5", "double", None),
        ("1.6", "decimal(3,1)", None),
        ("16", "double", 16),
        ("2147483647", "bigint", 2147483647),
        ("2147483648", "bigint", None),
        (None, "varchar", None),
    ],
)
def test_a_number_with_a_fraction_is_no_whole_number(connection, value, type_, expected):
    assert (
        converted(connection, number_sql("x", type_.upper(), "INTEGER"), value, type_) == expected
    )


def test_ids_read_as_floats_lose_their_point(connection):
    sql = text_sql("x", "DOUBLE", TRANSACTIONS.column("customer_id"))
    assert converted(connection, sql, 17850.0, "double") == "17850"
    assert converted(connection, sql, 0.5, "double") == "0.5"


def test_what_is_blank_around_an_id_is_blank_wherever_it_is_told(connection):
    """An event recorded by word has to meet the subject that the feeds have landed."""
    source = Source("s", {"x": "VARCHAR"}, "s", "s")
    column = TRANSACTIONS.column("customer_id")
    landed = raw_sql(column, Mapping(column="x"), source, "").sql
    signs = [chr(i) for i in range(0x11000) if not 0xD800 <= i < 0xE000]
    typed = [f"{sign}a{sign}b{sign}" for sign in signs]
    rows = connection.execute(f"select {landed} from (select unnest(?::varchar[]) as x)", [typed])
    assert [found for (found,) in rows.fetchall()] == [identity.as_landed(id_) for id_ in typed]
    assert identity.as_landed("\ufeff\u00a0\x00ann\u2003\u200b\t") == "ann"


@pytest.mark.parametrize("sign", ["\t", "\x00", "\u200b", "\ufeff", "\u2028", "\x85"])
def test_an_id_with_an_unseen_character_inside_cannot_be_read(connection, sign):
    column = TRANSACTIONS.column("customer_id")
    assert converted(connection, text_sql("x", "VARCHAR", column), f"a{sign}b") is None
    product = TRANSACTIONS.column("product_id")
    assert converted(connection, text_sql("x", "VARCHAR", product), f"a{sign}b") == f"a{sign}b"
    for readable in ("a b", "a\u00a0b", "Ødegård 😀"):
        assert converted(connection, text_sql("x", "VARCHAR", column), readable) == readable


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (2.0**53 - 1, "DOUBLE", "9007199254740991"),
        (2.0**53, "DOUBLE", None),  # so would be 2 ** 53 + 1
        (-(2.0**53), "DOUBLE", None),
        (1e25, "DOUBLE", None),
        (2.0**24 - 1, "FLOAT", "16777215"),
        (2.0**24, "FLOAT", None),
        ("12345.00", "DECIMAL(18,2)", "12345"),
        ("12345.50", "DECIMAL(18,2)", "12345.50"),
        ("12345678901234567890123456789012345678", "DECIMAL(38,0)",
         "12345678901234567890123456789012345678"),
    ],
)  # fmt: skip
def test_a_number_is_an_id_while_it_is_exact(connection, value, type_, expected):
    sql = text_sql("x", type_, TRANSACTIONS.column("customer_id"))
    assert converted(connection, sql, value, type_) == expected


def test_words_are_spelled_in_one_way(connection):
    sql = text_sql("x", "VARCHAR", CONSENT_EVENTS.column("action"))
    assert converted(connection, sql, "Opted-Out") == "opted_out"


def test_kinds_of_types():
    assert kind_of("DECIMAL(18,3)") == "number"
    assert kind_of("UBIGINT") == "whole number"
    assert kind_of("TIMESTAMP_NS") == "time"
    assert kind_of("ENUM('a', 'b')") == "text"
    for other in ("BLOB", "INTEGER[]", "STRUCT(a INTEGER)", "DECIMAL(1,1)[]", "TIME", "INTERVAL"):
        assert kind_of(other) == "other"


@tried(60)
@given(
    zone=st.sampled_from([YORK, BERLIN, "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    moments=st.lists(st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1)), min_size=1),
    near=st.integers(-2, 2),
)
def test_the_day_is_the_one_that_the_zone_says(connection, zone, moments, near):
    first, last = min(moments), max(moments)
    changes = [until for until, _ in offsets(zone, first, last)[:-1]]
    asked = [*moments, *(until + timedelta(seconds=near) for until in changes)]
    asked = [moment for moment in asked if first <= moment <= last]
    sql = local_day("x", zone, first, last)
    rows = connection.execute(
        f"select x, {sql} from (select unnest(?::timestamp[]) as x)", [asked]
    ).fetchall()
    for moment, day in rows:
        local = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
        assert day == local.date()


def test_the_day_without_a_span_or_over_a_long_one_takes_the_general_way(connection):
    century = (datetime(1950, 1, 1), datetime(2050, 1, 1))
    assert len(offsets(YORK, *century)) > MOST_CHANGES
    for span in ((None, None), century):
        sql = local_day("x", YORK, *span)
        assert "case" not in sql
        assert str(converted(connection, sql, "2024-07-01 03:59:59", "timestamp")) == "2024-06-30"
        assert str(converted(connection, sql, "2024-07-01 04:00:00", "timestamp")) == "2024-07-01"
