{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_snapshot() }}",
    post_hook="{{ prune_snapshots('segmentation') }}"
) }}
-- How each permitted subject shops, for the purpose segmentation: one row per subject and `as_of`.

with days as (
    select as_of as reference_day from {{ ref('stg_landing__clocks') }}
),

visits as (
    {{ features_of_visits(ref('int_segmentation_baskets'), 'days', 'segmentation_key') }}
),

rhythm as (
    {{ features_of_rhythm(ref('int_segmentation_baskets'), 'days', 'segmentation_key') }}
),

mix as (
    {{ features_of_mix(ref('int_segmentation_categories'), 'days', 'segmentation_key') }}
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
    visits.value_8w
from visits
inner join rhythm
    on
        visits.reference_day = rhythm.reference_day
        and visits.segmentation_key = rhythm.segmentation_key
left join mix
    on
        visits.reference_day = mix.reference_day
        and visits.segmentation_key = mix.segmentation_key
