"""Nothing that is held is left untold: a table that nobody knows of stops the answer."""

from governance.rights import access_kept, access_page, kept
from tests.integration.test_governance_rights_answers import fulfilled, opened


def test_a_table_whose_rows_are_anybodys_stops_the_answer(small, tmp_path):
    one = small.copy(tmp_path / "home")
    number = opened(one, min(one.members()), "access")
    with one.warehouse() as connection:
        connection.execute("create table marts.keyless (name varchar)")
    (tmp_path / "out").mkdir()
    done = fulfilled(one, number, tmp_path / "out", "--unencrypted")
    assert done.status == 2
    assert "nobody knows whose rows" in done.err
    assert list((tmp_path / "out").iterdir()) == []


def test_no_table_of_what_is_kept_of_somebody_is_left_out():
    """A new one has to be told of, in the data and on the page."""
    of_somebody = {name for name, columns in kept.TABLES.items() if "handle uuid" in columns}
    assert set(access_kept.TOLD) == set(access_page.KEPT) == of_somebody
