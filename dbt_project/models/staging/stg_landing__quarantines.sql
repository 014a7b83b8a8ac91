with source as (
    select * from {{ source('landing', 'quarantine') }}
),

renamed as (
    select
        -- ids
        quarantine_id,
        subject_key,

        -- strings
        feed,
        reason,

        -- times
        resolved_at
    from source
)

select * from renamed
