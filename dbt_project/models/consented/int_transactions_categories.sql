{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_stale_rows(ref('int_transactions_subjects')) }}"
) }}
-- What each permitted subject spent on each category on each day, special categories left out.

with transactions as (
    select * from {{ ref('stg_transactions__transactions') }}
    where
        category is not null
        and subject_key in (select subject_key from {{ ref('int_transactions_subjects') }})
        {{ only_stale_rows() }}
),

special_values as (
    select * from {{ ref('int_transactions_special_values') }}
),

ordinary as (
    select * from transactions
    where
        coalesce(product_group, '') not in (
            select special_value from special_values where attribute = 'product_group'
        )
        and category not in (
            select special_value from special_values where attribute = 'category'
        )
)

select
    subject_key,
    event_day,
    category,
    sum(value)::decimal(18, 2) as value,
    (select coalesce(max(load_id), 0) from {{ ref('stg_landing__changed_days') }})::integer
        as built_through_load
from ordinary
group by all
