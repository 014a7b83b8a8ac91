-- The same features 8 and 16 weeks before `as_of`, with what followed in the 8 weeks after: what a
-- segmentation is chosen and judged by. Of the sampled subjects; empty unless the run fits a model.

with samples as (
    select * from {{ ref('int_segmentation_samples') }}
),

baskets as (
    select * from {{ ref('int_segmentation_baskets') }}
    where segmentation_key in (select samples.segmentation_key from samples)
),

categories as (
    select * from {{ ref('int_segmentation_sampled_categories') }}
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
