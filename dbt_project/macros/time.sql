{# The day, in the policy's time zone, of a moment held as UTC without a zone. #}
{% macro local_day(moment) -%}
(({{ moment }} at time zone 'UTC') at time zone '{{ var("time_zone") }}')::date
{%- endmacro %}
