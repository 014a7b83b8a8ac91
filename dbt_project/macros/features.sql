{# What a subject's permitted baskets say at a reference day. One definition for every mart; each
   mart selects the columns that the policy allows for its purpose. Units: days, visits, money,
   shares. Sums are exact (decimals), so that threads can't change a figure.

   baskets, categories: relations of one purpose (`int_<purpose>_baskets`, `_categories`)
   reference: the reference day, a scalar expression (a join on "not later than" would be slow)
   key: the purpose's key #}

{# The reference day of a snapshot: `as_of`, or some weeks before it. #}
{% macro as_of(weeks_before=0) -%}
({{ clock('as_of') }} - {{ weeks_before * 7 }})
{%- endmacro %}

{% macro features_of_visits(baskets, reference, key, with_discount=true) -%}
select
    {{ key }},
    date_diff('day', max(event_day), {{ reference }})::integer as recency_days,
    count(*)::integer as visits,
    sum(value)::decimal(18, 2) as value_total,
    date_diff('day', min(event_day), {{ reference }})::integer as tenure_days,
    (sum(value) / count(*))::double as basket_value_mean,
    (sum(lines) / count(*))::double as basket_lines_mean,
    {%- if with_discount %}
    -- A visit without a discount had none, unless nobody's visit has one: then no feed tells.
    case
        when max(max(discount)) over () is not null
            then coalesce(
                greatest(sum(discount), 0)
                / nullif(greatest(sum(discount), 0) + greatest(sum(value), 0), 0), 0
            )
    end::double as discount_share,
    {%- endif %}
    (count(*) filter (where event_day > {{ reference }} - 56))::integer as visits_8w,
    coalesce(sum(value) filter (where event_day > {{ reference }} - 56), 0)::decimal(18, 2)
        as value_8w,
    coalesce(
        sum(value) filter (
            where event_day between {{ reference }} - 111 and {{ reference }} - 56
        ), 0
    )::decimal(18, 2) as value_prior_8w
from {{ baskets }}
where event_day <= {{ reference }}
group by {{ key }}
{%- endmacro %}

{# The rhythm of visits: mean and coefficient of variation of the days between visiting days. #}
{% macro features_of_rhythm(baskets, reference, key) -%}
select
    {{ key }},
    (sum(gap) / count(gap))::double as gap_mean_days,
    case
        when count(gap) > 1
            then sqrt(greatest(count(gap) * sum(gap * gap) - sum(gap) * sum(gap), 0)) / sum(gap)
    end::double as gap_variation
from (
    select
        {{ key }},
        date_diff('day', lag(event_day) over days, event_day)::bigint as gap
    from (
        select distinct {{ key }}, event_day from {{ baskets }} where event_day <= {{ reference }}
    ) as visiting_days
    window days as (partition by {{ key }} order by event_day)
)
group by {{ key }}
{%- endmacro %}

{# The mix of categories: shares of what was spent (returns don't count against it). #}
{% macro features_of_mix(categories, reference, key) -%}
select
    {{ key }},
    count(*)::integer as category_breadth,
    sum(share * share)::double as category_concentration,
    -- Sorted afterwards: an ordered aggregate would buffer tens of kilobytes a subject.
    map_from_entries(list_sort(list((category, share::double)))) as category_mix
from (
    select
        {{ key }},
        category,
        (spent / sum(spent) over (partition by {{ key }}))::decimal(7, 6) as share
    from (
        select
            {{ key }},
            category,
            greatest(sum(value), 0)::decimal(18, 2) as spent
        from {{ categories }}
        where event_day <= {{ reference }}
        group by {{ key }}, category
    )
    where spent > 0
)
group by {{ key }}
{%- endmacro %}

{# Everything that the purpose segmentation asks at one reference day. #}
{% macro segmentation_features(baskets, categories, reference) -%}
select
    {{ reference }} as as_of,
    visits.segmentation_key,
    visits.recency_days,
    visits.visits,
    visits.value_total,
    visits.tenure_days,
    visits.basket_value_mean,
    visits.basket_lines_mean,
    visits.discount_share,
    mix.category_breadth,
    mix.category_concentration,
    mix.category_mix,
    rhythm.gap_mean_days,
    rhythm.gap_variation,
    {{ trend('visits.value_8w', 'visits.value_prior_8w') }} as value_trend,
    visits.visits_8w,
    visits.value_8w
from (
    {{ features_of_visits(baskets, reference, 'segmentation_key') }}
) as visits
inner join (
    {{ features_of_rhythm(baskets, reference, 'segmentation_key') }}
) as rhythm on visits.segmentation_key = rhythm.segmentation_key
left join (
    {{ features_of_mix(categories, reference, 'segmentation_key') }}
) as mix on visits.segmentation_key = mix.segmentation_key
{%- endmacro %}

{# What followed a reference day within 8 weeks. #}
{% macro segmentation_outcomes(baskets, weeks_before) -%}
select
    {{ as_of(weeks_before) }} as as_of,
    segmentation_key,
    count(*)::integer as following_visits,
    sum(value)::decimal(18, 2) as following_value
from {{ baskets }}
where event_day > {{ as_of(weeks_before) }} and event_day <= {{ as_of(weeks_before - 8) }}
group by segmentation_key
{%- endmacro %}

{# The change of what was spent: last 8 weeks against the 8 before, from -1 to 1. #}
{% macro trend(recent, prior) -%}
coalesce(
    (greatest({{ recent }}, 0) - greatest({{ prior }}, 0))
    / nullif(greatest({{ recent }}, 0) + greatest({{ prior }}, 0), 0), 0
)::double
{%- endmacro %}
