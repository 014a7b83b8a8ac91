-- Consent events, one row for each purpose that they speak of, and the moment from which they count.

with events as (
    select * from {{ ref('stg_consent_events__consent_events') }}
),

purposes as (
    select * from {{ policy_purposes() }}
)

select
    events.subject_key,
    purposes.purpose,
    -- A denial counts from the moment it was recorded, whatever its date.
    case
        when events.action in ('granted', 'opted_in') then events.occurred_at
        else least(events.occurred_at, events.recorded_at)
    end as effective_at,
    -- A grant given on an older notice than the policy accepts counts for nothing.
    events.action in ('granted', 'opted_in')
    and coalesce(events.notice_version >= purposes.notice_version, false) as is_grant,
    events.action in ('granted', 'opted_in')
    and coalesce(events.notice_version >= purposes.notice_version, false)
    and events.purpose is not null as is_specific_grant,
    events.action = 'withdrawn' as is_withdrawal,
    -- Undone only by a grant that names the purpose.
    events.action in ('objected', 'opted_out') as is_objection,
    purposes.consent_valid_days
from events
inner join purposes
    on
        events.purpose = purposes.purpose
        or (
            events.purpose is null
            and (
                coalesce(lower(events.signal), '') <> 'gpc'
                -- Global Privacy Control speaks of sale and sharing.
                or purposes.sale_or_share
            )
        )
