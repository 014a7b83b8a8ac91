with source as (
    select * from {{ source('landing', 'transactions') }}
),

renamed as (
    select
        -- ids
        subject_key,
        basket_id,
        product_id,

        -- strings
        category,
        product_group,

        -- numerics
        quantity,
        value,
        discount,

        -- times
        occurred_at,
        event_day,

        -- provenance
        load_id
    from source
)

select * from renamed
