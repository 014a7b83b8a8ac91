{# What a subject's permitted baskets say at a reference day. One definition for every mart; each
   mart selects the columns that the policy allows for its purpose. Units: days, visits, money,
   shares. Sums are exact (decimals), so that threads can't change a figure.

   baskets, categories: relations of one purpose (`int_<purpose>_baskets`, `_categories`)
   references: a relation with the column reference_day
   key: the purpose's key #}

{% macro features_of_visits(baskets, references, key, with_discount=true) -%}
select
    reference_day,
    {{ key }},
    date_diff('day', max(event_day), reference_day)::integer as recency_days,
    count(*)::integer as visits,
    sum(value)::decimal(18, 2) as value_total,
    date_diff('day', min(event_day), reference_day)::integer as tenure_days,
    (sum(value) / count(*))::double as basket_value_mean,
    (sum(lines) / count(*))::double as basket_lines_mean,
    {%- if with_discount %}
    coalesce(
        greatest(sum(discount), 0)
        / nullif(greatest(sum(discount), 0) + greatest(sum(value), 0), 0), 0
    )::double as discount_share,
    {%- endif %}
    (count(*) filter (where event_day > reference_day - 56))::integer as visits_8w,
    coalesce(sum(value) filter (where event_day > reference_day - 56), 0)::decimal(18, 2)
        as value_8w,
    coalesce(
        sum(value) filter (where event_day between reference_day - 111 and reference_day - 56), 0
    )::decimal(18, 2) as value_prior_8w
from {{ references }}
inner join {{ baskets }} on event_day <= reference_day
group by reference_day, {{ key }}
{%- endmacro %}

{# The rhythm of visits: mean and coefficient of variation of the days between visiting days. #}
{% macro features_of_rhythm(baskets, references, key) -%}
select
    reference_day,
    {{ key }},
    (sum(gap) / count(gap))::double as gap_mean_days,
    case
        when count(gap) > 1
            then sqrt(greatest(count(gap) * sum(gap * gap) - sum(gap) * sum(gap), 0)) / sum(gap)
    end::double as gap_variation
from (
    select
        reference_day,
        {{ key }},
        date_diff('day', lag(event_day) over days, event_day)::bigint as gap
    from {{ references }}
    inner join (select distinct {{ key }}, event_day from {{ baskets }}) as visiting_days
        on event_day <= reference_day
    window days as (partition by reference_day, {{ key }} order by event_day)
)
group by reference_day, {{ key }}
{%- endmacro %}

{# The mix of categories: shares of what was spent (returns don't count against it). #}
{% macro features_of_mix(categories, references, key) -%}
select
    reference_day,
    {{ key }},
    count(*)::integer as category_breadth,
    sum(share * share)::double as category_concentration,
    map_from_entries(list((category, share::double) order by category)) as category_mix
from (
    select
        reference_day,
        {{ key }},
        category,
        (
            spent / sum(spent) over (partition by reference_day, {{ key }})
        )::decimal(7, 6) as share
    from (
        select
            reference_day,
            {{ key }},
            category,
            greatest(sum(value), 0)::decimal(18, 2) as spent
        from {{ references }}
        inner join {{ categories }} on event_day <= reference_day
        group by reference_day, {{ key }}, category
    )
    where spent > 0
)
group by reference_day, {{ key }}
{%- endmacro %}

{# The change of what was spent: last 8 weeks against the 8 before, from -1 to 1. #}
{% macro trend(recent, prior) -%}
coalesce(
    (greatest({{ recent }}, 0) - greatest({{ prior }}, 0))
    / nullif(greatest({{ recent }}, 0) + greatest({{ prior }}, 0), 0), 0
)::double
{%- endmacro %}
