{{ config(materialized='table') }}
-- Which regime a subject is under, and what stands against processing whatever its consents say.
-- One of the int_consent_* models, the only ones that may read jurisdiction and age
-- (policy: permission).

with subjects as (
    select distinct subject_key from {{ ref('stg_landing__purpose_keys') }}
),

customers as (
    select * from {{ ref('stg_customers__customers') }}
),

regimes as (
    select * from {{ policy_regimes() }}
),

regime_rules as (
    select * from {{ policy_regime_rules() }}
),

words as (
    -- Of a request, by the feed or by Assent: what was said that ends what was received until then.
    select
        *,
        max(received_at) filter (where status in ('refused', 'withdrawn', 'lifted')) over (
            partition by subject_key, request_id, request_type
        ) as released_at,
        max(received_at) filter (where status in ('withdrawn', 'lifted')) over (
            partition by subject_key, request_id, request_type
        ) as taken_back_at
    from {{ ref('stg_rights_requests__rights_requests') }}
    where
        request_type in ('erasure', 'objection', 'restriction', 'limit')
        and subject_key is not null
),

requests as (
    -- One that was granted goes on standing. Once it was refused, withdrawn or lifted, it holds
    -- nobody, unless its number came anew.
    select
        subject_key,
        request_type,
        bool_or(
            status in ('open', 'fulfilled', 'partial')
            and (released_at is null or received_at > released_at)
        ) as stands,
        bool_or(
            status not in ('withdrawn', 'lifted')
            and (taken_back_at is null or received_at > taken_back_at)
        ) as is_objected
    from words
    group by subject_key, request_id, request_type
),

stops as (
    select
        subject_key,
        bool_or(stands and request_type <> 'limit') as held,
        bool_or(stands and request_type = 'limit') as limited,
        -- Nobody can refuse an objection to direct marketing (GDPR Art. 21(3)).
        bool_or(request_type = 'objection' and is_objected) as marketing_objected
    from requests
    group by subject_key
),

unread as (
    -- A consent event or a request that could not be read may be a denial; a row of customers, the
    -- age of a child.
    select distinct subject_key from {{ ref('stg_landing__quarantines') }}
    where
        feed in ('customers', 'consent_events', 'rights_requests')
        and resolved_at is null
        and subject_key is not null
),

placed as (
    select
        subjects.subject_key,
        customers.age_years,
        regimes.age_of_consent,
        coalesce(regimes.regime, '{{ var("unknown_regime") }}') as regime
    from subjects
    left join customers on subjects.subject_key = customers.subject_key
    -- As the policy matches them: capitals make no difference.
    left join regimes on lower(trim(customers.jurisdiction)) = lower(trim(regimes.jurisdiction))
)

select
    placed.subject_key,
    placed.regime,
    regime_rules.opt_in_outlasts_signal,
    coalesce(
        placed.age_years < coalesce(placed.age_of_consent, regime_rules.age_of_consent), false
    ) as under_age,
    coalesce(
        placed.age_years < greatest(
            coalesce(placed.age_of_consent, regime_rules.age_of_consent), regime_rules.opt_in_below
        ), false
    ) as needs_consent,
    coalesce(stops.held, false)
    or placed.subject_key in (select unread.subject_key from unread) as held,
    coalesce(stops.limited, false) as limited,
    coalesce(stops.marketing_objected, false) as marketing_objected
from placed
inner join regime_rules on placed.regime = regime_rules.regime
left join stops on placed.subject_key = stops.subject_key
-- In the order of the key: what is held of one subject is found without reading all.
order by placed.subject_key
