-- The protected attributes, banded, that the purpose bias_monitoring may know.

with customers as (
    select * from {{ ref('stg_customers__customers') }}
),

permitted as (
    select * from {{ ref('int_consent_permitted') }}
    where purpose = 'bias_monitoring' and permitted
),

clocks as (
    select * from {{ ref('stg_landing__clocks') }}
),

kept as (
    select
        permitted.purpose_key as bias_monitoring_key,
        {{ kept('bias_monitoring', 'age_years') }} as age_years,
        {{ kept('bias_monitoring', 'income_band') }} as income_band,
        {{ kept('bias_monitoring', 'marital_status') }} as marital_status,
        {{ kept('bias_monitoring', 'kids_count') }} as kids_count
    from permitted
    inner join customers on permitted.subject_key = customers.subject_key
    cross join clocks
)

select
    bias_monitoring_key,
    {{ banded('bias_monitoring', 'age_years', 'age_years') }} as age_band,
    {{ banded('bias_monitoring', 'income_band', 'income_band') }} as income_group,
    marital_status,
    {{ banded('bias_monitoring', 'kids_count', 'kids_count') }} as children
from kept
-- The row goes with its last value.
where coalesce(age_years::varchar, income_band, marital_status, kids_count) is not null
