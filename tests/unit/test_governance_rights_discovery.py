"""Where subjects are held is told from the files: an unknown table is found, or refused."""

import duckdb
import pytest

from governance.rights.discovery import holders, ownerless
from warehouse.errors import UsageError


def test_a_table_that_nobody_knows_is_found_or_refused():
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse")
    connection.execute("create table warehouse.main.new_mart (segmentation_key uuid, x integer)")
    (table,) = holders(connection, "warehouse")
    assert (table.table, table.key) == ("new_mart", "segmentation_key")
    connection.execute("create table warehouse.main.keyless (name varchar)")
    with pytest.raises(UsageError, match=r"nobody knows whose rows main\.keyless holds"):
        holders(connection, "warehouse")
    connection.execute("drop table warehouse.main.keyless")
    connection.execute("create table warehouse.main.odd (who uuid)")
    with pytest.raises(UsageError, match="the column who may be a key"):
        holders(connection, "warehouse")


@pytest.mark.parametrize(
    ("columns", "strange"),
    [("member_key uuid", "member_key"), ("subject_key uuid, partner_key uuid", "partner_key"),
     ("segmentation_key uuid, offers_key uuid", "offers_key"),
     ("subject_key uuid, others uuid[]", "others"), ("subject_key uuid[]", "subject_key"),
     ("subject_key struct(id uuid)", "subject_key")],
)  # fmt: skip
def test_a_key_of_no_purpose_and_that_of_somebody_else_are_refused(columns, strange):
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse")
    connection.execute("create schema warehouse.landing")
    connection.execute(
        "create table warehouse.landing.purpose_keys as select uuid() as subject_key,"
        " unnest(['segmentation', 'offers']) as purpose, uuid() as purpose_key"
    )
    assert holders(connection, "warehouse")  # positive control
    connection.execute(f"create table warehouse.main.mine ({columns})")
    with pytest.raises(UsageError, match=f"the column {strange} may (be a key|hold keys within)"):
        holders(connection, "warehouse")


@pytest.fixture
def keyed():
    """A warehouse in which one subject has a key for each of two purposes."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse; use warehouse")
    connection.execute("create schema landing; create schema consented")
    connection.execute(
        "create table landing.purpose_keys as select subject_key, purpose, uuid() as purpose_key"
        " from (select uuid() as subject_key), unnest(['segmentation', 'offers']) as p(purpose)"
    )
    return connection


@pytest.mark.parametrize(
    ("table", "nobodys"),
    [
        ("select subject_key, 1 as x from landing.purpose_keys", False),
        ("select distinct on (purpose) purpose_key as offers_key, 1 as x"
         " from landing.purpose_keys where purpose = 'offers'", False),
        ("select purpose_key, purpose_key as offers_key from landing.purpose_keys"
         " where purpose = 'offers'", False),
        ("select subject_key, 1 as x from landing.purpose_keys union all select null, 2", True),
        ("select uuid() as subject_key", True),
        ("select purpose_key as offers_key from landing.purpose_keys", True),
        ("select null::uuid as offers_key", True),
    ],
)  # fmt: skip
def test_a_row_whose_key_is_nobodys_is_told(keyed, table, nobodys):
    keyed.execute(f"create table consented.mine as {table}")
    assert bool(ownerless(keyed, {"consented"})) is nobodys
    assert ownerless(keyed, {"marts"}) == {}


def test_what_a_file_says_of_itself_is_nowhere_in_the_warehouse():
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse; attach ':memory:' as published_offers")
    for database in ("warehouse", "published_offers"):
        connection.execute(f"create table {database}.main.segments (basket_id varchar)")
    assert holders(connection, "published_offers") == []
    with pytest.raises(UsageError, match=r"nobody knows whose rows main\.segments holds"):
        holders(connection, "warehouse")
