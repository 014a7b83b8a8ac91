{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_stale_rows(ref('int_transactions_subjects')) }}"
) }}
-- One row for each visit to the till: permitted subjects only, special categories left out.
-- Built by event day: a basket that spans midnight is two.

with subjects as (
    select * from {{ ref('int_transactions_subjects') }}
),

ordinary as (
    select * from {{ ordinary_transactions() }}
    where
        subject_key in (select subjects.subject_key from subjects)
        {{ only_stale_rows() }}
),

loads as (
    select coalesce(max(load_id), 0)::integer as newest
    from {{ ref('stg_landing__changed_days') }}
)

select
    subject_key,
    event_day,
    coalesce(basket_id, occurred_at::varchar) as basket_id,
    count(*)::integer as lines,
    sum(value)::decimal(18, 2) as value,
    sum(discount)::decimal(18, 2) as discount,
    (select loads.newest from loads) as built_through_load,
    {{ special_values_version() }} as special_values_version
from ordinary
group by all
-- In the order of the key: what is held of one subject is found without reading all.
order by subject_key
