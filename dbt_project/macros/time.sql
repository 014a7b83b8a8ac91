{# The day, in the policy's time zone, of a moment held as UTC without a zone. #}
{% macro local_day(moment) -%}
(({{ moment }} at time zone 'UTC') at time zone '{{ var("time_zone") }}')::date
{%- endmacro %}

{# One of the run's clocks, as a scalar: cheaper to filter by than a join. #}
{% macro clock(name) -%}
(select {{ name }} from {{ ref('stg_landing__clocks') }})
{%- endmacro %}
