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
        known_at
    from source
)

select * from renamed
