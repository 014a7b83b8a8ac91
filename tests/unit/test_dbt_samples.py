"""Of many subjects, those that a segmentation is chosen by: so many, and crowds like all others."""

import re

import duckdb
import pytest

from warehouse.home import PROJECT

MODEL = PROJECT / "dbt_project/models/consented/int_segmentation_samples.sql"
MOST, CROWD, OTHERS = 60_000, 70_000, 50_000


@pytest.fixture(scope="module")
def drawn():
    """Return the numbers of those drawn of a crowd of equals, and of others."""
    sql = MODEL.read_text()
    sql = sql.replace("{{ ref('int_segmentation_baskets') }}", "baskets")
    sql = sql.replace("{{ clock('fit') }}", "true")
    sql = re.sub(r"\{\{ config\(.*?\) \}\}", "", sql)
    with duckdb.connect() as connection:
        connection.execute(
            "create table baskets as select md5(i::varchar)::uuid as segmentation_key,"
            f" i < {CROWD} as in_crowd, date '2024-01-01' + (month * 28)::integer as event_day,"
            f" 1 as lines, case when i < {CROWD} then 10 else i end::decimal(18, 2) as value,"
            " null::decimal(18, 2) as discount"
            f" from range({CROWD + OTHERS}) as s(i), range(2) as m(month)"
        )
        return connection.execute(
            "select count(*) filter (in_crowd), count(*) filter (not in_crowd) from"
            f" (select distinct segmentation_key, in_crowd from baskets) join ({sql})"
            " using (segmentation_key)"
        ).fetchone()


def test_no_more_are_drawn_than_models_look_at(drawn):
    assert sum(drawn) == MOST


def test_a_crowd_with_equal_visits_is_thinned_like_the_others(drawn):
    """Who pays the same by the month is neither drawn as one nor left out as one."""
    crowd, _ = drawn
    assert crowd / CROWD == pytest.approx(MOST / (CROWD + OTHERS), abs=0.01)
