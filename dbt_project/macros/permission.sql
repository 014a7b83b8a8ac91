{# Rows of a consented relation joined to the permission of one purpose: permitted subjects, data
   that the consent covers, nothing after `as_of`, nothing past its retention. #}
{% macro permitted_rows(relation, purpose, columns) -%}
select
    permitted.purpose_key as {{ purpose }}_key,
    rows.event_day,
    {%- for column in columns %}
    rows.{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ relation }} as rows
inner join {{ ref('int_consent_permitted') }} as permitted
    on rows.subject_key = permitted.subject_key
where
    rows.event_day <= {{ as_of() }}
    and rows.event_day > {{ as_of() }} - {{ behaviour_retention_days(purpose) }}
    and permitted.purpose = '{{ purpose }}'
    and permitted.permitted
    and (permitted.consented_on is null or rows.event_day > permitted.consented_on)
{%- endmacro %}
