-- Consent events that are known, one row for each purpose that they speak of, and the moment from
-- which they count.

with events as (
    select * from {{ ref('stg_consent_events__consent_events') }}
),

clocks as (
    select * from {{ ref('stg_landing__clocks') }}
),

subjects as (
    select * from {{ ref('int_consent_subjects') }}
),

purposes as (
    select * from {{ policy_purposes() }}
),

-- Permission is decided by what was known at `known_at`. In a run that is the newest event read,
-- and so nothing is left out (a test of stg_landing__clocks holds that).
known as (
    select
        events.*,
        subjects.opt_in_outlasts_signal,
        events.action in ('granted', 'opted_in') as affirms,
        coalesce(lower(events.signal), '') = 'gpc' as is_gpc,
        -- A child's own consent counts for nothing, nor does that a signal is sent no more;
        -- anybody's denial counts.
        (not subjects.under_age or coalesce(events.given_by, 'subject') = 'parent')
        and coalesce(lower(events.signal), '') <> 'gpc' as may_affirm
    from events
    inner join clocks on events.recorded_at <= clocks.known_at
    inner join subjects on events.subject_key = subjects.subject_key
)

select
    known.subject_key,
    purposes.purpose,
    purposes.consent_valid_days,
    -- Words follow one another as they were said, not as they became known. A denial that bears a
    -- later date than its recording counts at once all the same: `known_at` isn't before it.
    known.occurred_at as effective_at,
    -- A grant given on an older notice than the policy accepts counts for nothing.
    known.affirms
    and known.may_affirm
    and coalesce(known.notice_version >= purposes.notice_version, false) as is_grant,
    known.affirms
    and known.may_affirm
    and coalesce(known.notice_version >= purposes.notice_version, false)
    and known.purpose is not null as is_specific_grant,
    known.action = 'withdrawn' as is_withdrawal,
    -- Undone only by a grant that names the purpose.
    known.action in ('objected', 'opted_out') as is_objection,
    -- One that yields to an opt-in if it is repeated (int_consent_conflicts).
    known.action = 'opted_out' and known.is_gpc and known.opt_in_outlasts_signal as is_signal
from known
inner join purposes
    on
        known.purpose = purposes.purpose
        or (
            known.purpose is null
            -- Global Privacy Control speaks of sale and sharing; any other word without a purpose,
            -- and a withdrawal or objection that came with the signal, covers all.
            and not (
                known.action = 'opted_out'
                and known.is_gpc
                and not purposes.sale_or_share
            )
        )
