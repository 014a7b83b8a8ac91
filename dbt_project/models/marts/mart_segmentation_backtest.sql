-- The same features 8 and 16 weeks before `as_of`, with what followed in the 8 weeks after: what a
-- segmentation is chosen and judged by. Empty unless the run fits a model;
-- of many subjects, a sample of about 60,000 (models look at no more), drawn by what they did and
-- not by their key, so that it doesn't depend on a salt.

with sampled as (
    select segmentation_key
    from (
        select
            segmentation_key,
            hash(count(*), sum(value), max(event_day)) as draw,
            count(*) over () as subjects
        from {{ ref('int_segmentation_baskets') }}
        where {{ clock('fit') }}
        group by segmentation_key
    )
    where draw % greatest(1, subjects // 60000) = 0
),

baskets as (
    select * from {{ ref('int_segmentation_baskets') }}
    where segmentation_key in (select sampled.segmentation_key from sampled)
),

categories as (
    select * from {{ ref('int_segmentation_categories') }}
    where segmentation_key in (select sampled.segmentation_key from sampled)
),

features as (
    {{ segmentation_features('baskets', 'categories', as_of(weeks_before=8)) }}
    union all
    {{ segmentation_features('baskets', 'categories', as_of(weeks_before=16)) }}
),

outcomes as (
    {{ segmentation_outcomes('baskets', weeks_before=8) }}
    union all
    {{ segmentation_outcomes('baskets', weeks_before=16) }}
)

select
    features.*,
    coalesce(outcomes.following_visits, 0)::integer as following_visits,
    coalesce(outcomes.following_value, 0)::decimal(18, 2) as following_value
from features
left join outcomes
    on
        features.as_of = outcomes.as_of
        and features.segmentation_key = outcomes.segmentation_key
