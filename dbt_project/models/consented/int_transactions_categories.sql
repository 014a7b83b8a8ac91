{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_stale_rows(ref('int_transactions_subjects')) }}"
) }}
-- What each permitted subject spent on each category on each day, special categories left out.

with subjects as (
    select * from {{ ref('int_transactions_subjects') }}
),

transactions as (
    select * from {{ ref('stg_transactions__transactions') }}
    where
        category is not null
        and subject_key in (select subjects.subject_key from subjects)
        {{ only_stale_rows() }}
),

special_groups as (
    select special_value from {{ ref('int_transactions_special_values') }}
    where attribute = 'product_group'
),

special_categories as (
    select special_value from {{ ref('int_transactions_special_values') }}
    where attribute = 'category'
),

loads as (
    select coalesce(max(load_id), 0)::integer as newest
    from {{ ref('stg_landing__changed_days') }}
),

ordinary as (
    select * from transactions
    where
        coalesce(product_group, '') not in (
            select special_groups.special_value from special_groups
        )
        and category not in (
            select special_categories.special_value from special_categories
        )
)

select
    subject_key,
    event_day,
    category,
    sum(value)::decimal(18, 2) as value,
    (select loads.newest from loads) as built_through_load,
    {{ special_values_version() }} as special_values_version
from ordinary
group by all
