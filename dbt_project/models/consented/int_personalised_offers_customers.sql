-- What the purpose personalised_offers may know of a household, banded.

with customers as (
    select * from {{ ref('stg_customers__customers') }}
),

permitted as (
    select * from {{ ref('int_consent_permitted') }}
    where purpose = 'personalised_offers' and permitted
),

clocks as (
    select * from {{ ref('stg_landing__clocks') }}
),

kept as (
    select
        permitted.purpose_key as personalised_offers_key,
        {{ kept('personalised_offers', 'household_size') }} as household_size
    from permitted
    inner join customers on permitted.subject_key = customers.subject_key
    cross join clocks
)

select
    personalised_offers_key,
    {{ banded('personalised_offers', 'household_size', 'household_size') }} as household_size_band
from kept
-- The row goes with its last value.
where household_size is not null
