{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_snapshot() }}",
    post_hook="{{ prune_snapshots('churn_prevention', oldest='as_of - tenure_days') }}"
) }}
-- Whether a subject shops less than before, for the purpose churn_prevention: one row per subject
-- and `as_of`.

with visits as (
    {{ features_of_visits(ref('int_churn_prevention_baskets'), as_of(), 'churn_prevention_key',
        with_discount=false) }}
),

rhythm as (
    {{ features_of_rhythm(ref('int_churn_prevention_baskets'), as_of(), 'churn_prevention_key') }}
)

select
    {{ as_of() }} as as_of,
    visits.churn_prevention_key,
    visits.recency_days,
    rhythm.gap_mean_days,
    rhythm.gap_variation,
    visits.visits_8w,
    visits.value_8w,
    {{ trend('visits.value_8w', 'visits.value_prior_8w') }} as value_trend,
    visits.tenure_days
from visits
inner join rhythm on visits.churn_prevention_key = rhythm.churn_prevention_key
