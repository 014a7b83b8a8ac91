{{ config(materialized='table') }}
-- The subjects that a segmentation is chosen by: of many, 60,000 (models look at no more), drawn
-- by what they did and not by their key, so that it doesn't depend on a salt. Empty unless the run
-- fits a model. A table, so that whoever reads its rows begins with these few.

with baskets as (
    select * from {{ ref('int_segmentation_baskets') }}
    where {{ clock('fit') }}
),

subjects as (
    select
        segmentation_key,
        sum(hash(event_day, lines, value, discount)) as history
    from baskets
    group by segmentation_key
),

-- The n-th of a crowd whose visits are all equal is drawn by another number than the first, so that
-- crowds are thinned like all others. Which of them is the n-th makes no difference to any visit.
drawn as (
    select
        segmentation_key,
        hash(
            history,
            row_number() over (partition by history order by segmentation_key)
        ) as draw
    from subjects
),

ordered as (
    select
        segmentation_key,
        row_number() over (order by draw) as place
    from drawn
)

select segmentation_key
from ordered
where place <= 60000
