{{ config(materialized='table') }}
-- When each subject had a valid basis for each purpose: intervals [valid_from, valid_to).

with conflicts as (
    select * from {{ ref('int_consent_conflicts') }}
),

events as (
    select events.*
    from {{ ref('int_consent_events') }} as events
    left join conflicts
        on
            events.subject_key = conflicts.subject_key
            and events.purpose = conflicts.purpose
            and events.effective_at = conflicts.effective_at
            and events.is_signal
    where conflicts.subject_key is null
),

subjects as (
    select * from {{ ref('int_consent_subjects') }}
),

bases as (
    select * from {{ policy_bases() }}
),

-- Moments at which something may change: events, ends of consents, and, where no consent is
-- needed, the beginning of time.
moments as (
    select
        subject_key,
        purpose,
        effective_at as moment,
        is_grant,
        is_specific_grant,
        is_withdrawal,
        is_objection,
        consent_valid_days
    from events
    union all by name
    select
        subject_key,
        purpose,
        consent_valid_days,
        effective_at + to_days(consent_valid_days) as moment,
        false as is_grant,
        false as is_specific_grant,
        false as is_withdrawal,
        false as is_objection
    from events
    where is_grant
    union all by name
    select
        subjects.subject_key,
        bases.purpose,
        timestamp '1900-01-01' as moment,
        false as is_grant,
        false as is_specific_grant,
        false as is_withdrawal,
        false as is_objection,
        0 as consent_valid_days
    from subjects
    inner join bases on subjects.regime = bases.regime
    where bases.basis <> 'consent'
),

-- The latest of each kind so far; moments at the same instant see one another.
standing as (
    select
        subject_key,
        purpose,
        moment,
        max(case when is_grant then moment end) over so_far as granted_at,
        max(case when is_specific_grant then moment end) over so_far as named_at,
        max(case when is_withdrawal then moment end) over so_far as withdrawn_at,
        max(case when is_objection then moment end) over so_far as objected_at,
        -- Of the grants that stand, the one that lasts longest is the latest.
        max(case when is_grant then moment + to_days(consent_valid_days) end)
            over so_far as granted_until
    from moments
    window so_far as (
        partition by subject_key, purpose order by moment
        range between unbounded preceding and current row
    )
),

judged as (
    select distinct
        standing.subject_key,
        standing.purpose,
        standing.moment,
        -- At the same instant the denial wins.
        coalesce(standing.withdrawn_at < standing.granted_at, standing.withdrawn_at is null)
        and coalesce(standing.objected_at < standing.named_at, standing.objected_at is null)
        and (
            (bases.basis <> 'consent' and not subjects.needs_consent)
            or coalesce(standing.moment < standing.granted_until, false)
        ) as is_valid
    from standing
    inner join subjects on standing.subject_key = subjects.subject_key
    inner join bases on standing.purpose = bases.purpose and subjects.regime = bases.regime
),

changes as (
    select
        subject_key,
        purpose,
        moment,
        is_valid,
        -- The first moment is a change too.
        coalesce(
            is_valid <> lag(is_valid) over (partition by subject_key, purpose order by moment), true
        ) as is_change
    from judged
),

bounded as (
    select
        subject_key,
        purpose,
        is_valid,
        moment as valid_from,
        lead(moment, 1, timestamp '9999-12-31') over (
            partition by subject_key, purpose order by moment
        ) as valid_to
    from changes
    where is_change
)

select
    subject_key,
    purpose,
    valid_from,
    valid_to
from bounded
where is_valid
-- In the order of the key: what is held of one subject is found without reading all.
order by subject_key
