-- Signals (Global Privacy Control) that a subject's opt-in overrules, where the regime lets it:
-- after an earlier signal they agreed to the purpose by name, and have said nothing against it
-- since. So the first signal counts, and one that is merely repeated doesn't undo the answer to it.

with events as (
    select * from {{ ref('int_consent_events') }}
),

signalled as (
    select
        subject_key,
        purpose,
        min(effective_at) as first_at
    from events
    where is_signal
    group by subject_key, purpose
),

-- Of the few who have sent one: the latest answer before each event, and the latest denial.
walked as (
    select
        events.subject_key,
        events.purpose,
        events.effective_at,
        events.is_signal,
        max(
            case
                when events.is_specific_grant and events.effective_at > signalled.first_at
                    then events.effective_at
            end
        ) over (
            partition by events.subject_key, events.purpose order by events.effective_at
            range between unbounded preceding and interval 1 microsecond preceding
        ) as agreed_at,
        max(
            case
                when (events.is_withdrawal or events.is_objection) and not events.is_signal
                    then events.effective_at
            end
        ) over (
            partition by events.subject_key, events.purpose order by events.effective_at
            range between unbounded preceding and current row
        ) as denied_at
    from events
    inner join signalled
        on events.subject_key = signalled.subject_key and events.purpose = signalled.purpose
)

select distinct
    subject_key,
    purpose,
    effective_at
from walked
where is_signal and agreed_at is not null and coalesce(denied_at < agreed_at, true)
