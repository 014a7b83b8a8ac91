-- The same features 8 and 16 weeks before `as_of`, with what followed in the 8 weeks after: what a
-- segmentation is chosen and judged by. Empty unless the run fits a model.

with features as (
    {{ segmentation_features(as_of(weeks_before=8)) }}
    union all
    {{ segmentation_features(as_of(weeks_before=16)) }}
),

outcomes as (
    {%- for weeks in (8, 16) %}
    select
        {{ as_of(weeks) }} as as_of,
        segmentation_key,
        count(*)::integer as following_visits,
        sum(value)::decimal(18, 2) as following_value
    from {{ ref('int_segmentation_baskets') }}
    where event_day > {{ as_of(weeks) }} and event_day <= {{ as_of(weeks - 8) }}
    group by segmentation_key
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    features.*,
    coalesce(outcomes.following_visits, 0)::integer as following_visits,
    coalesce(outcomes.following_value, 0)::decimal(18, 2) as following_value
from features
left join outcomes
    on
        features.as_of = outcomes.as_of
        and features.segmentation_key = outcomes.segmentation_key
where {{ clock('fit') }}
