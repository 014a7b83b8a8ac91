{# Rows of a consented relation joined to the permission of one purpose: permitted subjects, data
   that the consent covers, nothing after `as_of`, nothing past its retention; with `only`, a
   relation keyed by the purpose, of its subjects alone. #}
{% macro permitted_rows(relation, purpose, columns, only=none) -%}
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
    {%- if only %}
    and permitted.purpose_key in (select {{ purpose }}_key from {{ only }})
    {%- endif %}
    and (permitted.consented_on is null or rows.event_day > permitted.consented_on)
{%- endmacro %}

{# The transactions, but those that reveal a special category of persons. #}
{% macro ordinary_transactions(where='true') -%}
(
    select * from {{ ref('stg_transactions__transactions') }}
    where
        {{ where }}
        and coalesce(product_group, '') not in (
            select special_value from {{ ref('int_transactions_special_values') }}
            where attribute = 'product_group'
        )
        and coalesce(category, '') not in (
            select special_value from {{ ref('int_transactions_special_values') }}
            where attribute = 'category'
        )
)
{%- endmacro %}
