"""Where subjects are held is told from the files: an unknown table is found, or refused."""

import duckdb
import pytest

from governance.rights.discovery import holders
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
     ("subject_key uuid, others uuid[]", "others")],
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
    with pytest.raises(UsageError, match=f"the column {strange} may be a key"):
        holders(connection, "warehouse")
