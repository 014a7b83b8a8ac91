with source as (
    select * from {{ source('landing', 'customers') }}
),

renamed as (
    select
        -- ids
        subject_key,

        -- strings
        jurisdiction,
        income_band,
        marital_status,
        home_ownership,
        household_size,
        household_composition,
        kids_count,

        -- numerics
        age_years,

        -- times
        recorded_on
    from source
)

select * from renamed
