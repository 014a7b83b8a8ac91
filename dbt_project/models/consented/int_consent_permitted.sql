{{ config(materialized='table') }}
-- Who may be processed for what: a valid basis at `as_of` and at `known_at`, and nothing pending.

with intervals as (
    select * from {{ ref('int_consent_intervals') }}
),

subjects as (
    select * from {{ ref('int_consent_subjects') }}
),

purpose_keys as (
    select * from {{ ref('stg_landing__purpose_keys') }}
),

purposes as (
    select * from {{ policy_purposes() }}
),

at_known as (
    select
        intervals.subject_key,
        intervals.purpose,
        intervals.valid_from,
        purposes.covers_earlier_data,
        not subjects.held
        and not (subjects.limited and purposes.sensitive)
        and not (subjects.marketing_objected and purposes.direct_marketing) as is_free
    from intervals
    inner join subjects on intervals.subject_key = subjects.subject_key
    inner join purposes on intervals.purpose = purposes.purpose
    where
        intervals.valid_from <= {{ clock('known_at') }}
        and intervals.valid_to > {{ clock('known_at') }}
),

at_as_of as (
    select
        intervals.subject_key,
        intervals.purpose,
        intervals.valid_from
    from intervals
    where
        intervals.valid_from <= {{ clock('as_of_end') }}
        and intervals.valid_to > {{ clock('as_of_end') }}
)

select
    at_known.subject_key,
    at_known.purpose,
    purpose_keys.purpose_key,
    at_known.is_free as permitted_now,
    at_known.is_free and at_as_of.subject_key is not null as permitted,
    -- Where consent doesn't cover data from before it: the day it was given; data counts from the
    -- day after. A consent that was renewed after `as_of` doesn't cover what the lapsed one did.
    case
        when
            not at_known.covers_earlier_data
            and greatest(at_known.valid_from, at_as_of.valid_from) > timestamp '1900-01-01'
            then {{ local_day('greatest(at_known.valid_from, at_as_of.valid_from)') }}
    end as consented_on
from at_known
inner join purpose_keys
    on at_known.subject_key = purpose_keys.subject_key and at_known.purpose = purpose_keys.purpose
left join at_as_of
    on at_known.subject_key = at_as_of.subject_key and at_known.purpose = at_as_of.purpose
-- In the order of the key: what is held of one subject is found without reading all.
order by at_known.subject_key
