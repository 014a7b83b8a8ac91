with source as (
    select * from {{ source('landing', 'consent_events') }}
),

renamed as (
    select
        -- ids
        subject_key,

        -- strings
        action,
        purpose,
        method,
        channel,
        language,
        wording_hash,
        evidence_ref,
        signal,
        given_by,

        -- numerics
        notice_version,

        -- times
        occurred_at,
        recorded_at
    from source
)

select * from renamed
