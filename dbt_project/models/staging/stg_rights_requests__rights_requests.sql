with source as (
    select * from {{ source('landing', 'rights_requests') }}
),

renamed as (
    select
        -- ids
        request_id,
        subject_key,
        load_id,

        -- strings
        type as request_type,
        status,
        channel,

        -- times
        received_at
    from source
)

select * from renamed
