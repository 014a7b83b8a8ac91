with source as (
    select * from {{ source('landing', 'purpose_keys') }}
),

renamed as (
    select
        -- ids
        subject_key,
        purpose_key,

        -- strings
        purpose
    from source
)

select * from renamed
