{{ config(materialized='table') }}
-- The categories and product groups in the data that reveal a special category of persons.

with transactions as (
    select * from {{ ref('stg_transactions__transactions') }}
),

found as (
    select distinct
        'category' as attribute,
        category as special_value
    from transactions
    union all
    select distinct
        'product_group' as attribute,
        product_group as special_value
    from transactions
)

select
    attribute,
    special_value
from found
where
    (attribute = 'category' and {{ reveals_special('category', 'special_value') }})
    or (attribute = 'product_group' and {{ reveals_special('product_group', 'special_value') }})
