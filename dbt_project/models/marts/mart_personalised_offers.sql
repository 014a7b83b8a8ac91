{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_snapshot() }}",
    post_hook="{{ prune_snapshots('personalised_offers') }}"
) }}
-- What fits a subject's shopping, for the purpose personalised_offers: one row per subject and
-- `as_of`.

with visits as (
    {{ features_of_visits(
        ref('int_personalised_offers_baskets'), as_of(), 'personalised_offers_key'
    ) }}
),

mix as (
    {{ features_of_mix(
        ref('int_personalised_offers_categories'), as_of(), 'personalised_offers_key'
    ) }}
),

customers as (
    select * from {{ ref('int_personalised_offers_customers') }}
)

select
    {{ as_of() }} as as_of,
    visits.personalised_offers_key,
    visits.recency_days,
    visits.visits_8w,
    visits.discount_share,
    mix.category_mix,
    customers.household_size_band
from visits
left join mix on visits.personalised_offers_key = mix.personalised_offers_key
left join customers on visits.personalised_offers_key = customers.personalised_offers_key
