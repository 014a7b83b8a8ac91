"""What a segmentation is chosen by is a sample; the mart tells of how many."""


def test_the_mart_tells_how_many_there_were_on_each_earlier_day(small):
    with small.warehouse() as connection:
        counted = connection.execute(
            "select count(*), (select count(*) from marts.mart_segmentation as m"
            " where m.tenure_days >= m.as_of - b.as_of)"
            " from marts.mart_segmentation_backtest as b group by b.as_of"
        ).fetchall()
    assert len(counted) == 2
    assert all(sampled == told > 0 for sampled, told in counted)  # few: all are in the sample
