with source as (
    select * from {{ source('landing', 'changed_days') }}
),

renamed as (
    select
        -- numerics
        load_id,

        -- times
        event_day
    from source
)

select * from renamed
