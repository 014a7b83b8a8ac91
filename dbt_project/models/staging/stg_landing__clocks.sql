with source as (
    select * from {{ source('landing', 'clocks') }}
),

renamed as (
    select
        -- booleans
        fit,

        -- times
        as_of,
        as_of_end,
        known_at,
        newest_day
    from source
)

select * from renamed
