-- What permitted subjects spent on categories, line by line, special categories left out. A view:
-- a table by day would be nearly as long as the transactions, and cost more than it saved.

with subjects as (
    select * from {{ ref('int_transactions_subjects') }}
),

transactions as (
    select * from {{ ref('stg_transactions__transactions') }}
    where
        category is not null
        and subject_key in (select subjects.subject_key from subjects)
),

special_groups as (
    select special_value from {{ ref('int_transactions_special_values') }}
    where attribute = 'product_group'
),

special_categories as (
    select special_value from {{ ref('int_transactions_special_values') }}
    where attribute = 'category'
)

select
    subject_key,
    event_day,
    category,
    value
from transactions
where
    coalesce(product_group, '') not in (
        select special_groups.special_value from special_groups
    )
    and category not in (
        select special_categories.special_value from special_categories
    )
