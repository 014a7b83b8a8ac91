{{ config(materialized='table') }}
-- The subjects that a segmentation is chosen by: of many, about 60,000 (models look at no more),
-- drawn by what they did and not by their key, so that it doesn't depend on a salt. Empty unless
-- the run fits a model. A table, so that whoever reads its rows begins with these few.

with baskets as (
    select * from {{ ref('int_segmentation_baskets') }}
    where {{ clock('fit') }}
),

drawn as (
    select
        segmentation_key,
        hash(count(*), sum(value), max(event_day)) as draw,
        count(*) over () as subjects
    from baskets
    group by segmentation_key
)

select segmentation_key
from drawn
where draw % greatest(1, subjects // 60000) = 0
