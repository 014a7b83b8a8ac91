{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_snapshot() }}",
    post_hook="{{ prune_snapshots('bias_monitoring') }}"
) }}
-- The protected attributes, banded, for the purpose bias_monitoring alone: one row per subject and
-- `as_of`.

with customers as (
    select * from {{ ref('int_bias_monitoring_customers') }}
),

clocks as (
    select * from {{ ref('stg_landing__clocks') }}
)

select
    clocks.as_of,
    customers.bias_monitoring_key,
    customers.age_band,
    customers.income_group,
    customers.marital_status,
    customers.children
from customers
cross join clocks
