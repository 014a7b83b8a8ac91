-- The same features 8 and 16 weeks before `as_of`, with what followed in the 8 weeks after: what a
-- segmentation is chosen and judged by. Empty unless the run fits a model.

with days as (
    select as_of - unnest([8, 16]) * 7 as reference_day
    from {{ ref('stg_landing__clocks') }}
    where fit
),

visits as (
    {{ features_of_visits(ref('int_segmentation_baskets'), 'days', 'segmentation_key') }}
),

rhythm as (
    {{ features_of_rhythm(ref('int_segmentation_baskets'), 'days', 'segmentation_key') }}
),

mix as (
    {{ features_of_mix(ref('int_segmentation_categories'), 'days', 'segmentation_key') }}
),

outcomes as (
    select
        days.reference_day,
        baskets.segmentation_key,
        count(*)::integer as following_visits,
        sum(baskets.value)::decimal(18, 2) as following_value
    from days
    inner join {{ ref('int_segmentation_baskets') }} as baskets
        on
            days.reference_day < baskets.event_day
            and days.reference_day >= baskets.event_day - 56
    group by days.reference_day, baskets.segmentation_key
)

select
    visits.reference_day as as_of,
    visits.segmentation_key,
    visits.recency_days,
    visits.visits,
    visits.value_total,
    visits.tenure_days,
    visits.basket_value_mean,
    visits.basket_lines_mean,
    visits.discount_share,
    mix.category_breadth,
    mix.category_concentration,
    mix.category_mix,
    rhythm.gap_mean_days,
    rhythm.gap_variation,
    {{ trend('visits.value_8w', 'visits.value_prior_8w') }} as value_trend,
    visits.visits_8w,
    visits.value_8w,
    coalesce(outcomes.following_visits, 0)::integer as following_visits,
    coalesce(outcomes.following_value, 0)::decimal(18, 2) as following_value
from visits
inner join rhythm
    on
        visits.reference_day = rhythm.reference_day
        and visits.segmentation_key = rhythm.segmentation_key
left join mix
    on
        visits.reference_day = mix.reference_day
        and visits.segmentation_key = mix.segmentation_key
left join outcomes
    on
        visits.reference_day = outcomes.reference_day
        and visits.segmentation_key = outcomes.segmentation_key
