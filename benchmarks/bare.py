"""The yardstick: the same features and the same model with nothing around them.

Belongs here: one script, DuckDB and scikit-learn, that reads the generated files, computes the
features of mart_segmentation, writes them and, if asked, fits the model once. No permission, no
checks, no encryption, no lineage. Does not belong here: anything of Assent.
"""

import argparse
import os
from pathlib import Path

import duckdb

WEEKS_8 = 56

FEATURES = """
create table features as
with lines as (select * from read_parquet({transactions})),
baskets as (
    select customer_id, basket_id, occurred_at::date as day, count(*) as lines,
        sum(value) as value, sum(discount) as discount
    from lines group by all
),
visits as (
    select customer_id,
        date_diff('day', max(day), $as_of) as recency_days,
        count(*) as visits,
        sum(value) as value_total,
        date_diff('day', min(day), $as_of) as tenure_days,
        sum(value) / count(*) as basket_value_mean,
        sum(lines) / count(*) as basket_lines_mean,
        sum(discount) / nullif(sum(discount) + sum(value), 0) as discount_share,
        count(*) filter (where day > $as_of - 56) as visits_8w,
        coalesce(sum(value) filter (where day > $as_of - 56), 0) as value_8w,
        coalesce(sum(value) filter (where day between $as_of - 111 and $as_of - 56), 0) as prior
    from baskets group by all
),
gaps as (
    select customer_id, date_diff('day', lag(day) over days, day) as gap
    from (select distinct customer_id, day from baskets)
    window days as (partition by customer_id order by day)
),
rhythm as (
    select customer_id, avg(gap) as gap_mean_days, stddev_pop(gap) / avg(gap) as gap_variation
    from gaps group by all
),
spent as (
    select customer_id, category, sum(value) as value from lines group by all
),
mix as (
    select customer_id, count(*) as category_breadth,
        sum(value * value) / (sum(value) * sum(value)) as category_concentration,
        map_from_entries(list((category, value::double))) as category_mix
    from spent where value > 0 group by all
)
select * exclude (prior),
    coalesce((value_8w - prior) / nullif(value_8w + prior, 0), 0)::double as value_trend
from visits join rhythm using (customer_id) left join mix using (customer_id)
"""


def run(feeds: Path, out: Path, *, fit: bool) -> None:
    """Compute, write, and if asked fit."""
    with duckdb.connect(str(out)) as connection:
        connection.execute(f"set memory_limit = '{os.environ.get('ASSENT_MEMORY', '5GB')}'")
        connection.execute("set preserve_insertion_order = false")
        files = f"['{feeds}/transactions*.parquet']"
        day = connection.execute(
            f"select max(occurred_at)::date from read_parquet({files})"
        ).fetchall()[0][0]
        connection.execute(FEATURES.format(transactions=files), {"as_of": day})
        if fit:
            _fit(connection)


def _fit(connection: duckdb.DuckDBPyConnection) -> None:
    """Fit k-means on the features that the demo's segmentation settled on."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    names = ("recency_days", "visits", "value_total", "visits_8w", "value_8w")
    columns = ", ".join(f"{name}::double as {name}" for name in names)
    frame = connection.execute(f"select {columns} from features").df()
    values = StandardScaler().fit_transform(np.sqrt(frame.clip(lower=0)))
    frame["segment"] = KMeans(8, n_init=10, random_state=0).fit_predict(values)
    connection.register("assigned", frame[["segment"]])
    connection.execute("create table assignments as select * from assigned")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--feeds", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    run(arguments.feeds, arguments.out, fit=arguments.fit)


if __name__ == "__main__":
    main()
